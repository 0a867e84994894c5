//! From JSON to a [`Definition`], with every fault at once.

use super::read::{Reader, Walk};
use super::{Definition, SCHEMA, concurrency, step, test, trigger};
use crate::run::Priority;
use crate::{Fault, limits, variables};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Reads a definition.
///
/// Gives what could be read, for further checks, and every fault of the document's shape. Only a definition without faults
/// may be stored or run.
pub fn parse(document: &Value) -> (Option<Definition>, Vec<Fault>) {
    let mut walk = Walk::default();
    let definition = read(&mut walk, document);
    (definition, walk.finish())
}

fn read(walk: &mut Walk, document: &Value) -> Option<Definition> {
    let mut r = Reader::open(walk, document, String::new())?;
    let name = r.text("name");
    if name.as_ref().is_some_and(|name| name.trim().is_empty() || name.chars().count() > 200) {
        r.fault_at("name", "type_mismatch", "`name` must be a text of 1 to 200 characters");
    }
    let description = r.optional_text("description", 10_000);
    if r.take("schema").is_some_and(|v| v.as_u64() != Some(SCHEMA)) {
        r.fault_at(
            "schema",
            "schema_unknown",
            format!("`schema` must be {SCHEMA}, the version this deployment reads"),
        );
    }
    let timeout = r.duration("timeout", Duration::from_secs(1), limits::MAX_RUN_TIMEOUT);
    let priority = r.choice("priority", &Priority::NAMES).map(|i| Priority::ALL[i]);
    let environment = r.optional_text("environment", limits::MAX_ENVIRONMENT_NAME);
    if environment.as_ref().is_some_and(|name| !variables::is_environment(name)) {
        let message =
            "`environment` is small letters, digits, `-` and `_`, such as `staging`; it begins with a letter";
        r.fault_at("environment", "invalid_environment", message);
    }
    let concurrency = concurrency::read(&mut r);
    let connectors = r.take("connectors").cloned().map(|value| read_connectors(&mut r, &value));
    let triggers = r.required("triggers").cloned();
    let steps = r.required("steps").cloned();
    let on_failure = r.take("on_failure").cloned();
    let tests = r.take("tests").cloned();
    r.close();

    let triggers = triggers.map(|t| read_triggers(walk, &t)).unwrap_or_default();
    let steps = steps.map(|s| step::read_all(walk, &s, "/steps", 1)).unwrap_or_default();
    let on_failure = on_failure.map(|s| step::read_all(walk, &s, "/on_failure", 1)).unwrap_or_default();
    let tests = match (&tests, Reader::open(walk, &Value::Object(serde_json::Map::new()), String::new())) {
        (Some(tests), Some(mut r)) => test::read_all(&mut r, tests, &[&steps, &on_failure]),
        _ => Vec::new(),
    };
    Some(Definition {
        name: name.unwrap_or_default(),
        description,
        triggers,
        steps,
        on_failure,
        timeout: timeout.unwrap_or(limits::DEFAULT_RUN_TIMEOUT),
        priority,
        environment: environment.unwrap_or_else(|| variables::DEFAULT_ENVIRONMENT.to_owned()),
        concurrency,
        connectors: connectors.unwrap_or_default(),
        tests,
        document: document.clone(),
    })
}

/// Which version of each connector the steps are meant for.
fn read_connectors(r: &mut Reader<'_>, value: &Value) -> BTreeMap<String, u32> {
    let read = |(name, version): (&String, &Value)| {
        Some((name.clone(), version.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)?))
    };
    let found = value.as_object().and_then(|all| all.iter().map(read).collect::<Option<BTreeMap<_, _>>>());
    found.unwrap_or_else(|| {
        let message = "`connectors` is an object of whole numbers: `{\"slack\": 1}`";
        r.fault_at("connectors", "type_mismatch", message);
        BTreeMap::new()
    })
}

