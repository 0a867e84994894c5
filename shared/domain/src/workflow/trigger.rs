//! What starts a workflow.

use super::gather::{self, Gather};
use super::read::Reader;
use super::verify::{self, Verify};
use serde_json::Value;

/// One way in which a workflow is started.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    pub id: String,
    pub pointer: String,
    pub kind: TriggerKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TriggerKind {
    /// `POST` to an unguessable address. `dedupe` is an expression over the request: equal results start one run only.
    Webhook {
        dedupe: Option<Value>,
        /// What a request must carry to be believed.
        verify: Option<Box<Verify>>,
        /// Whose question before the first delivery is answered.
        challenge: Option<Challenge>,
        gather: Option<Gather>,
    },
    /// The API's `POST /v1/workflows/{id}/runs`.
    Manual,
    /// A cron expression or a rate; `zone` is an IANA time zone. What both mean, the `schedule` crate knows.
    Schedule { schedule: String, zone: Option<String>, missed: Option<String> },
    /// Runs that `workflow` steps of other workflows start; they may do so without this trigger, too.
    Workflow,
    /// An event on the bus that matches an EventBridge pattern.
    Event { pattern: Value, gather: Option<Gather> },
}

/// How a sender asks an address before it sends to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    Slack,
    Microsoft,
    Dropbox,
    Meta,
}

impl Challenge {
    pub const ALL: [Self; 4] = [Self::Slack, Self::Microsoft, Self::Dropbox, Self::Meta];
    pub const NAMES: [&str; 4] = ["slack", "microsoft", "dropbox", "meta"];

    /// Whether the question carries what the deliveries carry: then it can be verified like them.
    pub fn is_signed(self) -> bool {
        matches!(self, Self::Slack)
    }
}

impl TriggerKind {
    /// How it gathers events, if it does.
    pub fn gather(&self) -> Option<&Gather> {
        match self {
            Self::Webhook { gather, .. } | Self::Event { gather, .. } => gather.as_ref(),
            Self::Manual | Self::Schedule { .. } | Self::Workflow => None,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Manual => "manual",
            Self::Schedule { .. } => "schedule",
            Self::Workflow => "workflow",
            Self::Event { .. } => "event",
        }
    }
}

/// What is made of times that nobody could start a run at.
const MISSED: [&str; 3] = ["skip", "run_once", "run_all"];

pub(super) fn read(r: &mut Reader<'_>) -> Option<Trigger> {
    let id = r.id("id");
    let pointer = r.pointer().to_owned();
    let kind = match r.text("type")?.as_str() {
        "webhook" => Some(TriggerKind::Webhook {
            dedupe: r.take("dedupe").cloned(),
            verify: verify::read(r).map(Box::new),
            challenge: r.choice("challenge", &Challenge::NAMES).map(|i| Challenge::ALL[i]),
            gather: gather::read(r),
        }),
        "manual" => Some(TriggerKind::Manual),
        "workflow" => Some(TriggerKind::Workflow),
        "schedule" => {
            let schedule = r.text("schedule");
            let zone = r.optional_text("zone", 100);
            let missed = r.choice("missed", &MISSED).map(|i| MISSED[i].to_owned());
            schedule.map(|schedule| TriggerKind::Schedule { schedule, zone, missed })
        }
        "event" => {
            let gather = gather::read(r);
            r.required("pattern").cloned().map(|pattern| TriggerKind::Event { pattern, gather })
        }
        other => {
            let message = format!(
                "no trigger is of type `{other}`; use `webhook`, `manual`, `event`, `schedule` or `workflow`"
            );
            r.fault_at("type", "trigger_type_unknown", message);
            r.ignore_rest();
            None
        }
    };
    Some(Trigger { id: id?, pointer, kind: kind? })
}
