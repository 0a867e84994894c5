//! The journal: what each step instance came to.
//!
//! Field names are short because every one of them is stored with every step of every run.

use super::{BlobRef, RunStatus, StepError, StepStatus};
use crate::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One attempt of one step instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The path of the step, such as `hot.tell`.
    #[serde(rename = "p")]
    pub path: String,
    /// From 1.
    #[serde(rename = "a", default = "one", skip_serializing_if = "is_one")]
    pub attempt: u16,
    #[serde(rename = "b")]
    pub started_at: Millis,
    #[serde(rename = "e")]
    pub finished_at: Millis,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// Whether a request was sent to another system.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub called: bool,
    #[serde(rename = "m", flatten)]
    pub mark: Mark,
}

/// What the attempt came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Mark {
    #[serde(rename = "o")]
    Succeeded(Value),
    /// It gave a value that is kept as an object.
    #[serde(rename = "z")]
    Spilled(BlobRef),
    /// The branch took this arm; `None` is `else`.
    #[serde(rename = "arm")]
    Took(Option<u16>),
    #[serde(rename = "f")]
    Failed(StepError),
    /// The next attempt is due at this time.
    #[serde(rename = "r")]
    Retrying { error: StepError, next_at: Millis },
    #[serde(rename = "w")]
    Waiting { until: Millis },
    /// A call, a decision or another run's end is awaited until then at most; the next attempt records it.
    #[serde(rename = "c")]
    Awaiting { until: Millis },
    /// An action started what goes on at its app, and gave this; its end is awaited until then at most. The next attempt records it.
    #[serde(rename = "l")]
    Started { output: Value, until: Millis },
    /// The step's strands began: `lanes` of them, over `count` items or arms. The next attempt records what they came to.
    #[serde(rename = "k")]
    Forked {
        lanes: u16,
        count: u32,
        /// What tells whether items that are computed again are the same; 0 where there are none.
        #[serde(rename = "d", default, skip_serializing_if = "is_zero")]
        digest: u64,
    },
    /// A filter let the run pass, or not.
    #[serde(rename = "y")]
    Filtered(bool),
    /// The run ends here, by a `stop` step.
    #[serde(rename = "s")]
    Stopped { status: RunStatus, message: Option<String>, output: Value },
}

impl Entry {
    pub fn status(&self, now: Millis) -> StepStatus {
        match &self.mark {
            Mark::Succeeded(_)
            | Mark::Spilled(_)
            | Mark::Took(_)
            | Mark::Stopped { .. }
            | Mark::Filtered(_) => StepStatus::Succeeded,
            Mark::Failed(_) => StepStatus::Failed,
            Mark::Retrying { .. } => StepStatus::Retrying,
            Mark::Awaiting { .. } | Mark::Started { .. } => StepStatus::Waiting,
            Mark::Forked { .. } => StepStatus::Running,
            Mark::Waiting { until } if *until > now => StepStatus::Waiting,
            Mark::Waiting { .. } => StepStatus::Succeeded,
        }
    }

    pub fn error(&self) -> Option<&StepError> {
        match &self.mark {
            Mark::Failed(error) | Mark::Retrying { error, .. } => Some(error),
            Mark::Succeeded(_)
            | Mark::Spilled(_)
            | Mark::Took(_)
            | Mark::Waiting { .. }
            | Mark::Awaiting { .. }
            | Mark::Started { .. }
            | Mark::Forked { .. }
            | Mark::Filtered(_)
            | Mark::Stopped { .. } => None,
        }
    }
}

/// Some entries written together: pure steps ride with the next effectful one (protocol rule 7).
///
/// The last entry names the segment: its path and attempt are the item's key, so that an attempt is recorded once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Segment {
    pub entries: Vec<Entry>,
}

impl Segment {
    /// The path and attempt that name this segment. A segment has at least one entry.
    pub fn key(&self) -> Option<(&str, u16)> {
        self.entries.last().map(|e| (e.path.as_str(), e.attempt))
    }

    pub fn last(&self) -> Option<&Entry> {
        self.entries.last()
    }
}

fn one() -> u16 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_one(n: &u16) -> bool {
    *n == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn entries_are_small_and_read_back() {
        let entry = Entry {
            path: "hot.tell".into(),
            attempt: 1,
            started_at: Millis(1),
            finished_at: Millis(2),
            input: None,
            called: false,
            mark: Mark::Succeeded(json!({"a": 1})),
        };
        let text = serde_json::to_string(&entry).unwrap();
        assert_eq!(text, r#"{"p":"hot.tell","b":1,"e":2,"o":{"a":1}}"#);
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        for mark in [
            Mark::Took(None),
            Mark::Took(Some(3)),
            Mark::Succeeded(Value::Null),
            Mark::Failed(StepError::fatal("c", "m")),
            Mark::Waiting { until: Millis(9) },
            Mark::Awaiting { until: Millis(9) },
            Mark::Started { output: json!({"id": 1}), until: Millis(9) },
            Mark::Forked { lanes: 3, count: 9, digest: u64::MAX },
            Mark::Forked { lanes: 3, count: 9, digest: 0 },
            Mark::Filtered(false),
            Mark::Retrying { error: StepError::passing("c", "m"), next_at: Millis(5) },
        ] {
            let entry = Entry { mark, attempt: 2, called: true, ..entry.clone() };
            let text = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry, "{text}");
        }
    }
}
