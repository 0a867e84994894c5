//! What each step read: told again from the journal, so that it need not be stored.

use crate::{Context, Node, NodeKind, Pausing, Plan, Then, follow};
use domain::Millis;
use domain::run::Entry;
use expr::{Expression, Template};
use serde_json::Value;
use std::collections::HashMap;

/// For every recorded step whose entry has no input of its own, the part of the scope that its expressions could read.
///
/// Replays `entries` as [`frontier`](crate::frontier) does; steps without expressions are left out.
pub fn inputs(plan: &Plan, mut context: Context, entries: &[Entry], now: Millis) -> HashMap<String, Value> {
    let mut last: HashMap<&str, &Entry> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let slot = last.entry(&entry.path).or_insert(entry);
        if entry.attempt > slot.attempt {
            *slot = entry;
        }
    }
    let mut read = HashMap::new();
    let mut then = Then::after(plan.first());
    loop {
        then = match then {
            Then::Go(ix) => {
                let node = plan.node(ix);
                let Some(entry) = last.get(node.path.as_str()) else { return read };
                let expressions: Vec<&Expression> =
                    node.templates().flat_map(Template::expressions).map(|(_, e)| e).collect();
                if entry.input.is_none() && !expressions.is_empty() {
                    read.insert(node.path.clone(), expr::pruned(context.scope(), expressions));
                }
                follow(plan, ix, entry, &mut context)
            }
            Then::Park { until, next } if until <= now => Then::after(next),
            Then::Park { .. } | Then::Retry { .. } | Then::End { .. } => return read,
        };
    }
}

impl Node {
    /// Everything that the step evaluates.
    fn templates(&self) -> impl Iterator<Item = &Template> {
        match &self.kind {
            NodeKind::Map { output } => vec![output],
            NodeKind::Branch { arms, .. } => arms.iter().map(|(when, _)| when).collect(),
            NodeKind::Action(action) => vec![&action.input],
            NodeKind::Wait { pause: Pausing::For(template) | Pausing::Until(template) } => vec![template],
            NodeKind::Respond { answer } => vec![answer],
            NodeKind::Stop { report, .. } => vec![report],
        }
        .into_iter()
    }
}
