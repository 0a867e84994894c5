//! How far one message may carry a run.

use std::time::Duration;

/// An invocation goes on with the following step itself until one of these is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainBudget {
    pub steps: u32,
    pub time: Duration,
}

impl Default for ChainBudget {
    fn default() -> Self {
        Self { steps: 100, time: Duration::from_secs(60) }
    }
}
