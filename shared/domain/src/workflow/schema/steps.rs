//! The steps.

use super::fields::{
    Field, boolean, choice, condition, duration, integer, list_of, object, object_template, optional,
    required, template, text_template,
};
use crate::duration as iso;
use crate::limits;
use crate::workflow::{HTTP_REQUEST, Retry};
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

pub(super) fn all() -> Vec<(&'static str, Vec<Field>, &'static str)> {
    vec![
        ("action", with("action", action()), "Calls an app"),
        (
            "map",
            with("map", vec![required("output", template(), "The value.", json!({"total": "{{ 1 + 1 }}"}))]),
            "Builds a value",
        ),
        (
            "filter",
            with(
                "filter",
                vec![required("when", condition(), "Whether to go on.", json!("{{ trigger.body.paid }}"))],
            ),
            "Goes on only if a condition holds",
        ),
        ("branch", with("branch", branch()), "Runs the steps of the first arm whose condition holds"),
        ("parallel", with("parallel", parallel()), "Runs its arms at the same time"),
        ("for_each", with("for_each", for_each()), "Runs its steps once for each item"),
        (
            "while",
            with(
                "while",
                vec![
                    required("when", condition(), "Looked at before each iteration.", json!("{{ true }}")),
                    optional(
                        "max_iterations",
                        integer(1, u64::from(limits::MAX_ITERATIONS), 100),
                        "Past it the step fails.",
                        json!(60),
                    ),
                    required("steps", inner(), "What is repeated.", json!([])),
                ],
            ),
            "Runs its steps again and again while a condition holds",
        ),
        ("wait", with("wait", wait()), "Waits: one of `for`, `until` and `callback`"),
        ("approval", with("approval", approval()), "Asks people, and waits for a decision"),
        (
            "workflow",
            with(
                "workflow",
                vec![
                    required(
                        "workflow",
                        json!({"type": "string", "pattern": "^wf_[0-9a-z]{26}$"}),
                        "The workflow's id.",
                        json!("wf_01jv3q8v0p7t4n6m2k9x5r1c3d"),
                    ),
                    optional("input", template(), "What it reads as `trigger.input`.", json!({})),
                    optional("wait", boolean(true), "Whether to wait for its end.", json!(false)),
                ],
            ),
            "Runs another workflow",
        ),
        ("code", with("code", code()), "Runs code in the sandbox"),
        (
            "try",
            with(
                "try",
                vec![
                    required("steps", inner(), "What is tried.", json!([])),
                    optional("catch", inner(), "What deals with a failure.", json!([])),
                    optional("finally", inner(), "What runs in any case.", json!([])),
                ],
            ),
            "Runs steps; if one fails, `catch`; and `finally` in any case",
        ),
        (
            "emit",
            with(
                "emit",
                vec![
                    required("detail_type", text_template(), "1 to 128 bytes.", json!("Lead qualified")),
                    optional("source", text_template(), "Not `patchbay`, nor `aws.…`.", json!("crm")),
                    optional("detail", object_template(), "What the event says.", json!({"id": 1})),
                ],
            ),
            "Puts an event on the bus",
        ),
        (
            "respond",
            with(
                "respond",
                vec![
                    optional(
                        "status",
                        json!({"type": ["integer", "string"], "default": 200}),
                        "200 to 599, or an expression that gives it.",
                        json!(201),
                    ),
                    optional("headers", object_template(), "What is sent with it.", json!({"x-a": "1"})),
                    optional("body", template(), "The answer.", json!({"ok": true})),
                ],
            ),
            "Answers the webhook's caller",
        ),
        (
            "stop",
            with(
                "stop",
                vec![
                    optional(
                        "status",
                        choice(&["succeeded", "failed"], Some("succeeded")),
                        "How.",
                        json!("failed"),
                    ),
                    optional(
                        "message",
                        template(),
                        "The run's error message, if it failed.",
                        json!("no stock"),
                    ),
                    optional("output", template(), "The run's output.", json!({"id": 1})),
                ],
            ),
            "Ends the run here",
        ),
    ]
}

