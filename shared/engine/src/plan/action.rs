//! The shape of a built-in action's input.

use domain::{Fault, fault};
use serde_json::Value;

const FIELDS: [&str; 10] = [
    "method",
    "url",
    "headers",
    "query",
    "body",
    "form",
    "multipart",
    "follow_redirects",
    "accept_any_status",
    "as_file",
];
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Faults of an `http.request` input that show before it is evaluated.
pub(super) fn check_input(input: &Value, at: &str) -> Vec<Fault> {
    let Some(object) = input.as_object() else {
        return vec![Fault::new(
            at,
            "type_mismatch",
            "`input` must be an object: `{\"method\": …, \"url\": …}`",
        )];
    };
    let mut faults = Vec::new();
    for name in object.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        let known = FIELDS.map(|f| format!("`{f}`")).join(", ");
        let message = format!("`{name}` is not a field here; the fields are {known}");
        faults.push(Fault::new(fault::join(at, name), "unknown_field", message));
    }
    match object.get("url") {
        None => faults.push(Fault::new(at, "missing_field", "`url` is missing")),
        Some(Value::String(_)) => {}
        Some(_) => faults.push(Fault::new(format!("{at}/url"), "type_mismatch", "`url` must be a text")),
    }
    match object.get("method") {
        None => {}
        Some(Value::String(m)) if m.contains("{{") || METHODS.contains(&m.to_ascii_uppercase().as_str()) => {}
        Some(_) => {
            let message = format!("`method` must be one of {}", METHODS.join(", "));
            faults.push(Fault::new(format!("{at}/method"), "type_mismatch", message));
        }
    }
    for name in ["headers", "query", "form", "multipart"] {
        if object.get(name).is_some_and(|v| !v.is_object() && !v.as_str().is_some_and(|s| s.contains("{{"))) {
            let message = format!("`{name}` must be an object");
            faults.push(Fault::new(format!("{at}/{name}"), "type_mismatch", message));
        }
    }
    for name in ["follow_redirects", "accept_any_status", "as_file"] {
        if object.get(name).is_some_and(|v| !v.is_boolean() && !v.as_str().is_some_and(|s| s.contains("{{")))
        {
            faults.push(Fault::new(
                format!("{at}/{name}"),
                "type_mismatch",
                format!("`{name}` must be `true` or `false`"),
            ));
        }
    }
    if ["body", "form", "multipart"].iter().filter(|name| object.contains_key(**name)).count() > 1 {
        faults.push(Fault::new(at, "body_twice", "give one of `body`, `form` and `multipart`"));
    }
    faults
}
