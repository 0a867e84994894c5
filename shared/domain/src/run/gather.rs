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

/// The name of what the events of a trigger with the same key are gathered under.
pub fn group_name(workflow: &WorkflowId, trigger: &str, key: &str) -> String {
    base32(digest16(&["gather", workflow.as_str(), trigger, key]))
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
