//! One thing that is wrong with a document a user sent, and where.

use serde::{Deserialize, Serialize};

/// A fault in a document: where it is, a stable code, and a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the document.
    pub pointer: String,
    /// Stable, documented under `docs/errors/`.
    pub code: String,
    /// A sentence for the person who wrote the document.
    pub message: String,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.into(), message: message.into() }
    }
}

/// Appends one reference token to a JSON pointer, escaped as RFC 6901 asks.
pub fn join(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", token.replace('~', "~0").replace('/', "~1"))
}
