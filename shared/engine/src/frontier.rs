//! Where a strand stands, told by its journal alone.

use crate::walk::begin;
use crate::{Context, Plan, Then, follow};
use domain::Millis;
use domain::run::Entry;
use std::collections::HashMap;

/// The first thing of a strand that has no outcome yet, and the context it runs in.
#[derive(Debug, Clone, PartialEq)]
pub struct Frontier {
    pub context: Context,
    pub then: Then,
}

/// Replays the main strand's `entries` from the beginning.
///
/// Waits that are over at `now` are passed. Entries may come in any order and more than once; of a path's attempts the last
/// one counts.
pub fn frontier(plan: &Plan, mut context: Context, entries: &[Entry], now: Millis) -> Frontier {
    let then = begin(plan, &mut context);
    replay(plan, context, then, entries, now)
}

/// Replays `entries` of a strand from any point of it.
pub fn replay(plan: &Plan, context: Context, then: Then, entries: &[Entry], now: Millis) -> Frontier {
    let last = last_attempts(entries);
    walk(plan, context, then, &last, Some(now), |_, _| false)
}

/// Replays `entries` of a strand up to where it reached the step of this path; `None` if it never did.
pub fn replay_to(
    plan: &Plan,
    context: Context,
    then: Then,
    entries: &[Entry],
    path: &str,
) -> Option<Context> {
    let last = last_attempts(entries);
    let stop = |reached: &str, _: &Context| reached == path;
    let found = walk(plan, context, then, &last, None, stop);
    match found.then {
        Then::Go(node) if plan.node(node).instance(&found.context) == path => Some(found.context),
        _ => None,
    }
}

pub(crate) fn last_attempts(entries: &[Entry]) -> HashMap<&str, &Entry> {
    let mut last: HashMap<&str, &Entry> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let slot = last.entry(&entry.path).or_insert(entry);
        if entry.attempt > slot.attempt {
            *slot = entry;
        }
    }
    last
}

/// `now` is the time at which waits are over or not; without one, all are. `stop` may end the walk before a step.
pub(crate) fn walk(
    plan: &Plan,
    mut context: Context,
    mut then: Then,
    last: &HashMap<&str, &Entry>,
    now: Option<Millis>,
    mut stop: impl FnMut(&str, &Context) -> bool,
) -> Frontier {
    loop {
        then = match then {
            Then::Go(node) => {
                let path = plan.node(node).instance(&context);
                if stop(&path, &context) {
                    return Frontier { context, then };
                }
                match last.get(path.as_str()) {
                    Some(entry) => follow(plan, node, entry, &mut context),
                    None => return Frontier { context, then },
                }
            }
            Then::Park { until, then } if now.is_none_or(|now| until <= now) => *then,
            then => return Frontier { context, then },
        };
    }
}
