//! The tests of a definition.

use super::fields::{choice, object, optional, required, template, text};
use serde_json::{Value, json};

/// One test.
pub(super) fn of_one() -> Value {
    let error = object(&[
        required("code", text(1, 100), "The code of the failure.", json!("http_status")),
        optional("message", text(0, 1000), "What it says.", json!("busy")),
        optional("retryable", json!({"type": "boolean"}), "Whether the step is tried again.", json!(true)),
    ]);
    let one = json!({"type": "object", "minProperties": 1, "maxProperties": 1, "properties": {
        "output": template(), "error": error, "calls": {"type": "array", "minItems": 1}}, "additionalProperties": false});
    let step = json!({"anyOf": [{"enum": ["called", "not_called"]}, object(&[
        optional("input", template(), "What it was called with.", json!({})),
        optional("output", template(), "What it gave.", json!({})),
        optional("error", text(1, 100), "The code that it failed with.", json!("http_status")),
        optional("times", json!({"type": "integer", "minimum": 0}), "How often it was called.", json!(2)),
    ])]});
    let expect = object(&[
        optional("status", choice(&["succeeded", "failed"], None), "How the run ends.", json!("failed")),
        optional("output", template(), "The run's output.", json!({"id": 1})),
        optional("error", text(1, 100), "The code of the run's error.", json!("stopped")),
        optional(
            "steps",
            json!({"type": "object", "additionalProperties": step}),
            "By path or id.",
            json!({"tell": "called"}),
        ),
    ]);
    object(&[
        required("name", text(1, 200), "What the test shows.", json!("a large order")),
        optional(
            "trigger",
            json!({"type": "object"}),
            "What expressions read as `trigger`.",
            json!({"body": {}}),
        ),
        optional(
            "mocks",
            json!({"type": "object", "additionalProperties": one}),
            "What stands in for the effects of steps, by their ids.",
            json!({"tell": {"output": {"status": 200}}}),
        ),
        optional("expect", expect, "What the run should come to.", json!({"status": "succeeded"})),
    ])
}
