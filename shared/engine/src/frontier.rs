//! Where a run stands, told by its journal alone.

use crate::{Context, Plan, Then, follow};
use domain::Millis;
use domain::run::Entry;
use std::collections::HashMap;

/// The first thing of a run that has no outcome yet, and the context it runs in.
#[derive(Debug, Clone, PartialEq)]
pub struct Frontier {
    pub context: Context,
    pub then: Then,
}

/// Replays `entries` from the beginning.
///
/// Waits that are over at `now` are passed. Entries may come in any order and more than once; of a path's attempts the last
/// one counts.
pub fn frontier(plan: &Plan, mut context: Context, entries: &[Entry], now: Millis) -> Frontier {
    let mut last: HashMap<&str, &Entry> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let slot = last.entry(&entry.path).or_insert(entry);
        if entry.attempt > slot.attempt {
            *slot = entry;
        }
    }
    let mut then = Then::after(plan.first());
    loop {
        then = match then {
            Then::Go(node) => match last.get(plan.node(node).path.as_str()) {
                Some(entry) => follow(plan, node, entry, &mut context),
                None => return Frontier { context, then },
            },
            Then::Park { until, next } if until <= now => Then::after(next),
            Then::Park { .. } | Then::Retry { .. } | Then::End { .. } => return Frontier { context, then },
        };
    }
}
