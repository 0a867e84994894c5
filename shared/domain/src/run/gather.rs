//! Runs that gather events before they begin: in batches, or until it has been quiet for a while.

use crate::id::{base32, digest16};
use crate::{Millis, WorkflowId};
use serde_json::{Map, Value};
use std::time::Duration;

/// When a run has gathered enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatherRule {
    /// With so many events, or so long after the first. The run gets all of them.
    Batch { size: u16, within: Duration },
    /// So long after the newest event, but at most so long after the first. The run gets the newest.
    Debounce { quiet: Duration, at_most: Duration },
}

impl GatherRule {
    /// When a run that gets its first event now begins, if no other comes.
    pub fn due(&self, now: Millis) -> Millis {
        match self {
            Self::Batch { within, .. } => now.plus(*within),
            Self::Debounce { quiet, .. } => now.plus(*quiet),
        }
    }

    /// When it begins at the latest.
    pub fn latest(&self, opened: Millis) -> Millis {
        match self {
            Self::Batch { within, .. } => opened.plus(*within),
            Self::Debounce { at_most, .. } => opened.plus(*at_most),
        }
    }
}

/// An event that a run gathers.
#[derive(Debug, Clone, PartialEq)]
pub struct Gathered {
    /// The same for the same event, however often it comes.
    pub id: String,
    pub at: Millis,
    /// What it would be as the `trigger` of a run of its own.
    pub input: Value,
}

impl Gathered {
    pub fn new(key: &str, at: Millis, input: Value) -> Self {
        Self { id: base32(digest16(&["gathered", key])), at, input }
    }
}

/// What a head says of a run that gathers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gathering {
    /// When it begins, as far as is known now.
    pub due: Millis,
    /// Whether it takes no more events.
    pub closed: bool,
    /// How many it has.
    pub count: u32,
}

/// The name of what the events of a trigger with the same key are gathered under. Versions that gather in another way gather apart:
/// a run that takes the newest event must not get those of which each counts.
pub fn group_name(workflow: &WorkflowId, trigger: &str, rule: &GatherRule, key: &str) -> String {
    let way = match rule {
        GatherRule::Batch { .. } => "batch",
        GatherRule::Debounce { .. } => "debounce",
    };
    base32(digest16(&["gather", workflow.as_str(), trigger, way, key]))
}

/// What expressions read as `trigger` in a run that gathered `count` events; nothing if there is none.
pub fn gathered_input(rule: &GatherRule, mut events: Vec<Gathered>, count: u32) -> Option<Value> {
    // Workers do not agree on the time to the millisecond; but each says the same whenever it is asked.
    events.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    match rule {
        GatherRule::Batch { .. } => {
            let items: Vec<Value> = events.into_iter().map(|event| event.input).collect();
            (!items.is_empty()).then(|| Map::from_iter([("items".to_owned(), items.into())]).into())
        }
        GatherRule::Debounce { .. } => {
            let mut input = events.pop()?.input;
            if let Value::Object(fields) = &mut input {
                fields.insert("count".to_owned(), count.into());
            }
            Some(input)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BATCH: GatherRule = GatherRule::Batch { size: 2, within: Duration::from_mins(1) };
    const DEBOUNCE: GatherRule =
        GatherRule::Debounce { quiet: Duration::from_secs(10), at_most: Duration::from_mins(1) };

    fn events() -> Vec<Gathered> {
        // As a table gives them: by their ids.
        [(3, "c"), (1, "a"), (2, "b")]
            .map(|(at, key)| Gathered::new(key, Millis(at), json!({"body": key})))
            .into()
    }

    #[test]
    fn a_batch_is_in_the_order_in_which_events_came() {
        let expected = json!({"items": [{"body": "a"}, {"body": "b"}, {"body": "c"}]});
        assert_eq!(gathered_input(&BATCH, events(), 3), Some(expected));
        assert_eq!(gathered_input(&BATCH, Vec::new(), 0), None);
    }

    #[test]
    fn of_others_the_newest_counts_and_how_many_there_were() {
        assert_eq!(gathered_input(&DEBOUNCE, events(), 3), Some(json!({"body": "c", "count": 3})));
        assert_eq!(gathered_input(&DEBOUNCE, Vec::new(), 0), None);
    }

    #[test]
    fn ways_keys_and_triggers_gather_apart() {
        let workflow = WorkflowId::from_bytes([1; 16]);
        let names = [
            group_name(&workflow, "in", &BATCH, ""),
            group_name(&workflow, "in", &DEBOUNCE, ""),
            group_name(&workflow, "in", &BATCH, "a"),
            group_name(&workflow, "other", &BATCH, ""),
            group_name(&WorkflowId::from_bytes([2; 16]), "in", &BATCH, ""),
        ];
        for (n, name) in names.iter().enumerate() {
            assert!(!names[..n].contains(name));
        }
        let larger = GatherRule::Batch { size: 9, within: Duration::from_mins(2) };
        assert_eq!(
            group_name(&workflow, "in", &larger, ""),
            names[0],
            "a changed size goes on in the same batch"
        );
    }

    #[test]
    fn a_run_is_due_by_its_rule() {
        assert_eq!((BATCH.due(Millis(5)), BATCH.latest(Millis(5))), (Millis(60_005), Millis(60_005)));
        assert_eq!((DEBOUNCE.due(Millis(5)), DEBOUNCE.latest(Millis(5))), (Millis(10_005), Millis(60_005)));
    }
}
