//! An action for each operation.

use crate::errors::{self, Shape};
use crate::names;
use crate::parameters::{self, Fields};
use crate::references::{self, Import, Part, put_text};
use crate::schemas::Side;
use crate::servers;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many actions a connector may have.
const MAX_OPERATIONS: usize = 3000;
/// How many fields a body may have that become fields of the action.
const MAX_FIELDS: usize = 500;
/// How deep a body may be put together out of others for its fields to be found.
const MAX_PARTS_DEPTH: usize = 16;
const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// What the operations of a document come to.
#[derive(Default)]
pub(crate) struct Operations {
    pub(crate) actions: Map<String, Value>,
    pub(crate) errors: Vec<Value>,
    pub(crate) test: Option<String>,
    pub(crate) idempotency_header: Option<String>,
}

pub(crate) fn read(import: &mut Import<'_>) -> Operations {
    let mut out = Operations::default();
    let Some(paths) = import.root().get("paths") else {
        import.fault("", "missing_field", "`paths` is missing");
        return out;
    };
    if !paths.value.is_object() {
        import.fault(&paths.at, "type_mismatch", "`paths` must be an object");
        return out;
    }
    let mut taken = names::Taken::default();
    let mut seen: BTreeMap<(String, &str), String> = BTreeMap::new();
    let mut shapes: Vec<(String, Shape)> = Vec::new();
    let mut tests: Vec<(usize, String)> = Vec::new();
    for (path, item) in paths.members().filter(|(path, _)| !path.starts_with("x-")) {
        if !path.starts_with('/') || path.len() > 2000 {
            import.fault(&item.at, "invalid_path", "a path begins with `/`, and has at most 2000 bytes");
            continue;
        }
        let Some(item) = import.follow(item) else { continue };
        if item.get("trace").is_some() {
            import.note(&format!("{}/trace", item.at), "the method TRACE is left out");
        }
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            if !operation.value.is_object() {
                import.fault(&operation.at, "type_mismatch", "an operation is an object");
                continue;
            }
            if out.actions.len() == MAX_OPERATIONS {
                let message = format!("a connector has at most {MAX_OPERATIONS} actions");
                import.fault(&paths.at, "openapi_too_large", message);
                return out;
            }
            // Two paths that differ in names between braces only are one.
            let bare = (bare(path), method);
            if let Some(first) = seen.get(&bare) {
                let message = format!("this is the operation at `{first}` once more");
                import.fault(&operation.at, "openapi_duplicate", message);
                continue;
            }
            seen.insert(bare, operation.at.clone());
            let name = taken.unique(&named(path, method, &operation), 64);
            let (action, fields) = action(import, path, method, &item, &operation);
            if let Some(shape) = errors::shape(import, &operation) {
                shapes.push((name.clone(), shape));
            }
            if method == "get" && fields.required.is_empty() && out.actions.len() < MAX_OPERATIONS {
                tests.push((suits_as_test(path, &operation), name.clone()));
            }
            if out.idempotency_header.is_none() {
                out.idempotency_header = fields.idempotency_header;
            }
            out.actions.insert(name, action);
        }
    }
    if out.actions.is_empty() {
        import.fault(&paths.at, "openapi_empty", "the document has no operation");
    }
    out.test = tests.into_iter().min().map(|(_, name)| name);
    errors::put(&mut out, &shapes);
    out
}

/// The path without the names between its braces.
fn bare(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        out.push_str("{}");
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}

fn named(path: &str, method: &str, operation: &Part<'_>) -> String {
    let by_path = || names::name(&format!("{method}_{}", path.replace(['{', '}'], "")), "op");
    match operation.text("operationId").filter(|id| !names::snake(id).is_empty()) {
        Some(id) => names::name(id, "op"),
        None => by_path(),
    }
}

/// How well a request that changes nothing and asks for nothing tells whether somebody is signed in; the least is the best.
fn suits_as_test(path: &str, operation: &Part<'_>) -> usize {
    let last = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let anybody = operation.value.get("security").and_then(Value::as_array).is_some_and(|security| {
        security.is_empty() || security.iter().any(|one| one.as_object().is_some_and(Map::is_empty))
    });
    if anybody {
        return 10_000;
    }
    match last.as_str() {
        "me" | "@me" | "whoami" | "self" => 0,
        "user" | "account" | "profile" => 1,
        _ => 2 + path.len(),
    }
}

