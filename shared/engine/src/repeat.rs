//! What a run that repeats another takes over from it.

use crate::frontier::{last_attempts, walk};
use crate::plan::Scope;
use crate::walk::begin;
use crate::{Context, NodeIx, NodeKind, Plan, Strand};
use domain::run::{Entry, Mark};
use domain::workflow::OnError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Why a run cannot be repeated so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotRepeat {
    #[error("the run has not come to a step `{0}`; take the path of one of its steps")]
    NotReached(String),
    #[error("`{0}` is inside a loop or an arm; repeat from the step around it")]
    InsideBlock(String),
    #[error("`{0}` gave no output before that step, so there is none to replace")]
    NoOutput(String),
}

/// Entries, each with the name of its strand.
pub type Kept = Vec<(String, Entry)>;

/// What a run takes over that begins again at the step `from` of the main strand: the outcomes before it, some of them replaced.
pub fn before(
    plan: &Plan,
    context: Context,
    entries: &[Entry],
    from: &str,
    outputs: &BTreeMap<String, Value>,
) -> Result<Kept, CannotRepeat> {
    if plan.strand_of(from).is_some_and(|strand| !strand.is_empty()) {
        return Err(CannotRepeat::InsideBlock(from.to_owned()));
    }
    let passed =
        passed(plan, context, entries, from).ok_or_else(|| CannotRepeat::NotReached(from.to_owned()))?;
    let mut kept: Kept = strands(plan, entries)
        .filter(|(strand, entry)| passed.contains(&root(plan, strand, &entry.path)))
        .map(|(strand, entry)| (strand, entry.clone()))
        .collect();
    for (path, output) in outputs {
        let given = kept
            .iter_mut()
            .find(|(_, e)| e.path == *path && matches!(e.mark, Mark::Succeeded(_) | Mark::Spilled(_)));
        let (_, entry) = given.ok_or_else(|| CannotRepeat::NoOutput(path.clone()))?;
        entry.mark = Mark::Succeeded(output.clone());
    }
    Ok(kept)
}

/// What a run takes over that tries again what failed: everything but the failure at `failed`, and what followed from it.
pub fn but_failures(plan: &Plan, context: Context, entries: &[Entry], failed: Option<&str>) -> Kept {
    // The step of the main strand that failed, or the block in which one did.
    let failed = failed.map(|path| root(plan, &plan.strand_of(path).unwrap_or_default(), path));
    let passed = failed.as_ref().and_then(|failed| passed(plan, context, entries, failed));
    let last = last_attempts(entries);
    // In each strand, the first failure that nothing dealt with; what follows it there is its consequence.
    let mut ends: BTreeMap<String, i64> = BTreeMap::new();
    for (strand, entry) in strands(plan, entries).filter(|(strand, _)| !strand.is_empty()) {
        if matches!(entry.mark, Mark::Failed(_)) && ends_its_strand(plan, entry) {
            let at = ends.entry(strand).or_insert(entry.finished_at.0);
            *at = (*at).min(entry.finished_at.0);
        }
    }
    strands(plan, entries)
        .filter(|(strand, entry)| {
            let within = root(plan, strand, &entry.path);
            let forked = matches!(entry.mark, Mark::Forked { .. });
            // What was waited for to no end is waited for anew, and not for the end that failed.
            let open = matches!(entry.mark, Mark::Awaiting { .. } | Mark::Started { .. })
                && last.get(entry.path.as_str()).is_some_and(|last| {
                    last.attempt == entry.attempt
                        || (matches!(last.mark, Mark::Failed(_)) && ends_its_strand(plan, last))
                });
            if open || matches!(entry.mark, Mark::Stopped { .. }) {
                return false;
            }
            if strand.is_empty() {
                return match &passed {
                    Some(passed) => passed.contains(&within) || (forked && failed.as_ref() == Some(&within)),
                    None => !(matches!(entry.mark, Mark::Failed(_)) && ends_its_strand(plan, entry)),
                };
            }
            let in_reach = passed
                .as_ref()
                .is_none_or(|passed| passed.contains(&within) || failed.as_ref() == Some(&within));
            let failing = last
                .get(entry.path.as_str())
                .is_some_and(|last| matches!(last.mark, Mark::Failed(_)) && ends_its_strand(plan, last));
            let after = ends.get(strand).is_some_and(|end| entry.finished_at.0 > *end);
            in_reach && !after && (!failing || forked)
        })
        .map(|(strand, entry)| (strand, entry.clone()))
        .collect()
}

fn strands<'a>(plan: &'a Plan, entries: &'a [Entry]) -> impl Iterator<Item = (String, &'a Entry)> {
    entries.iter().filter_map(|entry| Some((plan.strand_of(&entry.path)?, entry)))
}

/// The step of the main strand that an entry belongs to: itself, or the outermost block around it.
fn root(plan: &Plan, strand: &str, path: &str) -> String {
    let outermost = Strand::parse(plan, strand).and_then(|strand| strand.blocks(plan).pop());
    outermost.unwrap_or_else(|| path.to_owned())
}

/// The steps of the main strand that were passed before `to`; `None` if it was not reached.
fn passed(plan: &Plan, mut context: Context, entries: &[Entry], to: &str) -> Option<BTreeSet<String>> {
    let last = last_attempts(entries);
    let mut passed = BTreeSet::new();
    let mut reached = false;
    let then = begin(plan, &mut context);
    walk(plan, context, then, &last, None, |path, _| {
        reached = path == to;
        if !reached {
            passed.insert(path.to_owned());
        }
        reached
    });
    reached.then_some(passed)
}

fn ends_its_strand(plan: &Plan, entry: &Entry) -> bool {
    plan.by_instance(&entry.path).is_some_and(|ix| is_unhandled(plan, ix))
}

/// Whether a failure of this step ends its strand.
fn is_unhandled(plan: &Plan, ix: NodeIx) -> bool {
    let mut ix = ix;
    loop {
        let node = plan.node(ix);
        if node.on_error == OnError::Continue {
            return false;
        }
        ix = match plan.scope(node.scope) {
            Scope::Run | Scope::OnFailure | Scope::Arm(..) => return true,
            Scope::Item(block) => {
                return matches!(&plan.node(block).kind, NodeKind::ForEach(each) if each.on_item_error == OnError::Fail);
            }
            Scope::Try(block) => {
                if matches!(plan.node(block).kind, NodeKind::Try { catch: Some(_), .. }) {
                    return false;
                }
                block
            }
            Scope::Catch(block) | Scope::Finally(block) | Scope::Iteration(block) => block,
        };
    }
}
