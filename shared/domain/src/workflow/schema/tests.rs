//! The schema and the parser know the same fields.

use super::schema;
use crate::workflow::{TYPES, parse};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The fields that the parser asks an object for, as its complaint about an unknown one lists them.
fn known_to_the_parser(document: &Value, at: &str) -> BTreeSet<String> {
    let faults = parse(document).1;
    let complaint =
        faults.into_iter().find(|f| f.code == "unknown_field" && f.pointer == format!("{at}/zzz"));
    let message = complaint.unwrap_or_else(|| panic!("no complaint about `{at}/zzz`")).message;
    let (_, list) = message.split_once("the fields are ").unwrap();
    list.split(", ").map(|name| name.trim_matches('`').to_owned()).collect()
}

fn missing(document: &Value, at: &str) -> BTreeSet<String> {
    let faults = parse(document).1.into_iter().filter(|f| f.code == "missing_field" && f.pointer == at);
    faults.filter_map(|f| Some(f.message.split('`').nth(1)?.to_owned())).collect()
}

fn in_the_schema(of: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
    let names = of["properties"].as_object().map(|p| p.keys().cloned().collect()).unwrap_or_default();
    let required = of["required"].as_array().into_iter().flatten();
    (names, required.filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

fn with_steps(step: Value) -> Value {
    json!({"name": "n", "triggers": [], "steps": [step]})
}

#[test]
fn every_type_of_step_has_the_fields_that_the_parser_reads() {
    let schema = schema();
    for kind in TYPES {
        let (names, required) = in_the_schema(&schema["$defs"][format!("step_{kind}")]);
        let mut known =
            known_to_the_parser(&with_steps(json!({"id": "a", "type": kind, "zzz": 1})), "/steps/0");
        if kind == "wait" {
            let callback = with_steps(json!({"id": "a", "type": kind, "callback": true, "zzz": 1}));
            known.extend(known_to_the_parser(&callback, "/steps/0"));
        }
        assert_eq!(names, known, "the fields of `{kind}`: in the schema, and in the parser");
        let mut missing = missing(&with_steps(json!({"id": "a", "type": kind})), "/steps/0");
        missing.extend(["id", "type"].map(str::to_owned));
        assert_eq!(required, missing, "what `{kind}` must have: in the schema, and in the parser");
    }
}

#[test]
fn every_type_of_trigger_has_the_fields_that_the_parser_reads() {
    let schema = schema();
    let types = schema["$defs"]["trigger"]["properties"]["type"]["enum"].as_array().unwrap().clone();
    assert!(types.len() >= 5);
    for kind in types.iter().filter_map(Value::as_str) {
        let of = |more: Value| {
            let mut trigger =
                Map::from_iter([("id".to_owned(), json!("t")), ("type".to_owned(), json!(kind))]);
            trigger.extend(more.as_object().unwrap().clone());
            json!({"name": "n", "triggers": [trigger], "steps": []})
        };
        let (names, required) = in_the_schema(&schema["$defs"][format!("trigger_{kind}")]);
        assert_eq!(
            names,
            known_to_the_parser(&of(json!({"zzz": 1})), "/triggers/0"),
            "the fields of `{kind}`"
        );
        let mut missing = missing(&of(json!({})), "/triggers/0");
        missing.extend(["id", "type"].map(str::to_owned));
        assert_eq!(required, missing, "what `{kind}` must have");
    }
    let unknown = json!({"name": "n", "triggers": [{"id": "t", "type": "none"}], "steps": []});
    let message = &parse(&unknown).1[0].message;
    for kind in types.iter().filter_map(Value::as_str) {
        assert!(message.contains(&format!("`{kind}`")), "the parser's own list has `{kind}`: {message}");
    }
}

#[test]
fn the_document_and_what_is_inside_steps_have_the_same_fields() {
    let schema = schema();
    let (names, required) = in_the_schema(&schema);
    let bare = json!({"zzz": 1});
    assert_eq!(names, known_to_the_parser(&bare, ""), "the fields of a definition");
    assert_eq!(required, missing(&bare, ""), "what a definition must have");
    let inside = |step: &str, pointer: &str| {
        schema["$defs"][format!("step_{step}")]
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{step}{pointer}"))
            .clone()
    };
    let retry = with_steps(
        json!({"id": "a", "type": "action", "use": "http.request", "input": {}, "retry": {"zzz": 1}}),
    );
    assert_eq!(
        in_the_schema(&inside("action", "/properties/retry")).0,
        known_to_the_parser(&retry, "/steps/0/retry")
    );
    let limit = json!({"name": "n", "triggers": [], "steps": [], "concurrency": {"zzz": 1}});
    let (names, required) = in_the_schema(&schema["properties"]["concurrency"]);
    assert_eq!(names, known_to_the_parser(&limit, "/concurrency"));
    assert_eq!(required, missing(&limit, "/concurrency"));
    for kind in ["branch", "parallel"] {
        let arms = with_steps(json!({"id": "a", "type": kind, "arms": [{"zzz": 1}]}));
        assert_eq!(
            in_the_schema(&inside(kind, "/properties/arms/items")).0,
            known_to_the_parser(&arms, "/steps/0/arms/0"),
            "the arms of a `{kind}`"
        );
    }
}

#[test]
fn verify_has_the_fields_that_its_schemes_have_together() {
    let of = |verify: Value| json!({"name": "n", "steps": [], "triggers": [{"id": "t", "type": "webhook", "verify": verify}]});
    let (names, required) = in_the_schema(&schema()["$defs"]["trigger_webhook"]["properties"]["verify"]);
    let mut known = BTreeSet::new();
    for scheme in crate::workflow::verify::Scheme::NAMES {
        // Without a header there is more to complain of, and still a list.
        let document = of(json!({"scheme": scheme, "secret": "A", "header": "h", "zzz": 1}));
        known.extend(known_to_the_parser(&document, "/triggers/0/verify"));
    }
    assert_eq!(names, known);
    assert_eq!(required, missing(&of(json!({})), "/triggers/0/verify"));
}

#[test]
fn every_field_is_described_and_has_an_example() {
    fn look(of: &Value, at: &str) {
        if let Some(properties) = of["properties"].as_object().filter(|_| of["additionalProperties"] == false)
        {
            for (name, field) in properties {
                assert!(field["description"].as_str().is_some_and(|d| !d.is_empty()), "{at}/{name}");
                assert!(field["examples"].as_array().is_some_and(|e| e.len() == 1), "{at}/{name}");
                look(field, &format!("{at}/{name}"));
            }
        }
        look_into_items(of, at);
    }
    fn look_into_items(of: &Value, at: &str) {
        if of["items"].is_object() {
            look(&of["items"], at);
        }
    }
    let schema = schema();
    look(&schema, "");
    schema["$defs"].as_object().unwrap().iter().for_each(|(name, of)| look(of, name));
}

/// The file that editors and the docs refer to. `PATCHBAY_WRITE=1 cargo test -p domain the_published_file` writes it anew.
#[test]
fn the_published_file_is_this_schema() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/workflow.schema.json");
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    #[expect(clippy::disallowed_methods, reason = "asked by whoever changes the schema")]
    if std::env::var_os("PATCHBAY_WRITE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text, "write it anew, see above");
}
