//! The triggers.

use super::fields::{Field, choice, duration, object, optional, required, template, text};
use crate::limits;
use crate::workflow::Challenge;
use crate::workflow::verify::{Algorithm, Encoding, KeyForm, Scheme};
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
                    verify(),
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
        (
            "poll",
            with(
                "poll",
                of_app("github.new_issue")
                    .into_iter()
                    .chain([
                        optional(
                            "every",
                            duration(limits::MIN_POLL, limits::MAX_POLL, Some(limits::DEFAULT_POLL)),
                            "How often the app is asked.",
                            json!("PT1M"),
                        ),
                        optional(
                            "first",
                            choice(&["skip", "all"], Some("skip")),
                            "What is made of records that are there when the app is first asked.",
                            json!("all"),
                        ),
                    ])
                    .collect(),
            ),
            "Each new record of an app, which is asked for them again and again",
        ),
        (
            "app",
            with("app", of_app("typeform.response_sent")),
            "What an app tells of, which is asked to while the workflow is enabled",
        ),
    ]
}

/// What all triggers say that an app has a part in.
fn of_app(example: &str) -> Vec<Field> {
    vec![
        required(
            "use",
            json!({"type": "string", "pattern": "^[a-z][a-z0-9_]*\\.[a-z][a-z0-9_]*$", "maxLength": 129}),
            "The trigger of a connector: `<app>.<trigger>`.",
            json!(example),
        ),
        optional(
            "connection",
            json!({"type": "string", "pattern": "^conn_"}),
            "By which connection; an app that asks for credentials needs one.",
            json!("conn_01hv3kq7x0e8m2n4p6r8t0v2w4"),
        ),
        optional(
            "input",
            json!({"type": "object"}),
            "What is asked for, as the trigger's schema says; without expressions.",
            json!({"owner": "acme", "repo": "shop"}),
        ),
    ]
}

/// The fields of all schemes; which of them has which, the parser knows.
fn verify() -> Field {
    let name = json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "maxLength": limits::MAX_VARIABLE_NAME});
    let names =
        json!({"type": "array", "items": name, "minItems": 1, "maxItems": limits::MAX_VERIFY_SECRETS});
    let header = || json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": 100});
    let parts = json!({"type": "array", "items": text(1, 100), "minItems": 1, "maxItems": limits::MAX_SIGNED_PARTS, "default": ["body"]});
    let fields = [
        required("scheme", choice(&Scheme::NAMES, None), "Whose signatures they are.", json!("github")),
        required(
            "secret",
            json!({"anyOf": [name, names]}),
            "The name of the secret variable, or of several: a signature by any of them counts.",
            json!("GITHUB_SECRET"),
        ),
        optional(
            "header",
            header(),
            "`hmac`, `token`: where the signature or the token is.",
            json!("x-signature"),
        ),
        optional(
            "query",
            text(1, 100),
            "`token`: the parameter of the address where the token is.",
            json!("token"),
        ),
        optional(
            "prefix",
            text(0, 100),
            "`hmac`, `token`: what stands before it in the header.",
            json!("sha256="),
        ),
        optional(
            "algorithm",
            choice(&Algorithm::NAMES, Some("sha256")),
            "`hmac`: the hash.",
            json!("sha512"),
        ),
        optional(
            "encoding",
            choice(&Encoding::NAMES, Some("hex")),
            "`hmac`: how the signature is written.",
            json!("base64"),
        ),
        optional(
            "signed",
            parts,
            "`hmac`: what is signed, one behind the other: `timestamp`, `id`, `body`, and other texts as they are.",
            json!(["timestamp", ".", "body"]),
        ),
        optional(
            "timestamp",
            header(),
            "`hmac`: the header with the time of signing, in seconds or milliseconds since 1970.",
            json!("x-timestamp"),
        ),
        optional(
            "tolerance",
            duration(limits::MIN_TOLERANCE, limits::MAX_TOLERANCE, Some(std::time::Duration::from_mins(5))),
            "`hmac`: how far that time may be from now.",
            json!("PT1M"),
        ),
        optional("id", header(), "`hmac`: the header that names the delivery.", json!("x-delivery")),
        optional(
            "key",
            choice(&KeyForm::NAMES, Some("text")),
            "`hmac`: whether the secret is the key itself, or the key in base64 or hex.",
            json!("base64"),
        ),
    ];
    optional(
        "verify",
        object(&fields),
        "What a request must carry to be believed.",
        json!({"scheme": "github", "secret": "GITHUB_SECRET"}),
    )
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
