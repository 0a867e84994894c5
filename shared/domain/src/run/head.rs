//! The head of a run: the one item on which finishing, cancelling and timing out meet (protocol rule 3).

use super::{RunError, RunStatus};
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
            epoch: 0,
            started_at: run.started_at,
            deadline: run.deadline,
            finished_at: None,
            wake_at: None,
            error: None,
            output: None,
            depth: run.depth,
            outbox: Vec::new(),
            input: Some(run.input.clone()),
        }
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
