//! The published schema of manifests: it takes all that are there, knows every field that the reader knows, and no other.

use connectors::{built_in, names, read, schema};
use serde_json::{Value, json};

/// The schema, with its definitions where this crate's checks look for them.
fn published() -> (Value, serde_json::Map<String, Value>) {
    let text = include_str!("../../../../docs/connector.schema.json").replace("#/$defs/", "#/schemas/");
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    let Value::Object(defs) = schema["$defs"].take() else { panic!("it has definitions") };
    (schema, defs)
}

fn faults(document: &Value) -> Vec<String> {
    let (schema, defs) = published();
    let faults = schema::check(document, &schema, &defs, "", false);
    faults.into_iter().map(|fault| format!("{} {}", fault.pointer, fault.message)).collect()
}

#[test]
fn every_manifest_is_as_the_published_schema_says() {
    let mut wrong = Vec::new();
    for (name, version) in names() {
        let manifest = built_in(name, Some(version)).unwrap();
        wrong.extend(faults(&manifest.document).into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every field of the schema, put where it belongs, is none that the reader does not know.
#[test]
fn the_schema_has_no_field_that_the_reader_does_not_know() {
    let (schema, defs) = published();
    let names = |of: &Value| of["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    // Each part with what it must have: a reader that misses something leaves the rest unread.
    let base = json!({"name": "a", "title": "A", "version": 1, "base_url": "https://a.example.com", "auth": [{"id": "k", "type": "none"}],
        "errors": [{"when": true}], "options": {"x": {"action": "a", "value": "v"}},
        "rate_limits": {"default": {"requests": 1, "per": "PT1S"}},
        "dynamic_schemas": {"x": {"action": "a", "columns": "c", "name": "n", "type": "t"}},
        "triggers": {"t": {"title": "T", "poll": {"action": "a", "key": "k"},
            "hook": {"subscribe": {"action": "a"}, "verify": {"scheme": "github"}}}},
        "actions": {"a": {"title": "A", "request": {"method": "GET", "path": "/a"},
            "pages": {"items": "i", "by": "link"}, "completes": {"action": "a", "done": "d"}}}});
    let unknown = |at: &str, place: &dyn Fn(&mut Value) -> &mut Value, of: &Value| {
        for field in names(of) {
            let mut document = base.clone();
            place(&mut document)[&field] = json!(null);
            for fault in read(&document).err().into_iter().flatten() {
                assert!(fault.code != "unknown_field", "{at}.{field}: {fault:?}");
            }
        }
        let mut document = base.clone();
        place(&mut document)["no_such_field"] = json!(1);
        assert!(read(&document).unwrap_err().iter().any(|fault| fault.code == "unknown_field"), "{at}");
        assert!(!faults(&document).is_empty(), "{at}");
    };
    unknown("", &|d| d, &schema);
    unknown("action", &|d| &mut d["actions"]["a"], &defs["action"]);
    unknown("request", &|d| &mut d["actions"]["a"]["request"], &defs["request"]);
    for part in ["pages", "completes"] {
        unknown(part, &|d| &mut d["actions"]["a"][part], &defs[part]);
    }
    // Which fields a way to sign in has depends on its kind.
    for field in names(&defs["auth"]) {
        let known = defs["auth"]["properties"]["type"]["enum"].as_array().unwrap().iter().any(|kind| {
            let mut document = base.clone();
            document["auth"][0] = json!({"id": "k", "type": kind, "token_url": "https://a.example.com/t"});
            if field != "type" {
                document["auth"][0][&field] = json!(null);
            }
            let at = format!("/auth/0/{field}");
            read(&document)
                .err()
                .into_iter()
                .flatten()
                .all(|fault| fault.pointer != at || fault.code != "unknown_field")
        });
        assert!(known, "auth.{field}");
    }
    unknown("error", &|d| &mut d["errors"][0], &defs["error"]);
    unknown("options", &|d| &mut d["options"]["x"], &defs["options"]);
    unknown("rate_limit", &|d| &mut d["rate_limits"]["default"], &defs["rate_limit"]);
    unknown("source", &|d| &mut d["dynamic_schemas"]["x"], &defs["source"]);
    unknown("trigger", &|d| &mut d["triggers"]["t"], &defs["trigger"]);
    for part in ["poll", "hook"] {
        unknown(part, &|d| &mut d["triggers"]["t"][part], &defs[part]);
    }
}
