//! From what was recorded to what comes next.

use crate::{Context, NodeIx, NodeKind, Plan};
use domain::Millis;
use domain::run::{Entry, Mark, RunError, RunStatus};
use domain::workflow::OnError;
use serde_json::{Value, json};

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// Run this node's first attempt.
    Go(NodeIx),
    /// Run this attempt of the node, not before a time.
    Retry { node: NodeIx, attempt: u16, at: Millis },
    /// Go on not before a time; `None` ends the run then.
    Park { until: Millis, next: Option<NodeIx> },
    /// The run ends.
    End { status: RunStatus, error: Option<RunError>, output: Option<Value> },
}

impl Then {
    /// What follows a finished node.
    pub fn after(next: Option<NodeIx>) -> Self {
        next.map_or(Self::End { status: RunStatus::Succeeded, error: None, output: None }, Self::Go)
    }
}

/// Takes a recorded entry of `node` into the context and says what comes next.
///
/// The only reader of marks: whoever won the journal write, whoever lost it, and whoever replays the journal call this.
pub fn follow(plan: &Plan, ix: NodeIx, entry: &Entry, context: &mut Context) -> Then {
    let node = plan.node(ix);
    match (&entry.mark, &node.kind) {
        (Mark::Took(arm), NodeKind::Branch { arms, otherwise }) => {
            context.set(&node.id, json!({"arm": arm}));
            let first = match arm {
                Some(i) => arms.get(usize::from(*i)).and_then(|(_, first)| *first),
                None => *otherwise,
            };
            Then::after(first)
        }
        (Mark::Took(_), _) => Then::after(node.next),
        (Mark::Succeeded(output), kind) => {
            context.set(&node.id, output.clone());
            if matches!(kind, NodeKind::Action(_) | NodeKind::Respond { .. }) {
                context.clock = context.clock.max(entry.finished_at);
            }
            Then::after(node.next)
        }
        (Mark::Failed(error), kind) => {
            if matches!(kind, NodeKind::Action(_)) {
                context.clock = context.clock.max(entry.finished_at);
            }
            match node.on_error {
                OnError::Continue => {
                    context.set(&node.id, json!({"error": {"code": error.code, "message": error.message}}));
                    Then::after(node.next)
                }
                OnError::Fail => {
                    let error = RunError {
                        code: error.code.clone(),
                        message: error.message.clone(),
                        step: Some(node.path.clone()),
                    };
                    Then::End { status: RunStatus::Failed, error: Some(error), output: None }
                }
            }
        }
        (Mark::Retrying { next_at, .. }, _) => {
            Then::Retry { node: ix, attempt: entry.attempt + 1, at: *next_at }
        }
        (Mark::Waiting { until }, _) => {
            context.set(&node.id, json!({"until": until.rfc3339()}));
            context.clock = context.clock.max(*until);
            Then::Park { until: *until, next: node.next }
        }
        (Mark::Stopped { status, message, output }, _) => {
            let error = (*status == RunStatus::Failed).then(|| RunError {
                code: "stopped".to_owned(),
                message: message.clone().unwrap_or_else(|| "the workflow stopped here as failed".to_owned()),
                step: Some(node.path.clone()),
            });
            let output = (!output.is_null()).then(|| output.clone());
            Then::End { status: *status, error, output }
        }
    }
}