fn with(kind: &'static str, own: Vec<Field>) -> Vec<Field> {
    let mut fields = vec![
        required("id", json!({"$ref": "#/$defs/id"}), "Unique in the whole workflow.", json!("sum")),
        required("type", json!({"const": kind}), "The type of step.", json!(kind)),
        optional("description", json!({}), "For people; not read.", json!("why this is here")),
        optional(
            "on_error",
            choice(&["fail", "continue"], Some("fail")),
            "What becomes of the run when the step has failed for good.",
            json!("continue"),
        ),
    ];
    fields.extend(own);
    fields
}

/// A list of steps that may not be empty.
fn inner() -> Value {
    json!({"$ref": "#/$defs/steps", "minItems": 1})
}

/// The input of the built-in action.
pub(super) fn http_input() -> Value {
    object(&[
        required(
            "url",
            text_template(),
            "`http` or `https`, at most 8,192 bytes.",
            json!("https://example.com"),
        ),
        optional("method", text_template(), "GET without one.", json!("POST")),
        optional("query", object_template(), "Appended to `url`.", json!({"page": 2})),
        optional("headers", object_template(), "Sent with it.", json!({"accept": "text/csv"})),
        optional("body", template(), "A text, a `$file`, or anything else as JSON.", json!({"id": 1})),
        optional("form", object_template(), "A form; not together with `body`.", json!({"id": "1"})),
        optional(
            "multipart",
            object_template(),
            "A form with files; not together with `body`.",
            json!({"document": "{{ steps.write.file }}"}),
        ),
        optional(
            "as_file",
            flag(false),
            "Whether the answer is kept as a file, whatever it is.",
            json!(true),
        ),
        optional("follow_redirects", flag(true), "At most five.", json!(false)),
        optional("accept_any_status", flag(false), "400 and above is no failure.", json!(true)),
    ])
}

fn action() -> Vec<Field> {
    let default = Retry::default();
    let retry = object(&[
        optional(
            "max_attempts",
            integer(1, u64::from(limits::MAX_ATTEMPTS), u64::from(default.max_attempts)),
            "The first one included.",
            json!(5),
        ),
        optional(
            "initial",
            duration(Duration::ZERO, DAY, Some(default.initial)),
            "The first pause.",
            json!("PT1S"),
        ),
        optional(
            "backoff",
            json!({"type": "number", "minimum": 1, "maximum": 10, "default": default.backoff}),
            "Each pause is this many times the one before.",
            json!(2),
        ),
        optional(
            "max_delay",
            duration(Duration::ZERO, DAY, Some(default.max_delay)),
            "The longest pause.",
            json!("PT5M"),
        ),
        optional(
            "jitter",
            choice(&["full", "none"], Some("full")),
            "Whether pauses are spread.",
            json!("none"),
        ),
    ]);
    vec![
        required(
            "use",
            json!({"type": "string", "pattern": "^[a-z][a-z0-9_]*\\.[a-z][a-z0-9_]*$"}),
            "Which action: `http.request`, one on files such as `file.read_csv`, or one of a connector as `<app>.<action>`.",
            json!(HTTP_REQUEST),
        ),
        optional(
            "connection",
            json!({"type": "string", "pattern": "^conn_"}),
            "By which connection; an app that asks for credentials needs one.",
            json!("conn_01hv3kq7x0e8m2n4p6r8t0v2w4"),
        ),
        required(
            "input",
            json!({"type": "object"}),
            "What it is called with.",
            json!({"url": "https://example.com"}),
        ),
        optional("retry", retry, "How a failure is tried again.", json!({"max_attempts": 5})),
        optional(
            "timeout",
            duration(
                Duration::from_millis(100),
                limits::MAX_STEP_TIMEOUT,
                Some(limits::DEFAULT_STEP_TIMEOUT),
            ),
            "The time limit of one attempt.",
            json!("PT10S"),
        ),
        optional("at_most_once", boolean(false), "Never attempt it twice.", json!(true)),
        optional(
            "idempotent",
            json!({"type": "boolean"}),
            "Whether a repeat has no further effect.",
            json!(true),
        ),
        optional(
            "wait",
            length_or_flag(),
            "For how long, or whether, the end of what it started is waited for.",
            json!("PT4H"),
        ),
    ]
}

/// How long the end of what an action started is waited for.
fn length_or_flag() -> Value {
    let length = duration(Duration::from_secs(1), limits::MAX_RUN_TIMEOUT, None);
    json!({"anyOf": [{"type": "boolean"}, length], "default": iso::format(limits::COMPLETION_TIMEOUT)})
}