fn action<'d>(
    import: &mut Import<'d>,
    path: &str,
    method: &str,
    item: &Part<'d>,
    operation: &Part<'d>,
) -> (Value, Fields) {
    let path = if let Some((before, _)) = path.split_once('#') {
        import.note(&item.at, "what stands behind `#` in the path is not sent");
        before
    } else {
        path
    };
    let mut fields = parameters::read(import, path, item, operation);
    let mut request = Map::new();
    request.insert("method".into(), method.to_ascii_uppercase().into());
    request.insert("path".into(), Value::Null);
    if let Some(base_url) = servers::own(import, operation).or_else(|| servers::own(import, item)) {
        request.insert("base_url".into(), base_url.into());
    }
    let mut headers = Map::new();
    let answer = errors::response(import, operation, errors::is_success);
    if let Some(answer) = &answer
        && answer.others
    {
        headers.insert("accept".into(), answer.media.clone().into());
    }
    let open = body(import, operation, &mut fields, &mut request, &mut headers);
    request.insert("path".into(), fields.path.clone().into());
    if !fields.parameters.is_empty() {
        request.insert("parameters".into(), fields.parameters.clone().into());
    }
    if !headers.is_empty() {
        request.insert("headers".into(), headers.into());
    }
    let mut made = Map::new();
    let summary = operation.text("summary").map(str::trim).filter(|summary| !summary.is_empty());
    let id = operation.text("operationId").filter(|id| !names::snake(id).is_empty());
    let title = match (summary, id) {
        (Some(summary), _) => names::cut(summary, 200).to_owned(),
        (None, Some(id)) => names::title(id),
        (None, None) => names::cut(&format!("{} {path}", method.to_ascii_uppercase()), 200).to_owned(),
    };
    made.insert("title".into(), title.into());
    let described = operation.text("description").or_else(|| item.text("description"));
    put_text(&mut made, "description", described, 10_000);
    if let Some(docs) = references::docs(operation.value) {
        made.insert("docs".into(), docs.into());
    }
    let mut input = json!({"type": "object", "additionalProperties": open, "properties": fields.properties});
    if !fields.required.is_empty() {
        input["required"] = fields.required.iter().cloned().collect();
    }
    made.insert("input".into(), input);
    if let Some(schema) = answer.and_then(|answer| answer.schema) {
        let output = import.schema(&schema, Side::Answer);
        made.insert("output".into(), output);
    }
    made.insert("request".into(), request.into());
    let made = Value::Object(made);
    import.spend(crate::schemas::weight_of(&made["description"]) + 200);
    (made, fields)
}

