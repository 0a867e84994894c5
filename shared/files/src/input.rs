//! What an action is given. Its shape has been checked against the action's schema.

use domain::run::StepError;
use serde_json::Value;

#[derive(Clone, Copy)]
pub(crate) struct Input<'a>(pub(crate) &'a Value);

impl<'a> Input<'a> {
    pub(crate) fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str)
    }

    pub(crate) fn flag(self, name: &str, otherwise: bool) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(otherwise)
    }

    pub(crate) fn number(self, name: &str, otherwise: u64) -> u64 {
        let number = self.0.get(name);
        let whole = number.and_then(Value::as_u64);
        // Expressions count in floating point.
        let float = || number.and_then(Value::as_f64).filter(|n| (0.0..1e15).contains(n)).map(|n| n as u64);
        whole.or_else(float).unwrap_or(otherwise)
    }

    pub(crate) fn list(self, name: &str) -> Option<&'a Vec<Value>> {
        self.0.get(name).and_then(Value::as_array)
    }

    /// A single ASCII character: what separates cells, or stands around them.
    pub(crate) fn byte(self, name: &str, otherwise: u8) -> Result<u8, StepError> {
        match self.text(name) {
            None => Ok(otherwise),
            Some(text) => match text.as_bytes() {
                [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0) => Ok(*byte),
                _ => Err(invalid(format!("`{name}` must be one ASCII character, such as `;`"))),
            },
        }
    }
}

pub(crate) fn invalid(message: impl Into<String>) -> StepError {
    StepError::fatal("invalid_input", message)
}

/// What a file's content is not.
pub(crate) fn unreadable(message: impl Into<String>) -> StepError {
    StepError::fatal("file_unreadable", message)
}

pub(crate) fn too_large(message: impl Into<String>) -> StepError {
    StepError::fatal("file_too_large", message)
}

/// The worker's own disk fails, and not the file.
pub(crate) fn disk(error: &std::io::Error) -> StepError {
    StepError::passing("unavailable", format!("a file could not be worked on just now: {error}"))
}
