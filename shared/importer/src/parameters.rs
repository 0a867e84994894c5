//! The fields of an action that go into its path, its query, its headers and cookies.

use crate::names;
use crate::references::{Import, Part, put_text};
use crate::schemas::Side;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Headers that say how a request is sent: they are not the user's.
const OF_THE_REQUEST: [&str; 8] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
];
/// The header by which apps know a repeat.
const REPEATS: &str = "idempotency-key";
/// How many parameters an operation may have.
const MAX_PARAMETERS: usize = 500;

/// What is gathered of an action's input and of where its fields go.
#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) properties: Map<String, Value>,
    pub(crate) required: BTreeSet<String>,
    pub(crate) taken: names::Taken,
    /// The path, with the names of fields between its braces.
    pub(crate) path: String,
    /// As a request of a manifest says them.
    pub(crate) parameters: Vec<Value>,
    /// The header by which the app knows a repeat.
    pub(crate) idempotency_header: Option<String>,
}

impl Fields {
    /// Adds a field under a name that no other has.
    pub(crate) fn add(&mut self, name: &str, place: &str, required: bool, mut schema: Value) -> String {
        let name: String = name.chars().filter(|c| !matches!(c, '{' | '}')).take(100).collect();
        let mut field = if name.is_empty() { "field".to_owned() } else { name };
        if self.taken.contains(&field) {
            field = format!("{field}_{place}");
        }
        let field = self.taken.unique(&field, 120);
        if let Value::Object(words) = &mut schema
            && !words.contains_key("title")
        {
            words.insert("title".into(), names::title(&field).into());
        }
        if required {
            self.required.insert(field.clone());
        }
        self.properties.insert(field.clone(), schema);
        field
    }
}

/// Reads the parameters of an operation, those of its path before its own.
pub(crate) fn read<'d>(import: &mut Import<'d>, path: &str, item: &Part<'d>, operation: &Part<'d>) -> Fields {
    let mut all: Vec<(String, String, Part<'d>)> = Vec::new();
    for of in [item, operation] {
        let Some(list) = of.get("parameters") else { continue };
        if !list.value.is_array() {
            import.fault(&list.at, "type_mismatch", "`parameters` must be a list");
        }
        for (i, parameter) in list.items().enumerate() {
            if i == MAX_PARAMETERS {
                let message = format!("an operation has at most {MAX_PARAMETERS} parameters");
                import.fault(&list.at, "openapi_too_large", message);
                break;
            }
            let Some(parameter) = import.follow(parameter) else { continue };
            let (Some(name), Some(place)) = (parameter.text("name"), parameter.text("in")) else {
                import.fault(
                    &parameter.at,
                    "missing_field",
                    "a parameter has a `name`, and says what it is `in`",
                );
                continue;
            };
            if !matches!(place, "path" | "query" | "header" | "cookie") {
                let message = "`in` must be `path` or `query` or `header` or `cookie`";
                import.fault(&format!("{}/in", parameter.at), "type_mismatch", message);
                continue;
            }
            if name.len() > 200 {
                import.fault(&parameter.at, "openapi_too_large", "a name has at most 200 bytes");
                continue;
            }
            // One of the operation replaces one of its path.
            all.retain(|(n, p, _)| n != name || p != place);
            all.push((name.to_owned(), place.to_owned(), parameter));
        }
    }
    let mut fields = Fields::default();
    in_path(import, path, item, &mut all, &mut fields);
    for (name, place, parameter) in all {
        if place == "path" {
            import.note(&parameter.at, format!("the path has no `{{{name}}}`; this parameter is left out"));
            continue;
        }
        if place == "header" {
            let small = name.to_ascii_lowercase();
            if OF_THE_REQUEST.contains(&small.as_str()) {
                continue;
            }
            if small == REPEATS {
                fields.idempotency_header = Some(name);
                continue;
            }
        }
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$&'*+-.^_`|~".contains(c);
        if place != "query" && (name.is_empty() || !name.chars().all(token)) {
            import.note(&parameter.at, "this is no name of a header or a cookie; the parameter is left out");
            continue;
        }
        let required = parameter.is("required");
        let (schema, content) = schema(import, &parameter);
        let field = fields.add(&name, &place, required, schema);
        let mut made = json!({"field": field, "in": place});
        if field != name {
            made["name"] = name.into();
        }
        let style = if content { "json" } else { style(&parameter, &place) };
        let usual = if place == "query" { "repeat" } else { "comma" };
        if style != usual {
            made["style"] = style.into();
        }
        fields.parameters.push(made);
    }
    fields
}

/// Takes what stands between braces in the path out of the parameters.
fn in_path<'d>(
    import: &mut Import<'d>,
    path: &str,
    item: &Part<'d>,
    all: &mut Vec<(String, String, Part<'d>)>,
    fields: &mut Fields,
) {
    let mut known: BTreeMap<&str, String> = BTreeMap::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        fields.path.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            import.fault(&item.at, "invalid_path", "a `{` of the path has no `}`");
            return;
        };
        rest = after;
        if let Some(field) = known.get(name) {
            fields.path.extend(["{", field.as_str(), "}"]);
            continue;
        }
        let at = all.iter().position(|(n, place, _)| n == name && place == "path");
        let schema = if let Some(at) = at {
            let (_, _, parameter) = all.remove(at);
            if matches!(parameter.text("style"), Some("label" | "matrix")) {
                import.note(&parameter.at, "this style of a path is not known; the value is put in as it is");
            }
            schema(import, &parameter).0
        } else {
            import
                .note(&item.at, format!("`{{{}}}` of the path is described nowhere", names::cut(name, 100)));
            json!({"type": "string"})
        };
        let field = fields.add(name, "path", true, schema);
        fields.path.extend(["{", field.as_str(), "}"]);
        known.insert(name, field);
    }
    fields.path.push_str(rest);
}

/// The schema of a parameter, and whether its value is written as JSON.
fn schema<'d>(import: &mut Import<'d>, parameter: &Part<'d>) -> (Value, bool) {
    let content =
        parameter.get("content").and_then(|content| content.members().next().map(|(_, media)| media));
    let (of, json) = match (parameter.get("schema"), content) {
        (Some(schema), _) => (Some(schema), false),
        (None, Some(media)) => (media.get("schema"), true),
        (None, None) => (None, false),
    };
    let mut made = match of {
        Some(schema) => import.schema(&schema, Side::Request),
        None => json!({}),
    };
    if let Value::Object(words) = &mut made {
        if parameter.text("description").is_some() {
            words.remove("description");
        }
        put_text(words, "description", parameter.text("description"), 2000);
        let example = parameter
            .value
            .get("example")
            .or_else(|| parameter.value.get("examples")?.as_object()?.values().next()?.get("value"));
        if let Some(example) = example
            && !words.contains_key("examples")
            && import.spend(crate::schemas::weight_of(example))
        {
            words.insert("examples".into(), json!([example]));
        }
        if parameter.is("deprecated") {
            words.insert("deprecated".into(), true.into());
        }
    }
    (made, json)
}

/// How a parameter's lists and objects are written, in the words of a manifest.
fn style(parameter: &Part<'_>, place: &str) -> &'static str {
    let explode = parameter.value.get("explode").and_then(Value::as_bool);
    match (place, parameter.text("style")) {
        ("query", Some("deepObject")) => "brackets",
        ("query", Some("spaceDelimited")) if explode != Some(true) => "space",
        ("query", Some("pipeDelimited")) if explode != Some(true) => "pipe",
        ("query", _) if explode == Some(false) => "comma",
        ("query", _) => "repeat",
        _ => "comma",
    }
}
