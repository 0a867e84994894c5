//! Actions that go on after their answer: how it is told that what they started is over, and how it is called off.
//!
//! Nothing is sent here, and nothing waits: [`Completes::question`] gives what to ask, [`Completes::progress`] what the answer means.

use crate::evaluate;
use crate::manifest::Manifest;
use crate::read::{Scope, template};
use domain::fault::{self, Fault};
use domain::read::Reader;
use domain::run::StepError;
use expr::{Template, truthy};
use serde_json::{Map, Value, json};
use std::time::Duration;

const DEFAULT_PACE: Duration = Duration::from_secs(30);
const SHORTEST_PACE: Duration = Duration::from_secs(5);
const LONGEST_PACE: Duration = Duration::from_hours(1);

/// How it is told that what an action started is over.
#[derive(Debug)]
pub struct Completes {
    /// The action that is asked; it changes nothing. Its input reads `input`, which the step was given, and `output`, which it gave.
    pub asks: Asks,
    /// How often.
    pub every: Duration,
    /// Whether it is over; reads `status`, which the asked action gave, and `output`. So do those below.
    pub done: Template,
    /// Whether it failed, where it is over.
    pub failed: Option<Template>,
    /// Whether another start may succeed after such a failure; absent, it may not.
    pub retryable: Option<Template>,
    /// What is told of a failure.
    pub message: Option<Template>,
    /// What the step gives; absent, `status`.
    pub output: Option<Template>,
    /// What makes the app leave off.
    pub cancel: Option<Asks>,
}

/// An action of the same connector, and what it is given.
#[derive(Debug)]
pub struct Asks {
    pub action: String,
    pub input: Template,
}

/// How far the app is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    GoesOn,
    /// It is over, and this is what the step gives.
    Done(Value),
    Failed(StepError),
}

impl Asks {
    /// What the action is given. `input` is what the step was given, `output` what the start gave.
    pub fn question(&self, input: &Value, output: &Value, now_ms: i64) -> Result<Value, StepError> {
        let scope = json!({"input": input, "output": output});
        let mut question = match evaluate(&self.input, &scope, now_ms)? {
            Value::Object(question) => question,
            _ => Map::new(),
        };
        // What is not there is not sent.
        question.retain(|_, value| !value.is_null());
        Ok(Value::Object(question))
    }

    /// Whether what the step was given is needed for it.
    pub fn reads_input(&self) -> bool {
        self.input.expressions().any(|(_, of)| of.reads().iter().any(|read| read.first() == Some(&"input")))
    }
}

impl Completes {
    /// What the asked action's output means. `title` is what people call the app.
    pub fn progress(
        &self,
        title: &str,
        status: Value,
        output: &Value,
        now_ms: i64,
    ) -> Result<Progress, StepError> {
        let scope = json!({"status": status, "output": output});
        let holds = |template: &Template| Ok(truthy(&evaluate(template, &scope, now_ms)?));
        let may_hold = |template: &Option<Template>| template.as_ref().map_or(Ok(false), holds);
        if !holds(&self.done)? {
            return Ok(Progress::GoesOn);
        }
        if may_hold(&self.failed)? {
            let said = self.message.as_ref().map(|message| evaluate(message, &scope, now_ms)).transpose()?;
            let said = match said {
                Some(Value::String(text)) if !text.is_empty() => format!(": {text}"),
                Some(Value::Null | Value::String(_)) | None => String::new(),
                Some(other) => format!(": {other}"),
            };
            let message = format!("{title} says that what was started has failed{said}");
            let error = if may_hold(&self.retryable)? {
                StepError::passing("app_reported_failure", message)
            } else {
                StepError::fatal("app_reported_failure", message)
            };
            return Ok(Progress::Failed(error.with_details(json!({"body": status}))));
        }
        Ok(Progress::Done(match &self.output {
            Some(template) => evaluate(template, &scope, now_ms)?,
            None => status,
        }))
    }
}

