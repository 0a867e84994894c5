//! Examples: put together from those of single fields, and told apart by the names of fields where those have none.

use serde_json::{Map, Value, json};

/// A workflow definition.
pub(super) fn definition() -> Value {
    json!({
        "name": "Greet", "triggers": [{"id": "by_hand", "type": "manual"}],
        "steps": [{"id": "greeting", "type": "map", "output": {"text": "{{ 'Hello, ' & trigger.input.name }}"}}],
    })
}

/// A refusal with the first code that a response's description names.
pub(super) fn problem(status: u16, description: &str) -> Value {
    // Between backquotes are also routes and fields.
    let code = description.split('`').find(|text| is_code(text));
    let code = code.unwrap_or(match status {
        404 => "route_not_found",
        422 => "invalid_body",
        _ => "unavailable",
    });
    let problem = domain::Problem::new(status, code, "what happened, and what to do");
    serde_json::to_value(problem).unwrap_or_default()
}

fn is_code(text: &str) -> bool {
    text.contains('_') && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// A value that fits a schema; `name` is that of the field.
pub(super) fn of(schema: &Value, components: &Value, name: &str) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.trim_start_matches("#/components/schemas/");
        return of(&components["schemas"][target], components, name);
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|all| all.first()) {
        return first.clone();
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            whole.extend(of(part, components, name).as_object().cloned().unwrap_or_default());
        }
        return whole.into();
    }
    if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        let some = choices.iter().find(|choice| choice["type"] != "null");
        return some.map_or(Value::Null, |choice| of(choice, components, name));
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
        }
        kind => kind.as_str().unwrap_or_default(),
    };
    match kind {
        "object" => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields.map(|(name, field)| (name.clone(), of(field, components, name))).collect()
        }
        "array" => json!([of(&schema["items"], components, name)]),
        "string" => text(name).into(),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        "boolean" => true.into(),
        _ => Value::Null,
    }
}

fn text(name: &str) -> &'static str {
    match name {
        _ if name.ends_with("_at") => "2026-03-01T12:00:00.000Z",
        "id" | "workflow" => "wf_7zq2m4w8k1x5c9v3b6n0p2r4t8",
        "organization" => "org_7zq2m4w8k1x5c9v3b6n0p2r4t8",
        "user" | "actor" | "holder" => "usr_7zq2m4w8k1x5c9v3b6n0p2r4t8",
        "run" | "origin" => "run_7zq2m4w8k1x5c9v3b6n0p2r4t8",
        "url" => "https://patchbay.example.com/…",
        "status" => "succeeded",
        "pointer" => "/steps/0",
        "access_token" => "eyJ…",
        "next_cursor" | "cursor" => "d2Zf….Zm9v",
        _ => "some text",
    }
}
