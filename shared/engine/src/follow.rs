//! From what was recorded to what comes next.

use crate::plan::Next;
use crate::walk::{enter, leave, raise};
use crate::{Context, NodeIx, NodeKind, Plan};
use domain::Millis;
use domain::run::{Entry, Mark, RunError, RunStatus, StepError};
use domain::workflow::OnError;
use serde_json::{Value, json};

/// What comes next in a strand.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// Run this node's first attempt.
    Go(NodeIx),
    /// Run this attempt of the node, not before a time.
    Retry { node: NodeIx, attempt: u16, at: Millis },
    /// Go on not before a time.
    Park { until: Millis, then: Box<Then> },
    /// Go on with this attempt when there is an answer, or at that time.
    Await { node: NodeIx, attempt: u16, until: Millis },
    /// Go on with this attempt when what the step started, which gave `output` at `since`, is over, or at that time.
    Complete { node: NodeIx, attempt: u16, output: Value, since: Millis, until: Millis },
    /// Go on with this attempt when all strands of the node have ended.
    Join { node: NodeIx, attempt: u16, lanes: u16, count: u32, digest: u64 },
    /// The strand ends; the step that forked it learns how.
    StrandEnd(Result<(), RunError>),
    /// The run ends.
    End { status: RunStatus, error: Option<RunError>, output: Option<Value> },
}

/// Takes a recorded entry of `node` into the context and says what comes next.
///
/// The only reader of marks: whoever won the journal write, whoever lost it, and whoever replays the journal call this.
pub fn follow(plan: &Plan, ix: NodeIx, entry: &Entry, context: &mut Context) -> Then {
    let node = plan.node(ix);
    // What a start was given is computed again when its app is asked: to the same.
    if !node.kind.is_pure() && !matches!(entry.mark, Mark::Started { .. }) {
        context.clock = context.clock.max(entry.finished_at);
    }
    match (&entry.mark, &node.kind) {
        (Mark::Took(arm), NodeKind::Branch { arms, otherwise }) => {
            context.set(&node.id, json!({"arm": arm}));
            let first = match arm {
                Some(i) => arms.get(usize::from(*i)).map_or(node.next, |(_, first)| *first),
                None => *otherwise,
            };
            enter(plan, first, context)
        }
        (Mark::Took(arm), NodeKind::While { first, .. }) => {
            if arm.is_some() {
                return enter(plan, *first, context);
            }
            context.frames.remove(&node.id);
            enter(plan, node.next, context)
        }
        (Mark::Took(_), _) => enter(plan, node.next, context),
        (Mark::Filtered(passed), _) => {
            context.set(&node.id, json!({"passed": passed}));
            match (passed, node.skip) {
                (true, _) => enter(plan, node.next, context),
                (false, Next::End(scope)) => leave(plan, scope, !node.in_arm, context),
                (false, next) => enter(plan, next, context),
            }
        }
        (Mark::Succeeded(output), _) => {
            context.set(&node.id, output.clone());
            enter(plan, node.next, context)
        }
        (Mark::Spilled(blob), _) => {
            context.set_spilled(&node.id, blob.clone());
            enter(plan, node.next, context)
        }
        (Mark::Failed(error), _) => fail(plan, ix, error, entry, context),
        (Mark::Retrying { next_at, .. }, _) => {
            Then::Retry { node: ix, attempt: entry.attempt + 1, at: *next_at }
        }
        (Mark::Waiting { until }, _) => {
            context.set(&node.id, json!({"until": until.rfc3339()}));
            context.clock = context.clock.max(*until);
            Then::Park { until: *until, then: Box::new(enter(plan, node.next, context)) }
        }
        (Mark::Awaiting { until }, _) => Then::Await { node: ix, attempt: entry.attempt + 1, until: *until },
        (Mark::Started { output, until }, _) => Then::Complete {
            node: ix,
            attempt: entry.attempt + 1,
            output: output.clone(),
            since: entry.finished_at,
            until: *until,
        },
        (Mark::Forked { lanes, count, digest }, _) => {
            Then::Join { node: ix, attempt: entry.attempt + 1, lanes: *lanes, count: *count, digest: *digest }
        }
        (Mark::Stopped { status, message, output }, _) => {
            let error = (*status == RunStatus::Failed).then(|| RunError {
                code: "stopped".to_owned(),
                message: message.clone().unwrap_or_else(|| "the workflow stopped here as failed".to_owned()),
                step: Some(node.instance(context)),
            });
            let output = (!output.is_null()).then(|| output.clone());
            Then::End { status: *status, error, output }
        }
    }
}

fn fail(plan: &Plan, ix: NodeIx, error: &StepError, entry: &Entry, context: &mut Context) -> Then {
    let node = plan.node(ix);
    context.frames.retain(|id, _| node.loops.iter().any(|at| at.id == *id && at.id != node.id));
    match node.on_error {
        OnError::Continue => {
            context.set(&node.id, json!({"error": {"code": error.code, "message": error.message}}));
            enter(plan, node.next, context)
        }
        OnError::Fail => {
            // The failure of a block is that of the step inside it.
            let step =
                error.details.as_ref().and_then(|d| d["step"].as_str()).filter(|_| !node.kind.is_pure());
            let step = match (&node.kind, step) {
                (NodeKind::ForEach(_) | NodeKind::Parallel { .. }, Some(inner)) => inner.to_owned(),
                _ => entry.path.clone(),
            };
            let error =
                RunError { code: error.code.clone(), message: error.message.clone(), step: Some(step) };
            raise(plan, node.scope, error, context)
        }
    }
}
