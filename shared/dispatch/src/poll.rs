//! What tells a worker to ask an app for records.

use domain::{OrgId, WorkflowId};
use serde::{Deserialize, Serialize};

/// The format of [`PollMessage`].
const FORMAT: u8 = 1;

/// "Ask now for the records of this trigger." It stands in the queue of steps and names no run: what it finds starts some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollMessage {
    /// No message of a step has this field.
    #[serde(rename = "poll")]
    pub format: u8,
    #[serde(rename = "o")]
    pub org: OrgId,
    #[serde(rename = "w")]
    pub workflow: WorkflowId,
    #[serde(rename = "t")]
    pub trigger: String,
    /// How often it was put off by the app's rate limit.
    #[serde(rename = "n", default)]
    pub put_off: u8,
}

impl PollMessage {
    pub fn of(org: &OrgId, workflow: &WorkflowId, trigger: &str) -> Self {
        let (org, workflow) = (org.clone(), workflow.clone());
        Self { format: FORMAT, org, workflow, trigger: trigger.to_owned(), put_off: 0 }
    }

    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("ids are texts")
    }

    /// The message, if a body is one of these.
    pub fn decode(body: &str) -> Option<Self> {
        let message: Self = serde_json::from_str(body).ok()?;
        (message.format == FORMAT).then_some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StepMessage;
    use domain::RunId;

    #[test]
    fn a_poll_is_told_from_a_step() {
        let org = OrgId::from_bytes([1; 16]);
        let poll = PollMessage::of(&org, &WorkflowId::from_bytes([2; 16]), "new");
        assert_eq!(PollMessage::decode(&poll.encode()), Some(poll.clone()));
        assert!(StepMessage::decode(&poll.encode()).is_err());
        let step = StepMessage::again(&org, &RunId::from_bytes([3; 16]));
        assert_eq!(PollMessage::decode(&step.encode()), None);
        assert_eq!(PollMessage::decode(&PollMessage { format: 9, ..poll }.encode()), None, "a later format");
    }
}
