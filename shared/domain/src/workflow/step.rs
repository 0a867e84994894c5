//! What a workflow does: its steps, block-structured.

mod read;

pub(super) use read::is_action;

pub(super) use read::read_all;

use crate::{ConnectionId, limits};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Every type of step.
pub const TYPES: [&str; 15] = [
    "action", "map", "filter", "branch", "parallel", "for_each", "while", "wait", "approval", "workflow",
    "code", "try", "emit", "respond", "stop",
];

/// The built-in HTTP action.
pub const HTTP_REQUEST: &str = "http.request";

/// The built-in actions on files.
pub const FILE_ACTIONS: [&str; 10] = [
    "file.read_csv",
    "file.write_csv",
    "file.read_xlsx",
    "file.write_xlsx",
    "file.read_json_lines",
    "file.write_json_lines",
    "file.read_text",
    "file.write_text",
    "file.zip",
    "file.unzip",
];

/// Whether an action is Patchbay's own, and not one of a connector.
pub fn is_built_in(uses: &str) -> bool {
    uses == HTTP_REQUEST || FILE_ACTIONS.contains(&uses)
}

/// One step of a definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub id: String,
    /// Where the step stands in the document.
    pub pointer: String,
    pub on_error: OnError,
    pub kind: StepKind,
}

/// What becomes of a run when a step has failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The run fails.
    #[default]
    Fail,
    /// The run goes on; the step's output is `{"error": {…}}`.
    Continue,
}

#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Builds its output from expressions.
    Map { output: Value },
    /// Runs the steps of the first arm whose `when` is true, else those of `else`.
    Branch { arms: Vec<Arm>, otherwise: Vec<Step> },
    /// Calls an app.
    Action(Action),
    /// Goes on only if `when` is true; otherwise the steps that stand after it in the same list are left out.
    Filter { when: Value },
    /// Runs its arms at the same time and waits for all of them.
    Parallel { arms: Vec<ParallelArm> },
    /// Runs its steps once for each item.
    ForEach(ForEach),
    /// Runs its steps again and again while `when` is true.
    While { when: Value, max_iterations: u32, steps: Vec<Step> },
    /// Runs steps; should one fail, `catch`; and `finally` in any case.
    Try { steps: Vec<Step>, catch: Vec<Step>, finally: Vec<Step> },
    /// Waits for a length of time, until a point in time, or for a call.
    Wait { pause: Pause },
    /// Waits for a person's decision.
    Approval(Approval),
    /// Runs another workflow.
    Workflow { workflow: String, input: Value, wait: bool },
    /// Runs code in the sandbox.
    Code(Code),
    /// Puts an event on the bus.
    Emit { source: Option<Value>, detail_type: Value, detail: Value },
    /// Answers the webhook's caller.
    Respond { status: Value, headers: Value, body: Value },
    /// Ends the run here.
    Stop { status: StopAs, message: Option<Value>, output: Option<Value> },
}

impl StepKind {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Map { .. } => "map",
            Self::Branch { .. } => "branch",
            Self::Action(_) => "action",
            Self::Filter { .. } => "filter",
            Self::Parallel { .. } => "parallel",
            Self::ForEach(_) => "for_each",
            Self::While { .. } => "while",
            Self::Try { .. } => "try",
            Self::Wait { .. } => "wait",
            Self::Approval(_) => "approval",
            Self::Workflow { .. } => "workflow",
            Self::Code(_) => "code",
            Self::Emit { .. } => "emit",
            Self::Respond { .. } => "respond",
            Self::Stop { .. } => "stop",
        }
    }
}

impl Action {
    /// The connector's name and the action's.
    pub fn app(&self) -> (&str, &str) {
        self.uses.split_once('.').unwrap_or((&self.uses, ""))
    }
}

