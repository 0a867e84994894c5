//! The parts that schemas are made of.

use crate::duration as iso;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// One field of an object.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) schema: Value,
}

fn field(name: &'static str, required: bool, mut schema: Value, description: &str, example: Value) -> Field {
    schema["description"] = description.into();
    schema["examples"] = json!([example]);
    Field { name, required, schema }
}

pub(super) fn required(name: &'static str, schema: Value, description: &str, example: Value) -> Field {
    field(name, true, schema, description, example)
}

pub(super) fn optional(name: &'static str, schema: Value, description: &str, example: Value) -> Field {
    field(name, false, schema, description, example)
}

/// An object with these fields and no others.
pub(super) fn object(fields: &[Field]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), field.schema.clone())).collect();
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// One of some definitions, told apart by their `type`: editors then complain about the one that is meant.
pub(super) fn any_of_types(definitions: &[String], description: &str) -> Value {
    let types: Vec<&str> =
        definitions.iter().filter_map(|name| name.split_once('_').map(|(_, of)| of)).collect();
    let cases: Vec<Value> = definitions
        .iter()
        .zip(&types)
        .map(|(name, of)| {
            json!({"if": {"properties": {"type": {"const": of}}, "required": ["type"]}, "then": {"$ref": format!("#/$defs/{name}")}})
        })
        .collect();
    json!({
        "type": "object",
        "description": description,
        "required": ["id", "type"],
        "properties": {"type": {"enum": types}},
        "allOf": cases,
    })
}

pub(super) fn id() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$"})
}

pub(super) fn text(min: usize, max: usize) -> Value {
    json!({"type": "string", "minLength": min, "maxLength": max})
}

pub(super) fn boolean(default: bool) -> Value {
    json!({"type": "boolean", "default": default})
}

pub(super) fn integer(min: u64, max: u64, default: u64) -> Value {
    json!({"type": "integer", "minimum": min, "maximum": max, "default": default})
}

pub(super) fn choice(names: &[&str], default: Option<&str>) -> Value {
    let mut schema = json!({"enum": names});
    if let Some(default) = default {
        schema["default"] = default.into();
    }
    schema
}

/// An ISO 8601 duration of weeks, days, hours, minutes and seconds. Its bounds are in words: JSON Schema cannot compare them.
pub(super) fn duration(min: Duration, max: Duration, default: Option<Duration>) -> Value {
    let mut schema = json!({
        "type": "string",
        "pattern": "^P(?!$)([0-9.]+W)?([0-9.]+D)?(T(?!$)([0-9.]+H)?([0-9.]+M)?([0-9.]+S)?)?$",
        "$comment": format!("from {} to {}", iso::format(min), iso::format(max)),
    });
    if let Some(default) = default {
        schema["default"] = iso::format(default).into();
    }
    schema
}

pub(super) fn list_of(items: Value, min: usize, max: usize) -> Value {
    json!({"type": "array", "items": items, "minItems": min, "maxItems": max})
}

/// Any JSON, in whose texts expressions may stand.
pub(super) fn template() -> Value {
    json!({"$comment": "any JSON; texts may hold expressions"})
}

/// A condition: an expression, or a value that holds or not.
pub(super) fn condition() -> Value {
    json!({"$comment": "an expression such as `{{ trigger.body.score > 80 }}`, or a value"})
}

/// A text that may hold expressions.
pub(super) fn text_template() -> Value {
    json!({"type": "string", "$comment": "may hold expressions"})
}

/// An object, or an expression that gives one.
pub(super) fn object_template() -> Value {
    json!({"type": ["object", "string"], "$comment": "texts may hold expressions"})
}
