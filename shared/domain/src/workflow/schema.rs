//! The JSON Schema of a definition (draft 2020-12), for editors and programs that write definitions.
//!
//! It says of each field what it is, and whether it must be there. What it cannot say, such as whether an expression is one or a
//! step is known, only [`parse`](super::parse) and the plan's checks know: a document that the schema takes may still have faults.

mod fields;
mod files;
mod steps;
#[path = "schema/of_tests.rs"]
mod tests;
mod triggers;

use crate::limits;
use fields::{Field, any_of_types, choice, duration, object, optional, required, text};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Where the schema is served.
pub const ADDRESS: &str = "/v1/schema/workflow.json";

/// The schema of a whole definition.
pub fn schema() -> Value {
    let mut document = object(&document_fields());
    let mut definitions = Map::new();
    for (name, fields, title) in triggers::all() {
        definitions.insert(format!("trigger_{name}"), titled(object(&fields), title));
    }
    for (name, fields, title) in steps::all() {
        definitions.insert(format!("step_{name}"), titled(object(&fields), title));
    }
    // What the built-in actions take is known here; what those of connectors take, their connectors tell.
    let of_action = |name: &str, input: Value| json!({"if": {"properties": {"use": {"const": name}}}, "then": {"properties": {"input": input}}});
    let mut of_actions = vec![of_action(super::HTTP_REQUEST, steps::http_input())];
    of_actions.extend(files::all().iter().map(|(name, fields)| of_action(name, files::written(fields))));
    definitions.get_mut("step_action").expect("it was put in just now")["allOf"] = of_actions.into();
    let names = |prefix: &str, of: Vec<&str>| of.into_iter().map(|name| format!("{prefix}_{name}")).collect();
    let triggers: Vec<String> = names("trigger", triggers::all().into_iter().map(|t| t.0).collect());
    let steps: Vec<String> = names("step", steps::all().into_iter().map(|s| s.0).collect());
    definitions.insert("trigger".into(), any_of_types(&triggers, "what starts the workflow"));
    definitions.insert("step".into(), any_of_types(&steps, "one step"));
    definitions.insert("steps".into(), json!({"type": "array", "items": {"$ref": "#/$defs/step"}}));
    definitions.insert("id".into(), fields::id());
    document["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    document["$id"] = json!(ADDRESS);
    document["title"] = json!("Patchbay workflow");
    document["description"] = json!(
        "What starts a workflow, and what it does. Texts may hold expressions, `{{ … }}`, where a field says so."
    );
    document["$defs"] = definitions.into();
    document
}

/// The schema of what a built-in action on files takes, once it is evaluated; `None` of other actions.
pub fn file_input(action: &str) -> Option<Value> {
    files::input(action)
}

/// The fields of the document itself.
fn document_fields() -> Vec<Field> {
    vec![
        required("name", text(1, 200), "What people call it.", json!("Large orders")),
        optional("description", text(0, 10_000), "For people.", json!("Tells sales of large orders.")),
        optional(
            "schema",
            json!({"const": super::SCHEMA, "default": super::SCHEMA}),
            "The version of the language.",
            json!(1),
        ),
        required(
            "triggers",
            json!({"type": "array", "maxItems": limits::MAX_TRIGGERS, "items": {"$ref": "#/$defs/trigger"}}),
            "What starts it; ids are unique among them.",
            json!([{"id": "order", "type": "webhook"}]),
        ),
        required(
            "steps",
            json!({"$ref": "#/$defs/steps"}),
            "What it does, in order; ids are unique in the whole workflow.",
            json!([{"id": "sum", "type": "map", "output": "{{ trigger.body.total }}"}]),
        ),
        optional(
            "on_failure",
            json!({"$ref": "#/$defs/steps"}),
            "What it does when a step has failed and nothing dealt with it.",
            json!([]),
        ),
        optional(
            "timeout",
            duration(Duration::from_secs(1), limits::MAX_RUN_TIMEOUT, Some(limits::DEFAULT_RUN_TIMEOUT)),
            "The time limit of a run.",
            json!("P7D"),
        ),
        optional(
            "tests",
            json!({"type": "array", "maxItems": limits::MAX_TESTS, "items": tests::of_one()}),
            "What runs should come to; `POST /v1/workflows/{id}/test` runs them.",
            json!([{"name": "large", "trigger": {"body": {"total": 200}}, "expect": {"status": "succeeded"}}]),
        ),
        optional(
            "priority",
            choice(&crate::run::Priority::NAMES, Some("interactive")),
            "Which queue carries its runs: bulk work never delays interactive work.",
            json!("bulk"),
        ),
        optional(
            "environment",
            json!({"type": "string", "pattern": "^[a-z][a-z0-9_-]*$", "maxLength": limits::MAX_ENVIRONMENT_NAME, "default": crate::variables::DEFAULT_ENVIRONMENT}),
            "Whose variables its expressions read as `vars`.",
            json!("staging"),
        ),
        optional(
            "connectors",
            json!({"type": "object", "additionalProperties": {"type": "integer", "minimum": 1, "maximum": u32::MAX}}),
            "The version of each connector that the steps are meant for. What is absent is put in when the definition is saved: the newest.",
            json!({"slack": 1}),
        ),
        optional(
            "concurrency",
            object(&concurrency_fields()),
            "How many of its runs may be under way at the same time.",
            json!({"limit": 1, "key": "{{ trigger.body.account }}"}),
        ),
    ]
}

fn concurrency_fields() -> Vec<Field> {
    vec![
        required(
            "limit",
            json!({"type": "integer", "minimum": 1, "maximum": limits::MAX_CONCURRENCY}),
            "How many.",
            json!(1),
        ),
        optional(
            "key",
            fields::template(),
            "Runs for which this gives the same share the limit; it can read `trigger`.",
            json!("{{ trigger.body.account }}"),
        ),
        optional(
            "when_full",
            choice(&super::WhenFull::NAMES, Some("queue")),
            "What becomes of a run that comes when all are taken.",
            json!("drop"),
        ),
    ]
}

fn titled(mut schema: Value, title: &str) -> Value {
    schema["title"] = title.into();
    schema
}

#[cfg(test)]
#[path = "schema/tests.rs"]
mod same_as_the_parser;
