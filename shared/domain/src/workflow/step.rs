//! What a workflow does: its steps, block-structured.

use super::read::{Reader, Walk};
use crate::limits;
use serde_json::Value;
use std::time::Duration;

/// The built-in HTTP action.
pub const HTTP_REQUEST: &str = "http.request";

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
    /// Waits for a length of time, or until a point in time.
    Wait { pause: Pause },
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
            Self::Wait { .. } => "wait",
            Self::Respond { .. } => "respond",
            Self::Stop { .. } => "stop",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    pub when: Value,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Pause {
    /// An ISO 8601 duration, or an expression that gives one.
    For(Value),
    /// An RFC 3339 time, or an expression that gives one.
    Until(Value),
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
    pub input: Value,
    pub retry: Retry,
    /// The time limit of one attempt.
    pub timeout: Duration,
    /// Never attempted twice, whatever happens.
    pub at_most_once: bool,
    /// Whether a repeat has no further effect; `None` leaves it to the action (an HTTP method tells).
    pub idempotent: Option<bool>,
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

pub(super) fn read_all(walk: &mut Walk, value: &Value, pointer: &str, depth: usize) -> Vec<Step> {
    let Some(items) = value.as_array() else {
        walk.fault(pointer, "type_mismatch", "steps are a list: `[{\"id\": …, \"type\": …}, …]`");
        return Vec::new();
    };
    if depth > limits::MAX_BLOCK_DEPTH {
        let message = format!(
            "blocks nest deeper than {}; move some into a workflow of their own",
            limits::MAX_BLOCK_DEPTH
        );
        walk.fault(pointer, "blocks_too_deep", message);
        return Vec::new();
    }
    let mut steps = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        if !walk.count_step() {
            break;
        }
        if let Some(mut r) = Reader::open(walk, item, format!("{pointer}/{i}")) {
            let step = read(&mut r, depth);
            r.close();
            steps.extend(step);
        }
    }
    steps
}

fn read(r: &mut Reader<'_>, depth: usize) -> Option<Step> {
    let id = r.id("id");
    if let Some(id) = &id {
        r.declare_step(id);
    }
    let pointer = r.pointer().to_owned();
    r.take("description");
    let on_error = match r.choice("on_error", &["fail", "continue"]) {
        Some(1) => OnError::Continue,
        _ => OnError::Fail,
    };
    let kind = match r.text("type")?.as_str() {
        "map" => r.required("output").cloned().map(|output| StepKind::Map { output }),
        "branch" => Some(read_branch(r, depth)),
        "action" => read_action(r).map(StepKind::Action),
        "wait" => read_wait(r),
        "respond" => Some(StepKind::Respond {
            status: r.take("status").cloned().unwrap_or_else(|| 200.into()),
            headers: r.take("headers").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            body: r.take("body").cloned().unwrap_or(Value::Null),
        }),
        "stop" => {
            let failed = r.choice("status", &["succeeded", "failed"]) == Some(1);
            Some(StepKind::Stop {
                status: if failed { StopAs::Failed } else { StopAs::Succeeded },
                message: r.take("message").cloned(),
                output: r.take("output").cloned(),
            })
        }
        other => {
            let message = format!(
                "no step is of type `{other}`; use `map`, `branch`, `action`, `wait`, `respond` or `stop`"
            );
            r.fault_at("type", "step_type_unknown", message);
            r.ignore_rest();
            None
        }
    };
    Some(Step { id: id?, pointer, on_error, kind: kind? })
}

fn read_branch(r: &mut Reader<'_>, depth: usize) -> StepKind {
    let base = r.pointer().to_owned();
    let arms_value = r.required("arms").cloned();
    let otherwise_value = r.take("else").cloned();
    let mut arms = Vec::new();
    match arms_value.as_ref().map(Value::as_array) {
        Some(Some(items)) => {
            if items.is_empty() {
                r.fault_at("arms", "branch_without_arms", "a branch needs at least one arm");
            }
            for (i, item) in items.iter().enumerate() {
                let Some(mut arm) = Reader::open(r.walk(), item, format!("{base}/arms/{i}")) else {
                    continue;
                };
                let when = arm.required("when").cloned();
                let steps = arm.required("steps").cloned();
                let steps_at = format!("{}/steps", arm.pointer());
                arm.close();
                let steps = steps.map(|s| read_all(r.walk(), &s, &steps_at, depth + 1));
                if let (Some(when), Some(steps)) = (when, steps) {
                    arms.push(Arm { when, steps });
                }
            }
        }
        Some(None) => {
            r.fault_at("arms", "type_mismatch", "arms are a list: `[{\"when\": …, \"steps\": […]}]`");
        }
        None => {}
    }
    let otherwise = otherwise_value
        .map(|steps| read_all(r.walk(), &steps, &format!("{base}/else"), depth + 1))
        .unwrap_or_default();
    StepKind::Branch { arms, otherwise }
}

fn read_action(r: &mut Reader<'_>) -> Option<Action> {
    let uses = r.text("use");
    if let Some(uses) = &uses
        && uses != HTTP_REQUEST
    {
        let message = format!("no action is named `{uses}`; this version has `{HTTP_REQUEST}`");
        r.fault_at("use", "action_unknown", message);
    }
    let input = r.required("input").cloned();
    let retry = r.nested("retry", read_retry).unwrap_or_default();
    let timeout = r
        .duration("timeout", Duration::from_millis(100), limits::MAX_STEP_TIMEOUT)
        .unwrap_or(limits::DEFAULT_STEP_TIMEOUT);
    let at_most_once = r.boolean("at_most_once").unwrap_or(false);
    let idempotent = r.boolean("idempotent");
    Some(Action { uses: uses?, input: input?, retry, timeout, at_most_once, idempotent })
}

fn read_retry(r: &mut Reader<'_>) -> Retry {
    let default = Retry::default();
    let longest = Duration::from_hours(24);
    Retry {
        max_attempts: r
            .integer("max_attempts", 1, u64::from(limits::MAX_ATTEMPTS))
            .map_or(default.max_attempts, |n| n as u16),
        initial: r.duration("initial", Duration::ZERO, longest).unwrap_or(default.initial),
        backoff: r.number("backoff", 1.0, 10.0).unwrap_or(default.backoff),
        max_delay: r.duration("max_delay", Duration::ZERO, longest).unwrap_or(default.max_delay),
        jitter: r.choice("jitter", &["full", "none"]) != Some(1),
    }
}

fn read_wait(r: &mut Reader<'_>) -> Option<StepKind> {
    match (r.take("for").cloned(), r.take("until").cloned()) {
        (Some(length), None) => Some(StepKind::Wait { pause: Pause::For(length) }),
        (None, Some(time)) => Some(StepKind::Wait { pause: Pause::Until(time) }),
        _ => {
            r.fault(
                "wait_needs_one",
                "a wait has either `for` (a duration such as `PT6H`) or `until` (a time)",
            );
            None
        }
    }
}
