//! The triggers.

use super::fields::{Field, choice, duration, object, optional, required, template, text};
use crate::limits;
use crate::workflow::Challenge;
use serde_json::json;

pub(super) fn all() -> Vec<(&'static str, Vec<Field>, &'static str)> {
    vec![
        (
            "webhook",
            with(
                "webhook",
                vec![
                    optional(
                        "dedupe",
                        json!({"$comment": "an expression, or text with expressions"}),
                        "Equal results start one run only.",
                        json!("{{ trigger.body.id }}"),
                    ),
                    optional(
                        "challenge",
                        choice(&Challenge::NAMES, None),
                        "Whose question before the first delivery is answered.",
                        json!("slack"),
                    ),
                    batch(),
                    debounce(),
                ],
            ),
            "A `POST` to an address that nobody can guess",
        ),
        ("manual", with("manual", Vec::new()), "A start by hand or by a program"),
        ("workflow", with("workflow", Vec::new()), "A call by a `workflow` step of another workflow"),
        (
            "event",
            with(
                "event",
                vec![
                    required(
                        "pattern",
                        json!({"type": "object"}),
                        "Which events, as an EventBridge pattern.",
                        json!({"source": ["shop"]}),
                    ),
                    batch(),
                    debounce(),
                ],
            ),
            "An event on the bus",
        ),
        (
            "schedule",
            with(
                "schedule",
                vec![
                    required(
                        "schedule",
                        text(1, 200),
                        "Five cron fields, `cron(…)`, `rate(…)` or an alias such as `@daily`.",
                        json!("0 8 * * MON-FRI"),
                    ),
                    optional(
                        "zone",
                        text(1, 100),
                        "An IANA time zone; UTC without one.",
                        json!("Europe/Berlin"),
                    ),
                    optional(
                        "missed",
                        choice(&["skip", "run_once", "run_all"], Some("run_once")),
                        "What is made of times at which no run could be started.",
                        json!("skip"),
                    ),
                ],
            ),
            "Each time of a schedule",
        ),
    ]
}

fn batch() -> Field {
    let size =
        json!({"type": "integer", "minimum": 1, "maximum": limits::MAX_BATCH, "default": limits::MAX_BATCH});
    let fields = [
        required(
            "for",
            duration(limits::MIN_GATHER, limits::MAX_GATHER, None),
            "How long, from the first event.",
            json!("PT1M"),
        ),
        optional("size", size, "With how many events the run begins at once.", json!(20)),
        key(),
    ];
    optional(
        "batch",
        object(&fields),
        "Gathers events: one run gets all as `trigger.items`.",
        json!({"for": "PT1M"}),
    )
}

fn debounce() -> Field {
    let fields = [
        required(
            "for",
            duration(limits::MIN_GATHER, limits::MAX_GATHER, None),
            "How long no event may come.",
            json!("PT30S"),
        ),
        optional(
            "at_most",
            duration(limits::MIN_GATHER, limits::MAX_DEBOUNCE, None),
            "How long after the first event the run begins in any case.",
            json!("PT5M"),
        ),
        key(),
    ];
    let about = "Waits until it is quiet: one run gets the newest event.";
    optional("debounce", object(&fields), about, json!({"for": "PT30S"}))
}

fn key() -> Field {
    optional(
        "key",
        template(),
        "Events for which this gives the same are gathered together; it can read `trigger`.",
        json!("{{ trigger.body.account }}"),
    )
}

fn with(kind: &'static str, own: Vec<Field>) -> Vec<Field> {
    let mut fields = vec![
        required("id", json!({"$ref": "#/$defs/id"}), "Unique among the triggers.", json!("order")),
        required("type", json!({"const": kind}), "The type of trigger.", json!(kind)),
    ];
    fields.extend(own);
    fields
}
