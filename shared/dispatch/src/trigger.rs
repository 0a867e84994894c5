//! What tells a worker to look after a trigger that an app has a part in.

use domain::{OrgId, WorkflowId};
use serde::{Deserialize, Serialize};

/// What a worker is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Ask the app for records.
    Records,
    /// Have the app tell what the workflow's live version wants to be told, and nothing else.
    Subscription,
    /// The same, whatever is known of the subscription that is there: it is asked for anew.
    NewSubscription,
}

impl Asks {
    /// The format of a message that asks this. A worker that does not know it leaves the message for one that does.
    fn format(self) -> u8 {
        match self {
            Self::Records => 1,
            Self::Subscription => 2,
            Self::NewSubscription => 3,
        }
    }
}

/// "Look after this trigger now." It stands in the queue of steps and names no run: what it finds starts some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerMessage {
    /// No message of a step has this field.
    #[serde(rename = "poll")]
    format: u8,
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

impl TriggerMessage {
    pub fn of(asks: Asks, org: &OrgId, workflow: &WorkflowId, trigger: &str) -> Self {
        let (org, workflow) = (org.clone(), workflow.clone());
        Self { format: asks.format(), org, workflow, trigger: trigger.to_owned(), put_off: 0 }
    }

    pub fn asks(&self) -> Asks {
        let all = [Asks::Records, Asks::Subscription, Asks::NewSubscription];
        all.into_iter().find(|asks| asks.format() == self.format).unwrap_or(Asks::Records)
    }

    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("ids are texts")
    }

    /// The message, if a body is one of these.
    pub fn decode(body: &str) -> Option<Self> {
        let message: Self = serde_json::from_str(body).ok()?;
        (message.asks().format() == message.format).then_some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StepMessage;
    use domain::RunId;

    #[test]
    fn a_trigger_is_told_from_a_step() {
        let org = OrgId::from_bytes([1; 16]);
        for asks in [Asks::Records, Asks::Subscription, Asks::NewSubscription] {
            let message = TriggerMessage::of(asks, &org, &WorkflowId::from_bytes([2; 16]), "new");
            assert_eq!(TriggerMessage::decode(&message.encode()), Some(message.clone()));
            assert_eq!(message.asks(), asks);
            assert!(StepMessage::decode(&message.encode()).is_err());
            assert_eq!(
                TriggerMessage::decode(&TriggerMessage { format: 9, ..message }.encode()),
                None,
                "a later format"
            );
        }
        let step = StepMessage::again(&org, &RunId::from_bytes([3; 16]));
        assert_eq!(TriggerMessage::decode(&step.encode()), None);
    }
}