fn read_triggers(walk: &mut Walk, value: &Value) -> Vec<super::Trigger> {
    let Some(items) = value.as_array().filter(|items| items.len() <= limits::MAX_TRIGGERS) else {
        let message = format!("`triggers` must be a list of at most {}", limits::MAX_TRIGGERS);
        walk.fault("/triggers", "type_mismatch", message);
        return Vec::new();
    };
    let mut triggers: Vec<super::Trigger> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let Some(mut r) = Reader::open(walk, item, format!("/triggers/{i}")) else { continue };
        let Some(read) = trigger::read(&mut r) else {
            r.close();
            continue;
        };
        if triggers.iter().any(|t| t.id == read.id) {
            r.fault_at("id", "duplicate_id", format!("another trigger has the id `{}` already", read.id));
        }
        r.close();
        triggers.push(read);
    }
    triggers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::StepKind;
    use proptest::prelude::*;
    use serde_json::json;

    fn faults(document: &Value) -> Vec<(String, String)> {
        parse(document).1.into_iter().map(|f| (f.pointer, f.code)).collect()
    }

    #[test]
    fn a_whole_definition_is_read() {
        let (definition, faults) = parse(&json!({
            "name": "Lead", "schema": 1, "timeout": "P7D",
            "triggers": [{"id": "form", "type": "webhook", "dedupe": "{{ trigger.headers.id }}"}, {"id": "by_hand", "type": "manual"},
                         {"id": "bus", "type": "event", "pattern": {"source": ["shop"]}}],
            "steps": [
                {"id": "person", "type": "map", "output": {"email": "{{ trigger.body.email }}"}},
                {"id": "hot", "type": "branch", "arms": [{"when": "{{ true }}", "steps": [
                    {"id": "tell", "type": "action", "use": "http.request", "input": {"url": "https://example.com"},
                     "retry": {"max_attempts": 5, "initial": "PT1S", "backoff": 2, "max_delay": "PT5M", "jitter": "full"}, "on_error": "continue"}]}],
                 "else": [{"id": "end", "type": "stop", "status": "failed", "message": "cold"}]},
                {"id": "later", "type": "wait", "for": "PT6H"},
                {"id": "answer", "type": "respond", "status": 201, "body": {"ok": true}}
            ]
        }));
        assert!(faults.is_empty(), "{faults:?}");
        let definition = definition.unwrap();
        assert!(definition.responds());
        assert_eq!(definition.triggers.len(), 3);
        assert!(
            matches!(&definition.steps[1].kind, StepKind::Branch { arms, otherwise } if arms.len() == 1 && otherwise.len() == 1)
        );
    }

    #[test]
    fn five_faults_are_reported_at_once() {
        let found = faults(&json!({
            "name": "", "triggers": [{"id": "a", "type": "webhok"}],
            "steps": [
                {"id": "x", "type": "map"},
                {"id": "x", "type": "wait", "for": "PT1S", "until": "2026-01-01T00:00:00Z"},
                {"id": "y z", "type": "stop", "colour": "red"}
            ]
        }));
        let want = [
            ("/name", "type_mismatch"),
            ("/triggers/0/type", "trigger_type_unknown"),
            ("/steps/0", "missing_field"),
            ("/steps/1/id", "duplicate_id"),
            ("/steps/1", "wait_needs_one"),
            ("/steps/2/id", "invalid_id"),
            ("/steps/2/colour", "unknown_field"),
        ];
        assert_eq!(found, want.map(|(p, c)| (p.to_owned(), c.to_owned())));
    }

    #[test]
    fn deep_and_long_definitions_are_bounded() {
        let mut steps = json!([]);
        for i in 0..50 {
            steps =
                json!([{"id": format!("s{i}"), "type": "branch", "arms": [{"when": true, "steps": steps}]}]);
        }
        let found = faults(&json!({"name": "deep", "triggers": [], "steps": steps}));
        assert!(found.iter().any(|(_, code)| code == "blocks_too_deep"), "{found:?}");

        let many: Vec<Value> =
            (0..2000).map(|i| json!({"id": format!("s{i}"), "type": "map", "output": 1})).collect();
        let found = faults(&json!({"name": "long", "triggers": [], "steps": many}));
        assert_eq!(found, [("/steps".to_owned(), "too_many_steps".to_owned())]);
    }

    proptest! {
        #[test]
        fn any_json_is_read_or_refused_without_panic(text in "\\PC{0,40}", n in any::<i64>(), pick in 0usize..8) {
            let odd = match pick {
                0 => json!(text), 1 => json!(n), 2 => json!(null), 3 => json!([text]), 4 => json!({text.clone(): n}),
                5 => json!([{"id": text, "type": "map"}]), 6 => json!([[]]), _ => json!(true),
            };
            for field in ["name", "triggers", "steps", "timeout", "schema", "description"] {
                let mut document = json!({"name": "n", "triggers": [], "steps": []});
                document[field] = odd.clone();
                let (_, faults) = parse(&document);
                for fault in faults {
                    prop_assert!(document.pointer(&fault.pointer).is_some() || fault.code == "missing_field", "{fault:?}");
                }
            }
        }
    }
}
