//! What comes back: the answer of a success, and where refusals say what they are.

use crate::operations::Operations;
use crate::references::{Import, Part};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where apps say in words what is wrong, the likeliest first.
const MESSAGES: [&str; 9] = [
    "message",
    "error_description",
    "detail",
    "error_message",
    "errorMessage",
    "description",
    "title",
    "reason",
    "msg",
];
/// Where they name it.
const CODES: [&str; 6] = ["code", "error_code", "errorCode", "name", "type", "error"];
/// How many forms of an answer are looked into.
const MAX_LOOKS: usize = 40;

/// An answer that a document describes.
pub(crate) struct Answer<'d> {
    pub(crate) schema: Option<Part<'d>>,
    pub(crate) media: String,
    /// Whether it can come in another media type, too.
    pub(crate) others: bool,
}

/// The first answer with JSON among those whose status is meant.
pub(crate) fn response<'d>(
    import: &mut Import<'d>,
    operation: &Part<'d>,
    meant: fn(&str) -> bool,
) -> Option<Answer<'d>> {
    let responses = operation.get("responses")?;
    let mut found: Vec<(&str, Part<'d>)> = responses.members().filter(|(status, _)| meant(status)).collect();
    // What is said of every other status is a refusal where a success is described by itself.
    if found.iter().any(|(status, _)| status.starts_with('2')) {
        found.retain(|(status, _)| *status != "default");
    }
    // `200` before `2XX` before `default`.
    found.sort_by_key(|(status, _)| *status);
    for (_, response) in found {
        let Some(response) = import.follow(response) else { continue };
        let content = response.get("content");
        let medias: Vec<(&str, Part<'d>)> = content.iter().flat_map(Part::members).collect();
        let is_json = |name: &str| {
            let name = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            name == "application/json" || name.ends_with("+json") || name == "*/*"
        };
        if let Some((name, media)) = medias.iter().find(|(name, _)| is_json(name)) {
            let others =
                medias.len() > 1 && name.len() <= 200 && !name.contains(['{', '}']) && name.is_ascii();
            return Some(Answer { schema: media.get("schema"), media: (*name).to_owned(), others });
        }
    }
    None
}

pub(crate) fn is_success(status: &str) -> bool {
    status == "default" || (status.len() == 3 && status.starts_with('2'))
}

fn is_refusal(status: &str) -> bool {
    status == "default" || (status.len() == 3 && (status.starts_with('4') || status.starts_with('5')))
}

/// Where in a refusal its message and its code are, as expressions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    message: String,
    code: Option<String>,
}

/// How an operation's refusals say what they are.
pub(crate) fn shape<'d>(import: &mut Import<'d>, operation: &Part<'d>) -> Option<Shape> {
    let schema = response(import, operation, is_refusal)?.schema?;
    let mut left = MAX_LOOKS;
    let fields = fields(import, &schema, &mut left);
    let body = "response.body";
    let inside = |import: &mut Import<'d>, name: &str, path: String, list: bool, left: &mut usize| {
        let part = fields.get(name)?;
        let part = if list { import.follow(part.clone())?.get("items")? } else { part.clone() };
        let inner = self::fields(import, &part, left);
        said(import, &inner, &path)
    };
    let plain = said(import, &fields, body);
    // The words of a list of errors say more than a title above it.
    inside(import, "error", format!("{body}.error"), false, &mut left)
        .or_else(|| inside(import, "errors", format!("{body}.errors[0]"), true, &mut left))
        .or(plain)
        .or_else(|| {
            let text = fields.get("error").is_some_and(|part| is_text(import, part));
            text.then(|| Shape { message: format!("{body}.error"), code: None })
        })
}

fn said<'d>(import: &mut Import<'d>, fields: &BTreeMap<String, Part<'d>>, path: &str) -> Option<Shape> {
    let mut first = |names: &[&'static str], texts: bool| {
        let mut found = names.iter().filter_map(|name| Some((*name, fields.get(*name)?.clone())));
        found.find(|(_, part)| is_text(import, part) || (!texts && is_number(part))).map(|(name, _)| name)
    };
    let message = first(&MESSAGES, true)?;
    let code = first(&CODES, false).filter(|code| *code != message);
    Some(Shape { message: format!("{path}.{message}"), code: code.map(|code| format!("{path}.{code}")) })
}

fn is_text<'d>(import: &mut Import<'d>, part: &Part<'d>) -> bool {
    let part =
        if part.value.get("$ref").is_some() { import.follow(part.clone()) } else { Some(part.clone()) };
    part.is_some_and(|part| match part.value.get("type") {
        Some(Value::Array(all)) => all.contains(&json!("string")),
        Some(one) => one == "string",
        None => part.value.get("enum").is_some() || part.value.get("const").is_some_and(Value::is_string),
    })
}

fn is_number(part: &Part<'_>) -> bool {
    matches!(part.text("type"), Some("integer" | "number"))
}

/// The fields that a value of a schema can have, in whichever of its forms.
fn fields<'d>(import: &mut Import<'d>, schema: &Part<'d>, left: &mut usize) -> BTreeMap<String, Part<'d>> {
    let mut out = BTreeMap::new();
    let mut waiting = vec![schema.clone()];
    while let Some(part) = waiting.pop() {
        if *left == 0 || !part.value.is_object() {
            break;
        }
        *left -= 1;
        let Some(part) = import.follow(part) else { continue };
        for (name, property) in part.get("properties").iter().flat_map(Part::members).take(100) {
            out.entry(name.to_owned()).or_insert(property);
        }
        for word in ["allOf", "anyOf", "oneOf"] {
            waiting.extend(part.get(word).iter().flat_map(Part::items).take(MAX_LOOKS));
        }
    }
    out
}

/// Rules for the connector by how most of its actions refuse, and for each action that does so otherwise.
pub(crate) fn put(operations: &mut Operations, shapes: &[(String, Shape)]) {
    let mut counts: BTreeMap<&Shape, usize> = BTreeMap::new();
    for (_, shape) in shapes {
        *counts.entry(shape).or_default() += 1;
    }
    let Some((most, _)) = counts.into_iter().max_by_key(|(_, count)| *count) else { return };
    operations.errors = rules(most);
    for (name, shape) in shapes.iter().filter(|(_, shape)| shape != most) {
        if let Some(action) = operations.actions.get_mut(name) {
            action["errors"] = rules(shape).into();
        }
    }
}

fn rules(shape: &Shape) -> Vec<Value> {
    let rule = |when: &str| {
        let mut rule =
            json!({"when": format!("{{{{ {when} }}}}"), "message": format!("{{{{ {} }}}}", shape.message)});
        if let Some(code) = &shape.code {
            rule["code"] = format!("{{{{ {code} }}}}").into();
        }
        rule
    };
    let mut refused = rule("response.status = 401");
    refused["reconnect"] = true.into();
    vec![refused, rule("response.status >= 400")]
}
