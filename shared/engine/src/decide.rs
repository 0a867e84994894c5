//! From what happened to what is recorded.

use crate::{NodeKind, retry};
use domain::Millis;
use domain::run::{Mark, RunStatus, StepError};
use domain::workflow::StopAs;
use serde_json::Value;

/// What happened to a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A `map` has its output.
    Evaluated(Value),
    /// A `branch` found the first arm whose condition holds, or none.
    Chosen(Option<u16>),
    /// An action's effect took place.
    Effect(Value),
    /// A `wait` knows until when.
    Until(Millis),
    /// A `respond` has stored its answer.
    Answered(Value),
    /// A `stop` has its report.
    Stopping { message: Option<String>, output: Value },
    /// An evaluation or an effect failed.
    Failed(StepError),
}

/// An event that the kind of step cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a `{step}` step cannot have the event `{event}`")]
pub struct IllegalTransition {
    step: &'static str,
    event: &'static str,
}

/// What to record for `event` at the given attempt. `draw` is a random number that spreads retries.
pub fn decide(
    kind: &NodeKind,
    attempt: u16,
    event: Event,
    now: Millis,
    draw: u64,
) -> Result<Mark, IllegalTransition> {
    use NodeKind as K;
    match (kind, event) {
        (K::Map { .. }, Event::Evaluated(output)) => Ok(Mark::Succeeded(output)),
        (K::Branch { .. }, Event::Chosen(arm)) => Ok(Mark::Took(arm)),
        (K::Action(_), Event::Effect(output)) => Ok(Mark::Succeeded(output)),
        (K::Action(action), Event::Failed(error)) => {
            let again = error.retryable && !action.at_most_once && attempt < action.retry.max_attempts;
            Ok(if again {
                let pause = retry::delay(&action.retry, attempt, error.retry_after_ms, draw);
                Mark::Retrying { next_at: now.plus(pause), error }
            } else {
                Mark::Failed(error)
            })
        }
        (K::Wait { .. }, Event::Until(until)) => Ok(Mark::Waiting { until }),
        (K::Respond { .. }, Event::Answered(answer)) => Ok(Mark::Succeeded(answer)),
        (K::Stop { status, .. }, Event::Stopping { message, output }) => {
            let status = match status {
                StopAs::Succeeded => RunStatus::Succeeded,
                StopAs::Failed => RunStatus::Failed,
            };
            Ok(Mark::Stopped { status, message, output })
        }
        (
            K::Map { .. } | K::Branch { .. } | K::Wait { .. } | K::Respond { .. } | K::Stop { .. },
            Event::Failed(error),
        ) => Ok(Mark::Failed(error)),
        (
            K::Branch { .. } | K::Action(_) | K::Wait { .. } | K::Respond { .. } | K::Stop { .. },
            Event::Evaluated(_),
        ) => Err(illegal(kind, "evaluated")),
        (
            K::Map { .. } | K::Action(_) | K::Wait { .. } | K::Respond { .. } | K::Stop { .. },
            Event::Chosen(_),
        ) => Err(illegal(kind, "chosen")),
        (
            K::Map { .. } | K::Branch { .. } | K::Wait { .. } | K::Respond { .. } | K::Stop { .. },
            Event::Effect(_),
        ) => Err(illegal(kind, "effect")),
        (
            K::Map { .. } | K::Branch { .. } | K::Action(_) | K::Respond { .. } | K::Stop { .. },
            Event::Until(_),
        ) => Err(illegal(kind, "until")),
        (
            K::Map { .. } | K::Branch { .. } | K::Action(_) | K::Wait { .. } | K::Stop { .. },
            Event::Answered(_),
        ) => Err(illegal(kind, "answered")),
        (
            K::Map { .. } | K::Branch { .. } | K::Action(_) | K::Wait { .. } | K::Respond { .. },
            Event::Stopping { .. },
        ) => Err(illegal(kind, "stopping")),
    }
}

fn illegal(kind: &NodeKind, event: &'static str) -> IllegalTransition {
    IllegalTransition { step: kind.name(), event }
}

impl NodeKind {
    /// The step type as definitions name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Map { .. } => "map",
            Self::Branch { .. } => "branch",
            Self::Action(_) => "action",
            Self::Wait { .. } => "wait",
            Self::Respond { .. } => "respond",
            Self::Stop { .. } => "stop",
        }
    }
}
