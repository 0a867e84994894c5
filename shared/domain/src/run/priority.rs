//! Which queue carries a run.

use serde::{Deserialize, Serialize};

/// How soon a run's steps are wanted: each kind has a queue of its own, so that bulk work never delays interactive work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody waits for it.
    #[default]
    Interactive,
    /// It may wait for whatever is interactive.
    Bulk,
}

impl Priority {
    pub const ALL: [Self; 2] = [Self::Interactive, Self::Bulk];
    pub const NAMES: [&str; 2] = ["interactive", "bulk"];

    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMES.iter().position(|name| *name == text).map(|i| Self::ALL[i])
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    pub fn is_usual(&self) -> bool {
        *self == Self::Interactive
    }
}