pub(crate) fn read(r: &mut Reader<'_>) -> Option<Completes> {
    let asks = asks(r);
    let every = r.duration("every", SHORTEST_PACE, LONGEST_PACE).unwrap_or(DEFAULT_PACE);
    r.required("done");
    let done = template(r, "done", Scope::Status);
    let mut optional =
        |field: &'static str| r.take(field).is_some().then(|| template(r, field, Scope::Status));
    let (failed, retryable, message) = (optional("failed"), optional("retryable"), optional("message"));
    let output = optional("output");
    for (field, given) in [("retryable", retryable.is_some()), ("message", message.is_some())] {
        if given && failed.is_none() {
            r.fault_at(
                field,
                "missing_field",
                format!("`{field}` is read where `failed` holds: say that too"),
            );
        }
    }
    let cancel = r.nested("cancel", asks_of).flatten();
    Some(Completes { asks: asks?, every, done, failed, retryable, message, output, cancel })
}

fn asks_of(r: &mut Reader<'_>) -> Option<Asks> {
    asks(r)
}

fn asks(r: &mut Reader<'_>) -> Option<Asks> {
    let action = r.text("action");
    let input = template(r, "input", Scope::Answered);
    Some(Asks { action: action?, input })
}

/// What can be said only once all actions are known. `at` is where this stands.
pub(crate) fn cross(manifest: &Manifest, completes: &Completes, at: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let at_asked = fault::join(at, "action");
    match manifest.actions.get(&completes.asks.action) {
        Some(asked) if asked.changes_nothing() => {}
        _ => {
            let message = "`action` must be an action of this connector that changes nothing";
            faults.push(Fault::new(at_asked, "action_unknown", message));
        }
    }
    if let Some(cancel) = &completes.cancel
        && !manifest.actions.contains_key(&cancel.action)
    {
        let message = format!("there is no action `{}`", cancel.action);
        faults.push(Fault::new(format!("{at}/cancel/action"), "action_unknown", message));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{Completes, Progress};
    use crate::manifest::Manifest;
    use serde_json::{Value, json};
    use std::time::Duration;

    fn document(completes: Value) -> Value {
        let run = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}});
        json!({"name": "acme", "title": "Acme", "base_url": "https://api.acme.example", "actions": {
            "start": {"title": "Start", "request": {"method": "POST", "path": "/jobs"}, "completes": completes},
            "look": {"title": "Look", "input": run, "request": {"method": "GET", "path": "/jobs/{id}"}},
            "stop": {"title": "Stop", "input": run, "request": {"method": "POST", "path": "/jobs/{id}/stop"}}}})
    }

    fn manifest(completes: Value) -> Manifest {
        crate::read(&document(completes)).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    fn whole() -> Value {
        json!({"action": "look", "input": {"id": "{{ output.id }}", "for": "{{ input.for }}"}, "every": "PT15S",
            "done": "{{ status.state in ['ok', 'bad'] }}", "failed": "{{ status.state = 'bad' }}",
            "retryable": "{{ status.again }}", "message": "{{ status.why }}", "output": "{{ {'id': output.id, 'n': status.n} }}",
            "cancel": {"action": "stop", "input": {"id": "{{ output.id }}"}}})
    }

    fn of(manifest: &Manifest) -> &Completes {
        manifest.actions["start"].completes.as_ref().unwrap()
    }

    fn progress(of: &Completes, status: Value) -> Progress {
        of.progress("Acme", status, &json!({"id": 7}), 0).unwrap()
    }

    #[test]
    fn an_answer_tells_how_far_the_app_is() {
        let manifest = manifest(whole());
        let of = of(&manifest);
        assert_eq!(of.every, Duration::from_secs(15));
        assert_eq!(progress(of, json!({"state": "busy"})), Progress::GoesOn);
        assert_eq!(progress(of, Value::Null), Progress::GoesOn);
        assert_eq!(progress(of, json!({"state": "ok", "n": 3})), Progress::Done(json!({"id": 7, "n": 3})));
        let Progress::Failed(error) = progress(of, json!({"state": "bad", "why": "no paper"})) else {
            panic!()
        };
        assert_eq!((error.code.as_str(), error.retryable), ("app_reported_failure", false));
        assert_eq!(error.message, "Acme says that what was started has failed: no paper");
        assert_eq!(error.details.unwrap()["body"]["state"], "bad");
        let Progress::Failed(error) = progress(of, json!({"state": "bad", "again": true})) else { panic!() };
        assert!(error.retryable && error.message.ends_with("has failed"), "{error:?}");
    }

    #[test]
    fn what_is_asked_is_made_of_what_was_given_and_what_came_of_it() {
        let manifest = manifest(whole());
        let of = of(&manifest);
        let asked = of.asks.question(&json!({"for": "me"}), &json!({"id": 7}), 0).unwrap();
        assert_eq!(asked, json!({"id": 7, "for": "me"}));
        // What is not there is not sent.
        assert_eq!(of.asks.question(&Value::Null, &json!({"id": 7}), 0).unwrap(), json!({"id": 7}));
        let cancel = of.cancel.as_ref().unwrap();
        assert!(of.asks.reads_input() && !cancel.reads_input());
        assert_eq!(cancel.question(&Value::Null, &json!({"id": 7}), 0).unwrap(), json!({"id": 7}));
    }

    #[test]
    fn without_more_it_is_asked_twice_a_minute_and_gives_the_status() {
        let manifest = manifest(json!({"action": "look", "done": "{{ status.done }}"}));
        let of = of(&manifest);
        assert_eq!(of.every, Duration::from_secs(30));
        assert_eq!(
            progress(of, json!({"done": true, "n": 1})),
            Progress::Done(json!({"done": true, "n": 1}))
        );
    }

    #[test]
    fn each_fault_has_its_place() {
        let faults = |change: &dyn Fn(&mut Value)| -> Vec<(String, String)> {
            let mut completes = whole();
            change(&mut completes);
            let found = crate::read(&document(completes)).err().unwrap_or_default();
            found.into_iter().map(|f| (f.pointer, f.code)).collect()
        };
        let at = |field: &str| format!("/actions/start/completes{field}");
        assert!(faults(&|_| {}).is_empty());
        for (change, field, code) in [
            (("action", json!("nothing")), "/action", "action_unknown"),
            (("action", json!("stop")), "/action", "action_unknown"),
            (("cancel", json!({"action": "nothing"})), "/cancel/action", "action_unknown"),
            (("every", json!("PT4S")), "/every", "type_mismatch"),
            (("every", json!("PT2H")), "/every", "type_mismatch"),
            (("done", json!("{{ input.x }}")), "/done", "unknown_reference"),
            (("done", json!("{{ ( }}")), "/done", "expression_syntax"),
            (("input", json!({"id": "{{ status.id }}"})), "/input", "unknown_reference"),
            (("cancel", json!({"action": "stop", "more": 1})), "/cancel/more", "unknown_field"),
            (("backoff", json!(2)), "/backoff", "unknown_field"),
        ] {
            let (name, value): (&str, Value) = change;
            let found = faults(&|completes| completes[name] = value.clone());
            assert_eq!(found, [(at(field), code.to_owned())], "{name} {value}");
        }
        let without = |name: &'static str| {
            move |completes: &mut Value| drop(completes.as_object_mut().unwrap().swap_remove(name))
        };
        assert_eq!(faults(&without("done")), [(at(""), "missing_field".to_owned())]);
        assert_eq!(faults(&without("action")), [(at(""), "missing_field".to_owned())]);
        let of_failures =
            [(at("/retryable"), "missing_field".to_owned()), (at("/message"), "missing_field".to_owned())];
        assert_eq!(faults(&without("failed")), of_failures);
    }
}
