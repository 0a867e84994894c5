//! What travels from one step to the next.

use domain::run::{Entry, FORMAT, Mark, Priority};
use domain::{OrgId, RunId, limits};
use engine::Context;
use serde::{Deserialize, Serialize};

/// The format that knows strands.
const STRANDS: u8 = 2;

/// "Go on with this run." Names the run and, when it is first-hand, the step and all that the step may read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepMessage {
    #[serde(rename = "v")]
    pub format: u8,
    #[serde(rename = "o")]
    pub org: OrgId,
    #[serde(rename = "r")]
    pub run: RunId,
    /// The strand of the run; empty is the main one.
    #[serde(rename = "s", default, skip_serializing_if = "String::is_empty")]
    pub strand: String,
    /// The step; `None` is the first one.
    #[serde(rename = "at", default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
    /// The live context; without it, the receiver reads the journal.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
    /// Outcomes of pure steps that are to be journalled with the next effectful one.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Entry>,
    /// Which queue carries it.
    #[serde(rename = "q", default, skip_serializing_if = "Priority::is_usual")]
    pub priority: Priority,
    /// Not first-hand: the receiver must read the journal before it does anything (protocol rule 4).
    #[serde(rename = "g", default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// How often a message like this one was in vain, of a strand that waits for an app or has left it alone.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub tries: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(n: &u8) -> bool {
    *n == 0
}

/// A step and its attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    #[serde(rename = "p")]
    pub path: String,
    #[serde(rename = "a")]
    pub attempt: u16,
}

/// A body on the step queue that is not a message of ours.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMessage {
    #[error("the message is not readable: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the message has format {0}, which this version does not read")]
    Format(u8),
}

impl StepMessage {
    /// The message that makes its receiver find out by itself where the run stands.
    pub fn again(org: &OrgId, run: &RunId) -> Self {
        Self::again_in(org, run, "")
    }

    /// The message that makes its receiver find out by itself where a strand of the run stands.
    pub fn again_in(org: &OrgId, run: &RunId, strand: &str) -> Self {
        Self {
            // What an earlier version could take for the main strand, it must not read at all.
            format: if strand.is_empty() { 1 } else { STRANDS },
            org: org.clone(),
            run: run.clone(),
            strand: strand.to_owned(),
            at: None,
            context: None,
            pending: Vec::new(),
            priority: Priority::default(),
            again: true,
            tries: 0,
        }
    }

    /// The message on the queue of this priority.
    #[must_use]
    pub fn on(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }

    /// The message as it is sent: at most [`limits::MAX_MESSAGE_BYTES`], at the price of the context.
    ///
    /// Pending outcomes must have been journalled by then if they alone are too large; they are recomputed otherwise.
    pub fn encode(&self) -> String {
        let whole = serde_json::to_string(self).unwrap_or_default();
        if whole.len() <= limits::MAX_MESSAGE_BYTES && !whole.is_empty() {
            return whole;
        }
        let again = Self::again_in(&self.org, &self.run, &self.strand).on(self.priority);
        serde_json::to_string(&again).expect("ids are texts")
    }

    /// The message with the format that what it carries needs: an earlier version must not take a kept output for none.
    #[must_use]
    pub fn formatted(mut self) -> Self {
        let kept = self.context.as_ref().is_some_and(Context::has_spilled)
            || self.pending.iter().any(|entry| matches!(entry.mark, Mark::Spilled(_)));
        if kept {
            self.format = FORMAT;
        }
        self
    }

    /// Whether `encode` keeps the context.
    pub fn fits(&self) -> bool {
        serde_json::to_string(self).is_ok_and(|text| text.len() <= limits::MAX_MESSAGE_BYTES)
    }

    pub fn decode(body: &str) -> Result<Self, InvalidMessage> {
        let message: Self = serde_json::from_str(body)?;
        if message.format == 0 || message.format > FORMAT {
            return Err(InvalidMessage::Format(message.format));
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Millis;
    use proptest::prelude::*;

    fn message() -> StepMessage {
        StepMessage {
            at: Some(At { path: "a.b".into(), attempt: 2 }),
            again: false,
            ..StepMessage::again(&OrgId::from_bytes([1; 16]), &RunId::from_bytes([2; 16]))
        }
    }

    #[test]
    fn a_message_reads_back() {
        let message = message();
        assert_eq!(StepMessage::decode(&message.encode()).unwrap(), message);
    }

    #[test]
    fn what_is_too_large_to_carry_is_left_to_the_journal() {
        let entry = Entry {
            path: "m".into(),
            attempt: 1,
            started_at: Millis(0),
            finished_at: Millis(0),
            input: None,
            called: false,
            mark: Mark::Succeeded("x".repeat(limits::MAX_MESSAGE_BYTES).into()),
        };
        let large = StepMessage { pending: vec![entry], ..message() };
        assert!(!large.fits());
        let sent = StepMessage::decode(&large.encode()).unwrap();
        assert!(sent.again && sent.pending.is_empty() && sent.at.is_none());
    }

    proptest! {
        /// Whatever is on the queue is read or refused; what is read is sent as it was.
        #[test]
        fn any_body_is_read_or_refused(text in "\\PC{0,80}", v in 0u8..6, attempt in any::<u16>(), again in any::<bool>(), path in "\\PC{0,20}", at in -1i64..5) {
            let _read_or_refused = StepMessage::decode(&text);
            let mut body = serde_json::to_value(message()).unwrap();
            body["v"] = v.into();
            body["g"] = again.into();
            body["s"] = path.clone().into();
            body["at"] = if at < 0 { serde_json::Value::Null } else { serde_json::json!({"p": path, "a": attempt}) };
            if let Ok(read) = StepMessage::decode(&body.to_string()) {
                prop_assert!((1..=FORMAT).contains(&v));
                prop_assert_eq!(StepMessage::decode(&read.encode()).unwrap(), read);
            }
        }
    }

    #[test]
    fn a_later_format_is_refused() {
        let text = message().encode().replacen("\"v\":1", "\"v\":9", 1);
        assert!(matches!(StepMessage::decode(&text), Err(InvalidMessage::Format(9))));
        assert!(StepMessage::decode("{}").is_err());
    }
}
