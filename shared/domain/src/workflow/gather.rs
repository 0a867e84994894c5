//! Triggers that gather events: `batch` and `debounce`.

use super::read::Reader;
use crate::limits;
use crate::run::GatherRule;
use serde_json::Value;

/// How a trigger gathers events.
#[derive(Debug, Clone, PartialEq)]
pub struct Gather {
    /// Where it stands: `batch` or `debounce`.
    pub field: &'static str,
    pub rule: GatherRule,
    /// Events for which this gives the same are gathered together; without one all are.
    pub key: Option<Value>,
}

pub(super) fn read(r: &mut Reader<'_>) -> Option<Gather> {
    let batch = r
        .nested("batch", |r| {
            r.required("for");
            let within = r.duration("for", limits::MIN_GATHER, limits::MAX_GATHER);
            let size = r.integer("size", 1, limits::MAX_BATCH.into()).unwrap_or(limits::MAX_BATCH.into());
            let key = r.take("key").cloned();
            let rule = GatherRule::Batch { size: u16::try_from(size).ok()?, within: within? };
            Some(Gather { field: "batch", rule, key })
        })
        .flatten();
    let debounce = r
        .nested("debounce", |r| {
            r.required("for");
            let quiet = r.duration("for", limits::MIN_GATHER, limits::MAX_GATHER);
            let at_most = r.duration("at_most", limits::MIN_GATHER, limits::MAX_DEBOUNCE);
            let key = r.take("key").cloned();
            let quiet = quiet?;
            let at_most = at_most.unwrap_or(quiet * 10).max(quiet);
            Some(Gather { field: "debounce", rule: GatherRule::Debounce { quiet, at_most }, key })
        })
        .flatten();
    if batch.is_some() && debounce.is_some() {
        r.fault_at("debounce", "batch_or_debounce", "a trigger has either `batch` or `debounce`");
    }
    batch.or(debounce)
}
