//! The tests that a definition brings along: what starts a run, what stands in for its effects, and what it should come to.

use super::Step;
use super::read::Reader;
use crate::limits;
use crate::run::RunStatus;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    pub name: String,
    pub pointer: String,
    /// What expressions read as `trigger`.
    pub trigger: Value,
    /// What stands in for the effect of a step, by its id: one for each call in turn, the last one for all that follow.
    pub mocks: BTreeMap<String, Vec<Mock>>,
    pub expect: Expect,
}

/// What a step with an effect comes to in a test.
#[derive(Debug, Clone, PartialEq)]
pub enum Mock {
    Output(Value),
    /// A failure; `retryable` lets the step be tried again as its `retry` says.
    Error {
        code: String,
        message: String,
        retryable: bool,
    },
}

/// What a run should come to; what is not named is not looked at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expect {
    pub status: Option<RunStatus>,
    pub output: Option<Value>,
    /// The code of the run's error.
    pub error: Option<String>,
    /// By path or id.
    pub steps: BTreeMap<String, ExpectStep>,
}

/// What a step should come to.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpectStep {
    Called,
    NotCalled,
    Detail {
        input: Option<Value>,
        output: Option<Value>,
        error: Option<String>,
        /// How often it was called, repeats and iterations included.
        times: Option<u64>,
    },
}

/// Reads `tests`.
pub(super) fn read_all(r: &mut Reader<'_>, value: &Value, steps: &[&[Step]]) -> Vec<Test> {
    let Some(items) = value.as_array().filter(|items| items.len() <= limits::MAX_TESTS) else {
        let message = format!("`tests` must be a list of at most {}", limits::MAX_TESTS);
        r.fault_at("tests", "type_mismatch", message);
        return Vec::new();
    };
    let mut ids = BTreeSet::new();
    for steps in steps {
        ids_of(steps, &mut ids);
    }
    let mut tests: Vec<Test> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let Some(mut t) = Reader::open(r.walk(), item, format!("/tests/{i}")) else { continue };
        let read = read(&mut t, &ids);
        if let Some(test) = &read
            && tests.iter().any(|other| other.name == test.name)
        {
            t.fault_at("name", "duplicate_id", format!("another test is named `{}` already", test.name));
        }
        t.close();
        tests.extend(read);
    }
    tests
}

fn ids_of<'a>(steps: &'a [Step], into: &mut BTreeSet<&'a str>) {
    for step in steps {
        into.insert(&step.id);
        step.blocks().into_iter().for_each(|block| ids_of(block, into));
    }
}

fn read(r: &mut Reader<'_>, ids: &BTreeSet<&str>) -> Option<Test> {
    let pointer = r.pointer().to_owned();
    let name = r.text("name");
    if name.as_ref().is_some_and(|name| name.trim().is_empty() || name.chars().count() > 200) {
        r.fault_at("name", "type_mismatch", "`name` must be a text of 1 to 200 characters");
    }
    let trigger = r.take("trigger").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    if !trigger.is_object() {
        r.fault_at(
            "trigger",
            "type_mismatch",
            "`trigger` must be an object: what expressions read as `trigger`",
        );
    }
    let mocks = r.nested("mocks", |r| read_mocks(r, ids)).unwrap_or_default();
    let expect = r.nested("expect", |r| read_expect(r, ids)).unwrap_or_default();
    Some(Test { name: name?, pointer, trigger, mocks, expect })
}

fn unknown(r: &mut Reader<'_>, name: &str, ids: &BTreeSet<&str>) -> bool {
    // The last part of a path, without iterations: `each[1].call` is `call`.
    let id = name.rsplit('.').next().unwrap_or(name).split('[').next().unwrap_or(name);
    let known = ids.contains(id);
    if !known {
        r.fault_at(name, "unknown_reference", format!("no step has the id `{id}`"));
    }
    !known
}

fn read_mocks(r: &mut Reader<'_>, ids: &BTreeSet<&str>) -> BTreeMap<String, Vec<Mock>> {
    let mut mocks = BTreeMap::new();
    for (name, value) in r.all() {
        if unknown(r, &name, ids) {
            continue;
        }
        let each: Vec<&Value> = match value.as_object().and_then(|o| o.get("calls")).and_then(Value::as_array)
        {
            Some(calls) if !calls.is_empty() => calls.iter().collect(),
            _ => vec![&value],
        };
        let read: Option<Vec<Mock>> = each.into_iter().map(mock).collect();
        if let Some(read) = read {
            mocks.insert(name, read);
        } else {
            let message = "a mock is `{\"output\": …}`, `{\"error\": {\"code\": …}}` or `{\"calls\": [one for each call]}`";
            r.fault_at(&name, "type_mismatch", message);
        }
    }
    mocks
}

fn mock(value: &Value) -> Option<Mock> {
    let object = value.as_object().filter(|o| o.len() == 1)?;
    if let Some(output) = object.get("output") {
        return Some(Mock::Output(output.clone()));
    }
    let error = object.get("error")?.as_object()?;
    Some(Mock::Error {
        code: error.get("code")?.as_str()?.to_owned(),
        message: error.get("message").and_then(Value::as_str).unwrap_or("a mock of the test").to_owned(),
        retryable: error.get("retryable").and_then(Value::as_bool).unwrap_or(false),
    })
}

fn read_expect(r: &mut Reader<'_>, ids: &BTreeSet<&str>) -> Expect {
    const ENDS: [RunStatus; 2] = [RunStatus::Succeeded, RunStatus::Failed];
    let status = r.choice("status", &["succeeded", "failed"]).map(|i| ENDS[i]);
    Expect {
        status,
        output: r.take("output").cloned(),
        error: r.optional_text("error", 100),
        steps: r.nested("steps", |r| read_steps(r, ids)).unwrap_or_default(),
    }
}

fn read_steps(r: &mut Reader<'_>, ids: &BTreeSet<&str>) -> BTreeMap<String, ExpectStep> {
    let mut steps = BTreeMap::new();
    for (name, value) in r.all() {
        if unknown(r, &name, ids) {
            continue;
        }
        let expected = match &value {
            Value::String(text) if text == "called" => Some(ExpectStep::Called),
            Value::String(text) if text == "not_called" => Some(ExpectStep::NotCalled),
            Value::Object(o)
                if o.keys().all(|k| ["input", "output", "error", "times"].contains(&k.as_str())) =>
            {
                Some(ExpectStep::Detail {
                    input: o.get("input").cloned(),
                    output: o.get("output").cloned(),
                    error: o.get("error").and_then(Value::as_str).map(str::to_owned),
                    times: o.get("times").and_then(Value::as_u64),
                })
            }
            _ => None,
        };
        if let Some(expected) = expected {
            steps.insert(name, expected);
        } else {
            let message = "expect `called`, `not_called`, or an object of `input`, `output`, `error` (a code) and `times`";
            r.fault_at(&name, "type_mismatch", message);
        }
    }
    steps
}
