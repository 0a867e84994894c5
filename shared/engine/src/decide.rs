//! From what happened to what is recorded.

use crate::{NodeKind, Pausing, retry};
use domain::Millis;
use domain::run::{Mark, RunStatus, StepError};
use domain::workflow::{Retry, StopAs};
use serde_json::Value;

/// What happened to a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A `map` has its output.
    Evaluated(Value),
    /// A `branch` found the first arm whose condition holds, or none; a `while` goes on (0) or not.
    Chosen(Option<u16>),
    /// A `filter` found whether its condition holds.
    Passed(bool),
    /// An effect took place: an action's, an `emit`'s, or the start of a run that is not waited for.
    Effect(Value),
    /// A block begins this many strands over so many items or arms; `digest` tells whether items are the same.
    Forking { lanes: u16, count: u32, digest: u64 },
    /// All strands of a block have ended; this is what they gave.
    Joined(Value),
    /// An action started what goes on at its app, and gave this; its end is awaited until then at most.
    Started { output: Value, until: Millis },
    /// A `wait` knows until when.
    Until(Millis),
    /// A call, a decision or another run's end is awaited, until then at most.
    Awaiting(Millis),
    /// What was awaited has come.
    Resumed(Value),
    /// A `respond` has stored its answer.
    Answered(Value),
    /// A `stop` has its report.
    Stopping { message: Option<String>, output: Value },
    /// An evaluation or an effect failed.
    Failed(StepError),
}

impl Event {
    fn name(&self) -> &'static str {
        match self {
            Self::Evaluated(_) => "evaluated",
            Self::Chosen(_) => "chosen",
            Self::Passed(_) => "passed",
            Self::Effect(_) => "effect",
            Self::Started { .. } => "started",
            Self::Forking { .. } => "forking",
            Self::Joined(_) => "joined",
            Self::Until(_) => "until",
            Self::Awaiting(_) => "awaiting",
            Self::Resumed(_) => "resumed",
            Self::Answered(_) => "answered",
            Self::Stopping { .. } => "stopping",
            Self::Failed(_) => "failed",
        }
    }
}

/// An event that the kind of step cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a `{step}` step cannot have the event `{event}`")]
pub struct IllegalTransition {
    step: &'static str,
    event: &'static str,
}

/// What to record for `event` at the given attempt, of those that failed or will. `draw` is a random number that spreads retries.
pub fn decide(
    kind: &NodeKind,
    attempt: u16,
    event: Event,
    now: Millis,
    draw: u64,
) -> Result<Mark, IllegalTransition> {
    use NodeKind as K;
    use Pausing as P;
    match (kind, event) {
        (K::Map { .. }, Event::Evaluated(output))
        | (
            K::Action(_) | K::Code(_) | K::Emit { .. } | K::Workflow { wait: false, .. },
            Event::Effect(output),
        )
        | (K::ForEach(_) | K::Parallel { .. }, Event::Joined(output))
        | (
            K::Wait { pause: P::Callback { .. } } | K::Approval(_) | K::Workflow { wait: true, .. },
            Event::Resumed(output),
        )
        | (K::Respond { .. }, Event::Answered(output)) => Ok(Mark::Succeeded(output)),
        (K::Branch { .. } | K::While { .. }, Event::Chosen(arm)) => Ok(Mark::Took(arm)),
        (K::Filter { .. }, Event::Passed(passed)) => Ok(Mark::Filtered(passed)),
        (K::ForEach(_) | K::Parallel { .. }, Event::Forking { lanes, count, digest }) => {
            Ok(Mark::Forked { lanes, count, digest })
        }
        (K::Wait { pause: P::For(_) | P::Until(_) }, Event::Until(until)) => Ok(Mark::Waiting { until }),
        (
            K::Wait { pause: P::Callback { .. } } | K::Approval(_) | K::Workflow { wait: true, .. },
            Event::Awaiting(until),
        ) => Ok(Mark::Awaiting { until }),
        (K::Action(_), Event::Started { output, until }) => Ok(Mark::Started { output, until }),
        (K::Stop { status, .. }, Event::Stopping { message, output }) => {
            let status = match status {
                StopAs::Succeeded => RunStatus::Succeeded,
                StopAs::Failed => RunStatus::Failed,
            };
            Ok(Mark::Stopped { status, message, output })
        }
        (K::Action(action), Event::Failed(error)) => {
            let again = error.retryable && !action.at_most_once && attempt < action.retry.max_attempts;
            Ok(if again {
                let pause = retry::delay(&action.retry, attempt, error.retry_after_ms, draw);
                Mark::Retrying { next_at: now.plus(pause), error }
            } else {
                Mark::Failed(error)
            })
        }
        (K::Code(_), Event::Failed(error)) => {
            // What fails of itself fails again; the sandbox may be there the next time.
            let default = Retry::default();
            Ok(if error.retryable && attempt < default.max_attempts {
                let pause = retry::delay(&default, attempt, error.retry_after_ms, draw);
                Mark::Retrying { next_at: now.plus(pause), error }
            } else {
                Mark::Failed(error)
            })
        }
        // A `try` is never run itself.
        (K::Try { .. }, event) => Err(illegal(kind, &event)),
        (_, Event::Failed(error)) => Ok(Mark::Failed(error)),
        (_, event) => Err(illegal(kind, &event)),
    }
}

fn illegal(kind: &NodeKind, event: &Event) -> IllegalTransition {
    IllegalTransition { step: kind.name(), event: event.name() }
}
