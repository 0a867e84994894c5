//! How far one message may carry a run.

use std::time::Duration;

/// An invocation goes on with the following step itself until one of these is used up.
///
/// Only steps with effects are counted: a pure step is journalled with the next effectful one, so a message of its own would buy
/// nothing. With 1, each effect has its own message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainBudget {
    pub steps: u32,
    pub time: Duration,
}

impl Default for ChainBudget {
    fn default() -> Self {
        Self { steps: 100, time: Duration::from_mins(1) }
    }
}