impl Step {
    /// The lists of steps inside this one, in the order in which they are written.
    pub fn blocks(&self) -> Vec<&[Step]> {
        match &self.kind {
            StepKind::Branch { arms, otherwise } => {
                arms.iter().map(|a| a.steps.as_slice()).chain([otherwise.as_slice()]).collect()
            }
            StepKind::Parallel { arms } => arms.iter().map(|a| a.steps.as_slice()).collect(),
            StepKind::ForEach(each) => vec![&each.steps],
            StepKind::While { steps, .. } => vec![steps],
            StepKind::Try { steps, catch, finally } => vec![steps, catch, finally],
            StepKind::Map { .. }
            | StepKind::Action(_)
            | StepKind::Filter { .. }
            | StepKind::Wait { .. }
            | StepKind::Approval(_)
            | StepKind::Workflow { .. }
            | StepKind::Code(_)
            | StepKind::Emit { .. }
            | StepKind::Respond { .. }
            | StepKind::Stop { .. } => Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Where the arm stands in the document: an arm before it may be no arm.
    pub pointer: String,
    pub when: Value,
    pub steps: Vec<Step>,
}

/// One of the arms that run at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct ParallelArm {
    pub id: String,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ForEach {
    /// A list, or an expression that gives one.
    pub items: Value,
    /// How many items are under way at the same time, at most.
    pub concurrency: u16,
    /// What becomes of the loop when an item's steps fail.
    pub on_item_error: OnError,
    pub steps: Vec<Step>,
}

/// A question to a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// Who is asked: a list of addresses, or an expression that gives one.
    pub to: Value,
    pub title: Value,
    pub message: Value,
    /// How long the answer is waited for.
    pub timeout: Duration,
    pub on_timeout: OnTimeout,
    /// How often those who were asked are reminded.
    pub remind_every: Option<Duration>,
}

/// What an approval that nobody decided comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTimeout {
    Reject,
    Approve,
    Fail,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Pause {
    /// An ISO 8601 duration, or an expression that gives one.
    For(Value),
    /// An RFC 3339 time, or an expression that gives one.
    Until(Value),
    /// A call of the step's resume address, for this long at most.
    Callback { timeout: Duration },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopAs {
    Succeeded,
    Failed,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// `app.action`, such as `http.request`.
    pub uses: String,
    /// The access to the app.
    pub connection: Option<ConnectionId>,
    pub input: Value,
    pub retry: Retry,
    /// The time limit of one attempt.
    pub timeout: Duration,
    /// Never attempted twice, whatever happens.
    pub at_most_once: bool,
    /// Whether a repeat has no further effect; `None` leaves it to the action (an HTTP method tells).
    pub idempotent: Option<bool>,
    /// Whether the end of what the action started is waited for, as the step says.
    pub wait: Option<Completion>,
}

impl Action {
    /// How long the end of what it started is waited for, should it go on after its answer; `None` takes the answer.
    pub fn completes_within(&self) -> Option<Duration> {
        match self.wait {
            None => Some(limits::COMPLETION_TIMEOUT),
            Some(Completion::Within(time)) => Some(time),
            Some(Completion::NotAwaited) => None,
        }
    }
}

/// What a step says of the end of what its action started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// The step is over with the answer.
    NotAwaited,
    /// It is over with that end, or failed after this time.
    Within(Duration),
}

/// Code that users wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Code {
    pub language: Language,
    /// A module whose default export is a function: its argument is the input, what it gives the output. No expressions are
    /// looked for in it.
    pub source: String,
    pub input: Value,
    pub timeout: Duration,
}

/// What code is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    JavaScript,
    TypeScript,
}

/// How a failed action is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// All attempts, the first one included.
    pub max_attempts: u16,
    pub initial: Duration,
    pub backoff: f64,
    pub max_delay: Duration,
    /// Draw each delay between zero and its bound ("full jitter"), so that many failures do not return together.
    pub jitter: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial: Duration::from_secs(1),
            backoff: 2.0,
            max_delay: Duration::from_mins(5),
            jitter: true,
        }
    }
}
