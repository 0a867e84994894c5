//! A model of the sandbox: it runs no code, but answers as code would that is called what it is called.

use async_trait::async_trait;
use dispatch::{CodeError, CodeRequest, Sandbox};
use serde_json::{Value, json};

/// Gives back what it was given, and throws where the source says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModelSandbox;

/// What it makes of a source and its input; else what was thrown.
pub fn modelled(source: &str, input: &Value) -> Result<Value, String> {
    if source.contains("throw") {
        return Err("Error: thrown".to_owned());
    }
    Ok(json!({"given": input}))
}

#[async_trait]
impl Sandbox for ModelSandbox {
    async fn run(&self, request: &CodeRequest) -> Result<Value, CodeError> {
        modelled(&request.source, &request.input).map_err(CodeError::Failed)
    }
}
