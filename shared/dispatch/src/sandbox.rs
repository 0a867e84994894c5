//! The sandbox: where code runs that users wrote. It can reach nothing, so running it again does no harm.

use async_trait::async_trait;
use domain::run::StepError;
use domain::workflow::Language;
use serde_json::Value;
use std::time::Duration;

/// Code to run, and what it is given.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeRequest {
    pub language: Language,
    /// A module whose default export is a function of one argument.
    pub source: String,
    /// Its argument.
    pub input: Value,
    pub timeout: Duration,
}

/// Why code gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// It may pass.
    #[error("the sandbox could not be reached: {0}")]
    Unavailable(String),
    /// This deployment has none.
    #[error("this deployment has no sandbox for code")]
    Missing,
    /// The code is no module, threw, or gave what is no JSON.
    #[error("{0}")]
    Failed(String),
    #[error("the code was not done in time")]
    Timeout,
}

impl CodeError {
    /// The stable code that users see.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "sandbox_unavailable",
            Self::Missing => "sandbox_missing",
            Self::Failed(_) => "code_failed",
            Self::Timeout => "code_timeout",
        }
    }
}

impl From<CodeError> for StepError {
    fn from(error: CodeError) -> Self {
        let (code, message) = (error.code(), error.to_string());
        match error {
            CodeError::Unavailable(_) => Self::passing(code, message),
            CodeError::Missing | CodeError::Failed(_) | CodeError::Timeout => Self::fatal(code, message),
        }
    }
}

/// Runs code.
#[async_trait]
pub trait Sandbox: Send + Sync {
    /// What the code gives for its input.
    async fn run(&self, request: &CodeRequest) -> Result<Value, CodeError>;
}

/// That of a deployment without one: `code` steps cannot be saved there, and one that was saved elsewhere fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSandbox;

#[async_trait]
impl Sandbox for NoSandbox {
    async fn run(&self, _: &CodeRequest) -> Result<Value, CodeError> {
        Err(CodeError::Missing)
    }
}
