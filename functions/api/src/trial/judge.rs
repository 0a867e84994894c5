//! What a run came to, beside what its test expects.

use super::{Came, Stopped};
use domain::fault;
use domain::run::{Entry, Mark};
use domain::secrecy::{REDACTED, is_secret_header};
use domain::workflow::{Expect, ExpectStep, Test};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// One thing that is not as the test expects.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TestFailure)]
pub(crate) struct Failure {
    /// JSON pointer to the expectation in the definition.
    #[schema(example = "/tests/0/expect/steps/tell")]
    pub(crate) pointer: String,
    /// What was expected, and what came.
    pub(crate) message: String,
}

/// Everything that is not as expected; nothing is a test that passes.
pub(crate) fn failures(test: &Test, ended: &Result<(), Stopped>, came: &Came) -> Vec<Failure> {
    let at = |rest: &str| format!("{}{rest}", test.pointer);
    if let Err(stopped) = ended {
        return vec![Failure { pointer: test.pointer.clone(), message: stopped.to_string() }];
    }
    let mut found = Vec::new();
    let mut fail = |pointer: String, message: String| found.push(Failure { pointer, message });
    let Expect { status, output, error, steps } = &test.expect;
    if let Some(status) = status.filter(|status| *status != came.status) {
        let why = came.error.as_ref().map(|e| format!(": {}", e.message)).unwrap_or_default();
        fail(at("/expect/status"), format!("the run should be `{status}` and is `{}`{why}", came.status));
    }
    let came_output = came.output.clone().unwrap_or_default();
    if let Some(output) = output.as_ref().filter(|output| !holds(output, &came_output)) {
        fail(at("/expect/output"), differ("the run's output", output, &came_output));
    }
    let code = came.error.as_ref().map_or("", |error| &error.code);
    if let Some(error) = error.as_ref().filter(|error| *error != code) {
        fail(at("/expect/error"), format!("the run should fail with `{error}`, and its error is `{code}`"));
    }
    for (name, expected) in steps {
        let pointer = fault::join(&at("/expect/steps"), name);
        let entries: Vec<&Entry> = came.entries.iter().filter(|entry| is_of(entry, name)).collect();
        for message in of_step(name, expected, &entries) {
            fail(pointer.clone(), message);
        }
    }
    found
}

/// By path, or by id wherever the step stands.
fn is_of(entry: &Entry, name: &str) -> bool {
    let last = entry.path.rsplit('.').next().unwrap_or_default();
    entry.path == name || (!name.contains(['.', '[']) && last.split('[').next() == Some(name))
}

fn of_step(name: &str, expected: &ExpectStep, entries: &[&Entry]) -> Vec<String> {
    let times = entries
        .iter()
        .filter(|e| !matches!(e.mark, Mark::Awaiting { .. } | Mark::Started { .. } | Mark::Forked { .. }))
        .count();
    match expected {
        ExpectStep::Called if entries.is_empty() => vec![format!("`{name}` should be called, and was not")],
        ExpectStep::NotCalled if !entries.is_empty() => {
            vec![format!("`{name}` should not be called, and was {times} times")]
        }
        ExpectStep::Called | ExpectStep::NotCalled => Vec::new(),
        ExpectStep::Detail { input, output, error, times: wanted } => {
            let mut found = Vec::new();
            if let Some(wanted) = wanted.filter(|wanted| *wanted != times as u64) {
                found.push(format!("`{name}` should be called {wanted} times, and was {times} times"));
            }
            let last_input = entries.iter().rev().find_map(|e| e.input.clone()).unwrap_or_default();
            if let Some(input) = input.as_ref().filter(|input| !holds(input, &last_input)) {
                found.push(differ(&format!("the input of `{name}`"), input, &last_input));
            }
            let given = entries.last().map(|e| given(&e.mark)).unwrap_or_default();
            if let Some(output) = output.as_ref().filter(|output| !holds(output, &given)) {
                found.push(differ(&format!("the output of `{name}`"), output, &given));
            }
            let code = entries.last().and_then(|e| e.error()).map_or("", |error| &error.code);
            if let Some(error) = error.as_ref().filter(|error| *error != code) {
                found.push(format!("`{name}` should fail with `{error}`, and its error is `{code}`"));
            }
            found
        }
    }
}

/// What expressions read of an outcome.
pub(crate) fn given(mark: &Mark) -> Value {
    match mark {
        Mark::Succeeded(output) | Mark::Stopped { output, .. } => output.clone(),
        Mark::Took(arm) => json!({"arm": arm}),
        Mark::Filtered(passed) => json!({"passed": passed}),
        Mark::Waiting { until } => json!({"until": until.rfc3339()}),
        Mark::Failed(error) => json!({"error": {"code": error.code, "message": error.message}}),
        Mark::Spilled(_)
        | Mark::Retrying { .. }
        | Mark::Awaiting { .. }
        | Mark::Started { .. }
        | Mark::Forked { .. } => Value::Null,
    }
}

/// Whether a value is as expected: an object may have more fields than are named, a list has just these members.
fn holds(expected: &Value, came: &Value) -> bool {
    match (expected, came) {
        (Value::Object(expected), Value::Object(came)) => {
            expected.iter().all(|(name, value)| came.get(name).is_some_and(|came| holds(value, came)))
        }
        (Value::Array(expected), Value::Array(came)) => {
            expected.len() == came.len() && expected.iter().zip(came).all(|(a, b)| holds(a, b))
        }
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (expected, came) => expected == came,
    }
}

fn differ(what: &str, expected: &Value, came: &Value) -> String {
    format!("{what} should be {}, and is {}", short(expected), short(came))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(500) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// An action's input as a run's history shows it: values of headers that carry secrets by their names are hidden.
pub(crate) fn redacted(mut input: Value) -> Value {
    if let Some(headers) = input.get_mut("headers").and_then(Value::as_object_mut) {
        for (_, value) in headers.iter_mut().filter(|(name, _)| is_secret_header(name)) {
            *value = REDACTED.into();
        }
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_may_have_more_and_a_list_may_not() {
        assert!(holds(&json!({"a": 1}), &json!({"a": 1.0, "b": 2})));
        assert!(!holds(&json!({"a": 1}), &json!({"b": 2})));
        assert!(holds(&json!([{"a": 1}]), &json!([{"a": 1, "b": 2}])));
        assert!(!holds(&json!([1]), &json!([1, 2])));
        assert!(!holds(&json!("1"), &json!(1)));
    }
}