/// A truth value, or an expression that gives one.
fn flag(default: bool) -> Value {
    json!({"type": ["boolean", "string"], "default": default})
}

fn branch() -> Vec<Field> {
    let arm = object(&[
        required("when", condition(), "Whether this arm is taken.", json!("{{ trigger.body.total > 100 }}")),
        required("steps", json!({"$ref": "#/$defs/steps"}), "What it does.", json!([])),
    ]);
    vec![
        required(
            "arms",
            json!({"type": "array", "minItems": 1, "items": arm}),
            "Looked at in order.",
            json!([]),
        ),
        optional("else", json!({"$ref": "#/$defs/steps"}), "If none holds.", json!([])),
    ]
}

fn parallel() -> Vec<Field> {
    let arm = object(&[
        required("id", json!({"$ref": "#/$defs/id"}), "Unique among the arms.", json!("left")),
        required("steps", inner(), "What it does.", json!([])),
    ]);
    vec![required("arms", list_of(arm, 1, limits::MAX_PARALLEL_ARMS), "All at once.", json!([]))]
}

fn for_each() -> Vec<Field> {
    vec![
        required(
            "items",
            json!({"type": ["array", "string"], "$comment": "a list, or an expression that gives one"}),
            "At most 10,000.",
            json!("{{ trigger.body.lines }}"),
        ),
        optional(
            "concurrency",
            integer(1, u64::from(limits::MAX_CONCURRENCY), 1),
            "So many items are under way at the same time, at most.",
            json!(10),
        ),
        optional(
            "on_item_error",
            choice(&["fail", "continue"], Some("fail")),
            "What becomes of the loop when an item fails.",
            json!("continue"),
        ),
        required("steps", inner(), "What is done for each.", json!([])),
    ]
}

fn wait() -> Vec<Field> {
    let time = json!({"type": "string", "$comment": "may be an expression"});
    vec![
        optional("for", time.clone(), "An ISO 8601 duration.", json!("PT6H")),
        optional("until", time, "An RFC 3339 time.", json!("2026-12-24T18:00:00Z")),
        optional("callback", json!({"const": true}), "Until the step's address is called.", json!(true)),
        optional(
            "timeout",
            duration(Duration::from_secs(1), limits::MAX_RUN_TIMEOUT, Some(limits::CALLBACK_TIMEOUT)),
            "Of a callback only: how long it is waited for.",
            json!("P2D"),
        ),
    ]
}

fn code() -> Vec<Field> {
    let source = json!({"type": "string", "minLength": 1, "maxLength": limits::MAX_CODE_BYTES});
    vec![
        optional(
            "language",
            choice(&["javascript", "typescript"], Some("javascript")),
            "What it is written in.",
            json!("typescript"),
        ),
        required(
            "source",
            source,
            "A module whose default export is a function of the input.",
            json!("export default (input) => input.a + input.b"),
        ),
        optional("input", template(), "What the function is given.", json!({"a": 1, "b": 2})),
        optional(
            "timeout",
            duration(
                Duration::from_millis(100),
                limits::MAX_CODE_TIMEOUT,
                Some(limits::DEFAULT_CODE_TIMEOUT),
            ),
            "How long it may take.",
            json!("PT5S"),
        ),
    ]
}

fn approval() -> Vec<Field> {
    vec![
        required("to", template(), "Who is asked.", json!(["ops@example.com"])),
        required("title", template(), "The question.", json!("Deploy {{ trigger.body.version }}?")),
        optional("message", template(), "What else to know.", json!("The tests passed.")),
        optional(
            "timeout",
            duration(Duration::from_mins(1), limits::MAX_RUN_TIMEOUT, Some(limits::CALLBACK_TIMEOUT)),
            "How long a decision is waited for.",
            json!("P1D"),
        ),
        optional(
            "on_timeout",
            choice(&["reject", "approve", "fail"], Some("reject")),
            "What it comes to then.",
            json!("fail"),
        ),
        optional(
            "remind_every",
            duration(Duration::from_mins(15), limits::MAX_RUN_TIMEOUT, None),
            "How often a reminder is put on the bus.",
            json!("PT6H"),
        ),
    ]
}
