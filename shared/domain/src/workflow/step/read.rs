//! Reading steps out of a document.

use super::{
    Action, Approval, Arm, Code, Completion, ForEach, HTTP_REQUEST, Language, OnError, OnTimeout,
    ParallelArm, Pause, Retry, Step, StepKind, StopAs, TYPES, is_built_in,
};
use crate::limits;
use crate::read::{Reader, Walk};
use serde_json::Value;
use std::time::Duration;

pub(in crate::workflow) fn read_all(
    walk: &mut Walk,
    value: &Value,
    pointer: &str,
    depth: usize,
) -> Vec<Step> {
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
        "filter" => r.required("when").cloned().map(|when| StepKind::Filter { when }),
        "parallel" => Some(read_parallel(r, depth)),
        "for_each" => read_for_each(r, depth),
        "while" => read_while(r, depth),
        "try" => Some(read_try(r, depth)),
        "approval" => read_approval(r),
        "workflow" => read_workflow(r),
        "code" => read_code(r).map(StepKind::Code),
        "emit" => read_emit(r),
        other => {
            let message = format!("no step is of type `{other}`; the types are {}", TYPES.join(", "));
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
                let pointer = arm.pointer().to_owned();
                let steps_at = format!("{pointer}/steps");
                arm.close();
                let steps = steps.map(|s| read_all(r.walk(), &s, &steps_at, depth + 1));
                if let (Some(when), Some(steps)) = (when, steps) {
                    arms.push(Arm { pointer, when, steps });
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
        && !is_action(uses)
    {
        let message =
            format!("`{uses}` is no action: they are called `<app>.<action>`, such as `{HTTP_REQUEST}`");
        r.fault_at("use", "action_unknown", message);
    }
    let connection = r.connection("connection");
    let input = r.required("input").cloned();
    let retry = r.nested("retry", read_retry).unwrap_or_default();
    let timeout = r
        .duration("timeout", Duration::from_millis(100), limits::MAX_STEP_TIMEOUT)
        .unwrap_or(limits::DEFAULT_STEP_TIMEOUT);
    let at_most_once = r.boolean("at_most_once").unwrap_or(false);
    let idempotent = r.boolean("idempotent");
    let wait = read_completion(r, uses.as_deref());
    Some(Action { uses: uses?, connection, input: input?, retry, timeout, at_most_once, idempotent, wait })
}

/// `true`, `false`, or for how long.
fn read_completion(r: &mut Reader<'_>, uses: Option<&str>) -> Option<Completion> {
    let wait = match r.take("wait")? {
        Value::Bool(false) => Completion::NotAwaited,
        Value::Bool(true) => Completion::Within(limits::COMPLETION_TIMEOUT),
        _ => Completion::Within(r.duration("wait", Duration::from_secs(1), limits::MAX_RUN_TIMEOUT)?),
    };
    if uses.is_some_and(is_built_in) && wait != Completion::NotAwaited {
        r.fault_at("wait", "nothing_to_wait_for", "what this action does is over with its answer");
    }
    Some(wait)
}

/// `<app>.<action>`, or what is built in.
pub(in crate::workflow) fn is_action(uses: &str) -> bool {
    let is_name = |name: &str| {
        name.len() <= 64
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    is_built_in(uses)
        || uses
            .split_once('.')
            .is_some_and(|(app, action)| !["http", "file"].contains(&app) && is_name(app) && is_name(action))
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

/// The lists inside a step must hold something: a loop or an arm without steps is a mistake.
fn read_inner(r: &mut Reader<'_>, field: &'static str, depth: usize) -> Vec<Step> {
    let Some(value) = r.required(field).cloned() else { return Vec::new() };
    let at = format!("{}/{field}", r.pointer());
    if value.as_array().is_some_and(Vec::is_empty) {
        r.fault_at(field, "block_empty", format!("`{field}` needs at least one step"));
    }
    read_all(r.walk(), &value, &at, depth + 1)
}

fn read_parallel(r: &mut Reader<'_>, depth: usize) -> StepKind {
    let base = r.pointer().to_owned();
    let mut arms: Vec<ParallelArm> = Vec::new();
    let items = match r.required("arms").cloned() {
        Some(Value::Array(items)) if (1..=limits::MAX_PARALLEL_ARMS).contains(&items.len()) => items,
        Some(_) => {
            let most = limits::MAX_PARALLEL_ARMS;
            let message = format!("`arms` is a list of 1 to {most}: `[{{\"id\": …, \"steps\": […]}}]`");
            r.fault_at("arms", "type_mismatch", message);
            Vec::new()
        }
        None => Vec::new(),
    };
    for (i, item) in items.iter().enumerate() {
        let Some(mut arm) = Reader::open(r.walk(), item, format!("{base}/arms/{i}")) else { continue };
        let id = arm.id("id");
        if id.as_ref().is_some_and(|id| arms.iter().any(|a| a.id == *id)) {
            arm.fault_at("id", "duplicate_id", "another arm has this id already");
        }
        let steps = read_inner(&mut arm, "steps", depth);
        arm.close();
        arms.extend(id.map(|id| ParallelArm { id, steps }));
    }
    StepKind::Parallel { arms }
}

fn read_for_each(r: &mut Reader<'_>, depth: usize) -> Option<StepKind> {
    let items = r.required("items").cloned();
    if items.as_ref().is_some_and(|v| !v.is_array() && !v.is_string()) {
        r.fault_at("items", "type_mismatch", "`items` must be a list or an expression that gives one");
    }
    let concurrency = r.integer("concurrency", 1, u64::from(limits::MAX_CONCURRENCY)).unwrap_or(1) as u16;
    let on_item_error = match r.choice("on_item_error", &["fail", "continue"]) {
        Some(1) => OnError::Continue,
        _ => OnError::Fail,
    };
    let steps = read_inner(r, "steps", depth);
    Some(StepKind::ForEach(ForEach { items: items?, concurrency, on_item_error, steps }))
}

fn read_while(r: &mut Reader<'_>, depth: usize) -> Option<StepKind> {
    let when = r.required("when").cloned();
    let max_iterations =
        r.integer("max_iterations", 1, u64::from(limits::MAX_ITERATIONS)).unwrap_or(100) as u32;
    let steps = read_inner(r, "steps", depth);
    Some(StepKind::While { when: when?, max_iterations, steps })
}

fn read_try(r: &mut Reader<'_>, depth: usize) -> StepKind {
    let steps = read_inner(r, "steps", depth);
    let mut optional = |field: &'static str| {
        if r.take(field).is_some() { read_inner(r, field, depth) } else { Vec::new() }
    };
    let (catch, finally) = (optional("catch"), optional("finally"));
    if r.take("catch").is_none() && r.take("finally").is_none() {
        r.fault("try_needs_one", "a try has `catch`, `finally` or both");
    }
    StepKind::Try { steps, catch, finally }
}

fn read_approval(r: &mut Reader<'_>) -> Option<StepKind> {
    let to = r.required("to").cloned();
    let title = r.required("title").cloned();
    let message = r.take("message").cloned().unwrap_or(Value::Null);
    let shortest = Duration::from_mins(1);
    let timeout =
        r.duration("timeout", shortest, limits::MAX_RUN_TIMEOUT).unwrap_or(limits::CALLBACK_TIMEOUT);
    let on_timeout = match r.choice("on_timeout", &["reject", "approve", "fail"]) {
        Some(1) => OnTimeout::Approve,
        Some(2) => OnTimeout::Fail,
        _ => OnTimeout::Reject,
    };
    let remind_every = r.duration("remind_every", Duration::from_mins(15), limits::MAX_RUN_TIMEOUT);
    Some(StepKind::Approval(Approval { to: to?, title: title?, message, timeout, on_timeout, remind_every }))
}

fn read_workflow(r: &mut Reader<'_>) -> Option<StepKind> {
    let workflow = r.text("workflow");
    if workflow.as_ref().is_some_and(|id| crate::WorkflowId::parse(id).is_err()) {
        r.fault_at("workflow", "invalid_id", "`workflow` must be a workflow's id, such as `wf_…`");
    }
    let input = r.take("input").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let wait = r.boolean("wait").unwrap_or(true);
    Some(StepKind::Workflow { workflow: workflow?, input, wait })
}

fn read_code(r: &mut Reader<'_>) -> Option<Code> {
    let language = match r.choice("language", &["javascript", "typescript"]) {
        Some(1) => Language::TypeScript,
        _ => Language::JavaScript,
    };
    let source = r.text("source");
    if source.as_ref().is_some_and(|source| source.trim().is_empty() || source.len() > limits::MAX_CODE_BYTES)
    {
        let most = limits::MAX_CODE_BYTES;
        r.fault_at("source", "type_mismatch", format!("`source` must be code, of at most {most} bytes"));
    }
    let input = r.take("input").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let shortest = Duration::from_millis(100);
    let timeout = r.duration("timeout", shortest, limits::MAX_CODE_TIMEOUT);
    let timeout = timeout.unwrap_or(limits::DEFAULT_CODE_TIMEOUT);
    Some(Code { language, source: source?, input, timeout })
}

fn read_emit(r: &mut Reader<'_>) -> Option<StepKind> {
    let source = r.take("source").cloned();
    let detail_type = r.required("detail_type").cloned();
    let detail = r.take("detail").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    Some(StepKind::Emit { source, detail_type: detail_type?, detail })
}

fn read_wait(r: &mut Reader<'_>) -> Option<StepKind> {
    let pause = match (r.take("for").cloned(), r.take("until").cloned(), r.take("callback").cloned()) {
        (Some(length), None, None) => Pause::For(length),
        (None, Some(time), None) => Pause::Until(time),
        (None, None, Some(Value::Bool(true))) => {
            let shortest = Duration::from_secs(1);
            let timeout = r.duration("timeout", shortest, limits::MAX_RUN_TIMEOUT);
            Pause::Callback { timeout: timeout.unwrap_or(limits::CALLBACK_TIMEOUT) }
        }
        _ => {
            let message = "a wait has one of `for` (a duration such as `PT6H`), `until` (a time) and `callback` (`true`)";
            r.fault("wait_needs_one", message);
            return None;
        }
    };
    Some(StepKind::Wait { pause })
}

#[cfg(test)]
mod tests {
    use crate::workflow::{Completion, StepKind, parse};
    use serde_json::{Value, json};
    use std::time::Duration;

    /// What a step says, and how long it waits then.
    type Wait = (Option<Completion>, Option<Duration>);

    /// What a step with this `wait` waits, or its faults.
    fn wait(uses: &str, wait: &Value) -> Result<Wait, Vec<(String, String)>> {
        let mut step =
            json!({"id": "a", "type": "action", "use": uses, "input": {"url": "https://example.com"}});
        if !wait.is_null() {
            step["wait"] = wait.clone();
        }
        let (definition, faults) = parse(&json!({"name": "n", "triggers": [], "steps": [step]}));
        if !faults.is_empty() {
            return Err(faults.into_iter().map(|f| (f.pointer, f.code)).collect());
        }
        match definition.unwrap().steps.remove(0).kind {
            StepKind::Action(action) => Ok((action.wait, action.completes_within())),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_step_says_how_long_it_waits_for_the_end_of_what_it_starts() {
        let hours = |n| Duration::from_hours(n);
        let of = |given: Value| wait("oz.run_agent", &given).unwrap();
        assert_eq!(of(Value::Null), (None, Some(hours(1))));
        assert_eq!(of(json!(true)), (Some(Completion::Within(hours(1))), Some(hours(1))));
        assert_eq!(of(json!("PT4H")), (Some(Completion::Within(hours(4))), Some(hours(4))));
        assert_eq!(of(json!(false)), (Some(Completion::NotAwaited), None));
        for wrong in [json!("PT0.5S"), json!("P367D"), json!("an hour"), json!(60), json!({"for": "PT1H"})] {
            assert_eq!(
                wait("oz.run_agent", &wrong).unwrap_err(),
                [("/steps/0/wait".to_owned(), "type_mismatch".to_owned())],
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_is_over_with_its_answer_is_not_waited_for() {
        let refused = [("/steps/0/wait".to_owned(), "nothing_to_wait_for".to_owned())];
        assert_eq!(wait("http.request", &json!("PT1H")).unwrap_err(), refused);
        assert_eq!(wait("file.zip", &json!(true)).unwrap_err(), refused);
        assert_eq!(wait("http.request", &json!(false)).unwrap(), (Some(Completion::NotAwaited), None));
    }
}
