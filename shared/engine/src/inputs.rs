//! What each step read: told again from the journal, so that it need not be stored.

use crate::frontier::{last_attempts, walk};
use crate::walk::begin;
use crate::{Context, Plan};
use domain::Millis;
use domain::run::Entry;
use expr::{Expression, Template};
use serde_json::Value;
use std::collections::HashMap;

/// For every recorded step of the main strand whose entry has no input of its own, the part of the scope that its expressions
/// could read.
///
/// Replays `entries` as [`frontier`](crate::frontier()) does; steps without expressions are left out.
pub fn inputs(plan: &Plan, mut context: Context, entries: &[Entry], now: Millis) -> HashMap<String, Value> {
    let last = last_attempts(entries);
    let mut read = HashMap::new();
    let then = begin(plan, &mut context);
    walk(plan, context, then, &last, Some(now), |path, context| {
        let (Some(entry), Some(ix)) = (last.get(path), plan.by_instance(path)) else { return false };
        let templates = plan.node(ix).kind.templates();
        let expressions: Vec<&Expression> =
            templates.into_iter().flat_map(Template::expressions).map(|(_, e)| e).collect();
        if entry.input.is_none() && !expressions.is_empty() {
            let named = context.spilled_as_notes();
            let scope = named.as_ref().unwrap_or_else(|| context.scope());
            read.insert(path.to_owned(), expr::pruned(scope, expressions));
        }
        false
    });
    read
}
