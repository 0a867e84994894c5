//! What starts a workflow.

use super::gather::{self, Gather};
use super::read::Reader;
use super::step::is_action;
use super::verify::{self, Verify};
use crate::{ConnectionId, limits};
use serde_json::Value;
use std::time::Duration;

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
    /// New records of an app, which is asked for them again and again.
    Poll(Box<Poll>),
    /// What an app tells of: it is asked to when the workflow goes live, and to stop when that ends.
    App(Box<AppTrigger>),
}

/// A connector's trigger, and what it is given.
#[derive(Debug, Clone, PartialEq)]
pub struct AppTrigger {
    /// `<app>.<trigger>`.
    pub uses: String,
    pub connection: Option<ConnectionId>,
    /// What is asked for; holds no expressions.
    pub input: Value,
}

/// Which records of an app start runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    pub of: AppTrigger,
    pub every: Duration,
    pub first: FirstPoll,
}

/// What is made of records that are there when an app is first asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirstPoll {
    /// They are known from then on, and start nothing.
    #[default]
    Skip,
    /// Each starts a run.
    All,
}

impl AppTrigger {
    /// The connector, and its trigger.
    pub fn app(&self) -> (&str, &str) {
        self.uses.split_once('.').unwrap_or((&self.uses, ""))
    }
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
            Self::Manual | Self::Schedule { .. } | Self::Workflow | Self::Poll(_) | Self::App(_) => None,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Manual => "manual",
            Self::Schedule { .. } => "schedule",
            Self::Workflow => "workflow",
            Self::Event { .. } => "event",
            Self::Poll(_) => "poll",
            Self::App(_) => "app",
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
        "poll" => poll(r).map(|poll| TriggerKind::Poll(Box::new(poll))),
        "app" => app_trigger(r).map(|of| TriggerKind::App(Box::new(of))),
        other => {
            let message = format!(
                "no trigger is of type `{other}`; use `webhook`, `manual`, `event`, `schedule`, `poll`, `app` or `workflow`"
            );
            r.fault_at("type", "trigger_type_unknown", message);
            r.ignore_rest();
            None
        }
    };
    Some(Trigger { id: id?, pointer, kind: kind? })
}

fn poll(r: &mut Reader<'_>) -> Option<Poll> {
    let of = app_trigger(r);
    let every = r.duration("every", limits::MIN_POLL, limits::MAX_POLL).unwrap_or(limits::DEFAULT_POLL);
    let first = match r.choice("first", &["skip", "all"]) {
        Some(1) => FirstPoll::All,
        _ => FirstPoll::Skip,
    };
    Some(Poll { of: of?, every, first })
}

fn app_trigger(r: &mut Reader<'_>) -> Option<AppTrigger> {
    let uses = r.text("use");
    if let Some(uses) = &uses
        && !is_action(uses)
    {
        let message = format!(
            "`{uses}` is no trigger of a connector: they are called `<app>.<trigger>`, such as `github.new_issue`"
        );
        r.fault_at("use", "trigger_unknown", message);
    }
    let connection = r.connection("connection");
    let input = r.take("input").cloned().unwrap_or_else(|| serde_json::json!({}));
    if !input.is_object() {
        r.fault_at("input", "type_mismatch", "`input` must be an object");
    } else if input.to_string().len() > limits::MAX_TRIGGER_INPUT {
        let message = format!("the input of a trigger has at most {} KB", limits::MAX_TRIGGER_INPUT / 1024);
        r.fault_at("input", "type_mismatch", message);
    } else if holds_expression(&input) {
        let message = "the input of a trigger holds no expressions: there is no run yet that they could read";
        r.fault_at("input", "expression_not_simple", message);
    }
    Some(AppTrigger { uses: uses?, connection, input })
}

fn holds_expression(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{"),
        Value::Array(items) => items.iter().any(holds_expression),
        Value::Object(fields) => fields.values().any(holds_expression),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
