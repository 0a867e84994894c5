//! From one step to the next: into blocks, out of them, and where failures lead.

use crate::plan::{Next, Scope, ScopeIx};
use crate::strand::set_item;
use crate::{Context, Given, NodeIx, NodeKind, Plan, Then};
use domain::run::{RunError, RunStatus};
use domain::workflow::OnError;
use serde_json::{Value, json};

/// The first step of a run.
pub fn begin(plan: &Plan, context: &mut Context) -> Then {
    enter(plan, plan.first(), context)
}

/// The first thing to do at `next`.
pub(crate) fn enter(plan: &Plan, next: Next, context: &mut Context) -> Then {
    match next {
        Next::Node(ix) => match &plan.node(ix).kind {
            NodeKind::Try { first, .. } => enter(plan, *first, context),
            NodeKind::While { .. } => iterate(plan, ix, 0, context),
            _ => Then::Go(ix),
        },
        Next::End(scope) => leave(plan, scope, false, context),
    }
}

/// A list of steps is over; `filtered`, because a filter ended it.
pub(crate) fn leave(plan: &Plan, scope: ScopeIx, filtered: bool, context: &mut Context) -> Then {
    match plan.scope(scope) {
        Scope::Run => Then::End { status: RunStatus::Succeeded, error: None, output: None },
        Scope::OnFailure => {
            let error = context.raised.remove(ON_FAILURE);
            Then::End { status: RunStatus::Failed, error, output: None }
        }
        Scope::Try(ix) => {
            context.set(&plan.node(ix).id, json!({"error": null}));
            finally(plan, ix, context)
        }
        Scope::Catch(ix) => finally(plan, ix, context),
        Scope::Finally(ix) => {
            let node = plan.node(ix);
            match context.raised.remove(&node.id) {
                Some(error) => raise(plan, node.scope, error, context),
                None => enter(plan, node.next, context),
            }
        }
        Scope::Iteration(ix) => {
            let iteration = context.iteration(&plan.node(ix).id) + 1;
            iterate(plan, ix, iteration, context)
        }
        Scope::Item(ix) => {
            if !filtered && let NodeKind::ForEach(each) = &plan.node(ix).kind {
                let result = context.output(&each.last);
                keep(context, &plan.node(ix).id, result);
            }
            next_item(plan, ix, None, context)
        }
        Scope::Arm(..) => Then::StrandEnd(Ok(())),
    }
}

/// Looks at a loop's condition after so many iterations.
fn iterate(plan: &Plan, ix: NodeIx, iterations: u32, context: &mut Context) -> Then {
    let id = &plan.node(ix).id;
    context.frames.insert(id.clone(), iterations);
    context.set(id, json!({"iterations": iterations}));
    Then::Go(ix)
}

fn finally(plan: &Plan, ix: NodeIx, context: &mut Context) -> Then {
    let node = plan.node(ix);
    match &node.kind {
        NodeKind::Try { finally: Some(first), .. } => enter(plan, *first, context),
        _ => enter(plan, node.next, context),
    }
}

/// A failure that its own step did not deal with.
pub(crate) fn raise(plan: &Plan, scope: ScopeIx, error: RunError, context: &mut Context) -> Then {
    match plan.scope(scope) {
        Scope::Run => match plan.on_failure() {
            Some(first) => {
                context.set_name("error", shown(&error));
                context.raised.insert(ON_FAILURE.to_owned(), error);
                enter(plan, first, context)
            }
            None => Then::End { status: RunStatus::Failed, error: Some(error), output: None },
        },
        // The first failure is the one to tell of.
        Scope::OnFailure => {
            let first = context.raised.remove(ON_FAILURE).unwrap_or(error);
            Then::End { status: RunStatus::Failed, error: Some(first), output: None }
        }
        Scope::Try(ix) => {
            let node = plan.node(ix);
            context.set(&node.id, json!({"error": shown(&error)}));
            match &node.kind {
                NodeKind::Try { catch: Some(first), .. } => {
                    context.set_name("error", shown(&error));
                    enter(plan, *first, context)
                }
                _ => raise_after_finally(plan, ix, error, context),
            }
        }
        Scope::Catch(ix) => raise_after_finally(plan, ix, error, context),
        Scope::Finally(ix) => {
            let node = plan.node(ix);
            context.raised.remove(&node.id);
            match node.on_error {
                OnError::Continue => {
                    context.set(&node.id, json!({"error": shown(&error)}));
                    enter(plan, node.next, context)
                }
                OnError::Fail => raise(plan, node.scope, error, context),
            }
        }
        Scope::Iteration(ix) => {
            let node = plan.node(ix);
            context.frames.remove(&node.id);
            match node.on_error {
                OnError::Continue => {
                    context.set(&node.id, json!({"error": shown(&error)}));
                    enter(plan, node.next, context)
                }
                OnError::Fail => raise(plan, node.scope, error, context),
            }
        }
        Scope::Item(ix) => {
            let node = plan.node(ix);
            match &node.kind {
                NodeKind::ForEach(each) if each.on_item_error == OnError::Continue => {
                    keep(context, &node.id, Given::Value(json!({"error": shown(&error)})));
                    next_item(plan, ix, None, context)
                }
                _ => Then::StrandEnd(Err(error)),
            }
        }
        Scope::Arm(..) => Then::StrandEnd(Err(error)),
    }
}

fn raise_after_finally(plan: &Plan, ix: NodeIx, error: RunError, context: &mut Context) -> Then {
    let node = plan.node(ix);
    match (&node.kind, node.on_error) {
        (NodeKind::Try { finally: Some(first), .. }, OnError::Fail) => {
            context.raised.insert(node.id.clone(), error);
            enter(plan, *first, context)
        }
        (_, OnError::Continue) => finally(plan, ix, context),
        (_, OnError::Fail) => raise(plan, node.scope, error, context),
    }
}

/// The lane's next item, from `first` or after the present one.
pub(crate) fn next_item(plan: &Plan, ix: NodeIx, first: Option<u32>, context: &mut Context) -> Then {
    let node = plan.node(ix);
    let NodeKind::ForEach(each) = &node.kind else { return Then::StrandEnd(Ok(())) };
    let present = context.iteration(&node.id);
    context.forget(&each.inner);
    let Some(lane) = &mut context.lane else { return Then::StrandEnd(Ok(())) };
    let index = first.unwrap_or(present.saturating_add(lane.stride));
    let Some(item) = lane.rest.pop_front().filter(|_| index < lane.count) else {
        return Then::StrandEnd(Ok(()));
    };
    context.frames.insert(node.id.clone(), index);
    set_item(context, index, item);
    enter(plan, each.first, context)
}

/// Keeps what an item came to, if somebody collects it.
fn keep(context: &mut Context, id: &str, result: Given) {
    let index = context.iteration(id);
    if let Some(results) = context.lane.as_mut().and_then(|lane| lane.results.as_mut()) {
        results.push((index, result));
    }
}

/// A failure as expressions read it.
pub(crate) fn shown(error: &RunError) -> Value {
    json!({"code": error.code, "message": error.message, "step": error.step})
}

/// The name of `on_failure` among what is raised again.
const ON_FAILURE: &str = "";