/// Says what is sent as the body; gives what fields beside the known ones may be.
fn body<'d>(
    import: &mut Import<'d>,
    operation: &Part<'d>,
    fields: &mut Fields,
    request: &mut Map<String, Value>,
    headers: &mut Map<String, Value>,
) -> Value {
    let closed = json!(false);
    let body = operation.get("requestBody").and_then(|body| import.follow(body));
    let content = body.as_ref().and_then(|body| body.get("content"));
    let medias: Vec<(&str, Part<'d>)> = content.iter().flat_map(Part::members).collect();
    let sent = medias.iter().map(|(name, media)| (sending(name), *name, media)).min_by_key(|(s, ..)| s.0);
    let (Some(body), Some(((_, encoding), name, media))) = (body, sent) else {
        request.insert("encoding".into(), "none".into());
        return closed;
    };
    let essence = essence(name);
    if encoding == "text" || (encoding == "json" && essence != "application/json") {
        let plain = essence.chars().all(|c| c.is_ascii_graphic() && !"{}*,;\"".contains(c));
        if plain && !essence.is_empty() {
            headers.insert("content-type".into(), essence.clone().into());
        }
    }
    request.insert("encoding".into(), encoding.into());
    let required = body.is("required");
    let schema = media.get("schema");
    if encoding != "text"
        && let Some(schema) = &schema
        && let Some(found) = flat(import, schema, 0)
        && found.fields.len() <= MAX_FIELDS
        && !found.fields.iter().any(|(name, _)| fields.taken.contains(name) || name.len() > 100)
    {
        for (name, property) in &found.fields {
            if import.is_only_for_the_other(property, Side::Request) {
                continue;
            }
            let schema = import.schema(property, Side::Request);
            fields.add(name, "body", found.required.contains(name), schema);
        }
        if encoding != "json" {
            styles(media, encoding, &found, request);
        }
        return match found.open {
            Some(open) => import.schema(&open, Side::Request),
            None => closed,
        };
    }
    let schema = match &schema {
        Some(schema) => import.schema(schema, Side::Request),
        None if encoding == "text" => json!({"type": "string"}),
        None => json!({}),
    };
    let mut schema = match schema {
        Value::Bool(_) => json!({}),
        schema => schema,
    };
    if encoding == "text"
        && let Some(kind) = schema.get("type")
        && kind != "string"
    {
        schema = json!({"type": "string"});
    }
    let words = schema.as_object_mut();
    if let (Some(words), Some(described)) = (words, body.text("description")) {
        put_text(words, "description", Some(described), 2000);
    }
    let field = fields.add("body", "sent", required, schema);
    request.insert("body".into(), field.into());
    closed
}

/// A media type without its parameters, in small letters.
fn essence(media: &str) -> String {
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// How a body of a media type is written, and how much it is preferred; the least first.
fn sending(media: &str) -> (usize, &'static str) {
    let media = essence(media);
    match media.as_str() {
        "application/json" => (0, "json"),
        _ if media.ends_with("+json") => (1, "json"),
        "application/x-www-form-urlencoded" => (3, "form"),
        "multipart/form-data" => (4, "multipart"),
        "*/*" | "application/*" => (2, "json"),
        _ if media.starts_with("text/") => (5, "text"),
        _ if media.starts_with("multipart/") => (7, "multipart"),
        _ => (6, "text"),
    }
}

/// How the fields of a form are written that are no plain texts.
fn styles(media: &Part<'_>, encoding: &str, found: &Flat<'_>, request: &mut Map<String, Value>) {
    let mut styles = Map::new();
    for (name, property) in &found.fields {
        let said = media.get("encoding").and_then(|encoding| encoding.get(name));
        let explode = said.as_ref().and_then(|said| said.value.get("explode")).and_then(Value::as_bool);
        let style = match said.as_ref().and_then(|said| said.text("style")) {
            Some("deepObject") => "brackets",
            Some("spaceDelimited") => "space",
            Some("pipeDelimited") => "pipe",
            Some(_) if explode == Some(false) => "comma",
            _ if said.as_ref().is_some_and(|said| {
                said.text("contentType").is_some_and(|media| essence(media) == "application/json")
            }) =>
            {
                "json"
            }
            // A list is its items under one name.
            _ if property.text("type") == Some("array") && encoding == "form" => "repeat",
            _ => continue,
        };
        styles.insert((*name).to_owned(), style.into());
    }
    if !styles.is_empty() {
        request.insert("styles".into(), styles.into());
    }
}

/// The fields of an object whose schema says no more than which fields it has.
#[derive(Default)]
struct Flat<'d> {
    fields: Vec<(&'d str, Part<'d>)>,
    required: BTreeSet<&'d str>,
    /// What further fields may be, where there may be any.
    open: Option<Part<'d>>,
}

/// `None` where a value is more than its fields: one of several forms, or no object.
fn flat<'d>(import: &mut Import<'d>, schema: &Part<'d>, depth: usize) -> Option<Flat<'d>> {
    if depth > MAX_PARTS_DEPTH || !import.spend(64) {
        return None;
    }
    if schema.value.get("$ref").is_some() {
        let target = import.follow(schema.clone())?;
        if let Some(all) = target.value.get("allOf") {
            // What is made of itself is told when it is written out.
            let own = format!("#{}", target.at);
            let itself = |part: &Value| part.get("$ref").and_then(Value::as_str) == Some(&own);
            if all.as_array().is_some_and(|all| all.iter().any(itself)) {
                return None;
            }
        }
        return flat(import, &target, depth + 1);
    }
    let object = schema.value.as_object()?;
    if object.get("type").is_some_and(|kind| kind != "object" && kind != &json!(["object"])) {
        return None;
    }
    let more = [
        "anyOf",
        "oneOf",
        "not",
        "if",
        "patternProperties",
        "propertyNames",
        "enum",
        "const",
        "dependentSchemas",
    ];
    if more.iter().any(|word| object.contains_key(*word)) {
        return None;
    }
    let mut out = Flat::default();
    match object.get("additionalProperties") {
        None | Some(Value::Bool(false)) => {}
        Some(_) => out.open = schema.get("additionalProperties"),
    }
    let properties = schema.get("properties");
    let parts = schema.get("allOf");
    if depth == 0 && properties.is_none() && parts.is_none() {
        return None;
    }
    for part in parts.iter().flat_map(Part::items) {
        let found = flat(import, &part, depth + 1)?;
        if out.fields.len() + found.fields.len() > MAX_FIELDS {
            return None;
        }
        for (name, property) in found.fields {
            out.fields.retain(|(known, _)| *known != name);
            out.fields.push((name, property));
        }
        out.required.extend(found.required);
        out.open = out.open.or(found.open);
    }
    for (name, property) in properties.iter().flat_map(Part::members).take(MAX_FIELDS + 1) {
        out.fields.retain(|(known, _)| *known != name);
        out.fields.push((name, property));
    }
    let required = object.get("required").and_then(Value::as_array).into_iter().flatten();
    out.required.extend(required.take(MAX_FIELDS).filter_map(Value::as_str));
    (depth > 0 || !out.fields.is_empty()).then_some(out)
}
