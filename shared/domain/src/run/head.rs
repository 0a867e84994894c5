//! The head of a run: the one item on which finishing, cancelling and timing out meet (protocol rule 3).

use super::{Gathering, Priority, RunError, RunStatus, Slot};
use crate::{Millis, OrgId, RunId, WorkflowId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a run is started with.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    pub id: RunId,
    pub workflow: WorkflowId,
    pub version: u32,
    pub trigger: String,
    /// The scope's `trigger`.
    pub input: Value,
    pub started_at: Millis,
    pub deadline: Millis,
    /// How many runs led to this one.
    pub depth: u16,
    /// The run that waits for this one's end.
    pub parent: Option<Parent>,
    /// The run that this one repeats.
    pub origin: Option<Origin>,
    /// 0 for a run that repeats none.
    pub epoch: u32,
    /// What the addresses that resume this run are signed with; drawn at random. Only for runs that have such addresses.
    pub secret: Option<[u8; 16]>,
    pub priority: Priority,
    /// Which revision of its environment's variables it reads; `None` of a run that reads none.
    pub variables: Option<u32>,
    /// Until when it gathers events, if it does; its input comes then.
    pub gathers_until: Option<Millis>,
}

/// The step of another run that waits for this run's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    #[serde(rename = "r")]
    pub run: RunId,
    /// The strand that goes on then.
    #[serde(rename = "s", default, skip_serializing_if = "String::is_empty")]
    pub strand: String,
    /// The path of the step.
    #[serde(rename = "p")]
    pub path: String,
}

/// The run that a run repeats, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    #[serde(rename = "r")]
    pub run: RunId,
    #[serde(rename = "k")]
    pub kind: Repeat,
}

/// How a run repeats another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// From the steps that failed.
    Redrive,
    /// From a step of the caller's choice.
    Replay,
}

/// A step that waits because an app takes no more requests for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    pub path: String,
    pub attempt: u16,
    /// What people call the app.
    pub app: String,
    pub since: Millis,
    /// When it is tried again.
    pub until: Millis,
}

/// A run as its head item has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub org: OrgId,
    pub id: RunId,
    pub workflow: WorkflowId,
    pub version: u32,
    pub trigger: String,
    pub status: RunStatus,
    /// Grows with each replay; part of every idempotency key.
    pub epoch: u32,
    pub started_at: Millis,
    pub deadline: Millis,
    pub finished_at: Option<Millis>,
    /// While waiting: until when.
    pub wake_at: Option<Millis>,
    pub error: Option<RunError>,
    pub output: Option<Value>,
    pub depth: u16,
    /// What the end of the run must still bring about.
    pub outbox: Vec<Consequence>,
    /// The run that waits for this one's end.
    pub parent: Option<Parent>,
    /// The run that this one repeats.
    pub origin: Option<Origin>,
    /// What the addresses that resume this run are signed with.
    pub secret: Option<[u8; 16]>,
    /// Which queue carries it.
    pub priority: Priority,
    /// Which revision of its environment's variables it reads.
    pub variables: Option<u32>,
    /// Blocks one of whose strands failed: the others stop when they see it.
    pub aborted: Vec<String>,
    /// Its part in the limit of its workflow's runs, once it has asked for one.
    pub slot: Option<Slot>,
    /// What it has gathered, until it begins.
    pub gathering: Option<Gathering>,
    /// The step that last had to wait for its turn at an app.
    pub limited: Option<Limited>,
    /// The scope's `trigger`; `None` when it is kept in an item of its own and was not asked for.
    pub input: Option<Value>,
}

impl Head {
    /// The head that a new run gets.
    pub fn begin(org: &OrgId, run: &NewRun) -> Self {
        Self {
            org: org.clone(),
            id: run.id.clone(),
            workflow: run.workflow.clone(),
            version: run.version,
            trigger: run.trigger.clone(),
            status: RunStatus::Queued,
            epoch: run.epoch,
            started_at: run.started_at,
            deadline: run.deadline,
            finished_at: None,
            wake_at: None,
            error: None,
            output: None,
            depth: run.depth,
            outbox: Vec::new(),
            parent: run.parent.clone(),
            origin: run.origin.clone(),
            secret: run.secret,
            priority: run.priority,
            variables: run.variables,
            aborted: Vec::new(),
            slot: None,
            gathering: run.gathers_until.map(|due| Gathering { due, closed: false, count: 0 }),
            limited: None,
            input: Some(run.input.clone()),
        }
    }

    /// What must be brought about when the run ends so.
    pub fn consequences(&self, status: RunStatus) -> Vec<Consequence> {
        let mut outbox = Vec::new();
        // First, so that no run waits for the others while the bus is down.
        if self.slot.is_some() {
            outbox.push(Consequence::FreeSlot);
        }
        if matches!(status, RunStatus::Failed | RunStatus::TimedOut) {
            outbox.push(Consequence::FailureEvent);
        }
        if self.parent.is_some() {
            outbox.push(Consequence::ResumeParent);
        }
        outbox
    }

    /// The status to show at `now`: a wait that is over runs again, though nobody has written so.
    pub fn status_at(&self, now: Millis) -> RunStatus {
        match (self.status, self.wake_at) {
            (RunStatus::Waiting, Some(wake)) if wake <= now => RunStatus::Running,
            (status, _) => status,
        }
    }
}

/// How a run ends.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    pub status: RunStatus,
    pub at: Millis,
    pub error: Option<RunError>,
    pub output: Option<Value>,
    pub outbox: Vec<Consequence>,
}

/// What else must happen because a run ended: written with the end itself, sent, then cleared (protocol rule 13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// An event on the bus that says the run failed.
    FailureEvent,
    /// The run that waits for this one's end goes on.
    ResumeParent,
    /// Its slot goes to a run that waits for one.
    FreeSlot,
}

/// The answer to a step that waits for one: the first stays (protocol rule 15).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    #[serde(rename = "k")]
    pub kind: MailKind,
    /// What the caller sent, the decision's comment, or how the other run ended.
    #[serde(rename = "b", default, skip_serializing_if = "Value::is_null")]
    pub payload: Value,
    #[serde(rename = "t")]
    pub at: Millis,
    /// Who decided, where that is known.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What answered a step that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailKind {
    /// The resume address was called.
    Resumed,
    Approved,
    Rejected,
    /// Nobody answered in time.
    TimedOut,
    /// The run that was waited for has ended.
    RunEnded,
}

/// Who settled a race for the end of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum SettledBy {
    /// This call ended the run.
    Us,
    /// It had ended already; this is how.
    Another(Box<Head>),
}

/// What a `respond` step answers the webhook's caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    pub body: Value,
}
