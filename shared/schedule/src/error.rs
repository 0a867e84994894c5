//! Why a schedule is refused.

use domain::Fault;

/// An expression or a zone that cannot be used. Displayed, it is a sentence for the person who wrote it, and says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// The expression.
    #[error("{0}")]
    Expression(String),
    /// The name of the zone.
    #[error("{0}")]
    Zone(String),
}

impl InvalidSchedule {
    /// The stable code, documented under `docs/errors/`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expression(_) => "invalid_schedule",
            Self::Zone(_) => "unknown_zone",
        }
    }

    /// The error as a fault of a definition. `pointer` is the JSON pointer to the field at fault: the expression's or the zone's.
    pub fn fault(&self, pointer: impl Into<String>) -> Fault {
        Fault::new(pointer, self.code(), self.to_string())
    }
}

/// An expression's error.
pub(crate) fn refuse(message: impl Into<String>) -> InvalidSchedule {
    InvalidSchedule::Expression(message.into())
}

/// What somebody wrote, as a message may repeat it: cut to 64 characters, without control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
