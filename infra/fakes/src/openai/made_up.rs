//! Answers that are made up: always the same for the same question, and as their schema wants them.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(6).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// A vector of length one, the same for the same text.
pub(super) fn embedding(text: &str, size: usize) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(size);
    let mut block = 0_u32;
    while numbers.len() < size {
        let hash = Sha256::digest(format!("{block} {text}"));
        numbers.extend(hash.iter().map(|byte| f32::from(*byte) - 127.5));
        block += 1;
    }
    numbers.truncate(size);
    let length = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
    for number in &mut numbers {
        *number /= length;
    }
    numbers
}

pub(super) fn strict(schema: &Value) -> Result<(), String> {
    match schema {
        Value::Object(map) => {
            if let Some(properties) = map.get("properties").and_then(Value::as_object) {
                if map.get("additionalProperties") != Some(&Value::Bool(false)) {
                    return Err(
                        "'additionalProperties' is required to be supplied and to be false.".to_owned()
                    );
                }
                let required = map.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
                if let Some(name) = properties.keys().find(|name| !required.contains(&json!(name))) {
                    return Err(format!(
                        "'required' is required to be supplied and to be an array including every key in properties. Missing '{name}'."
                    ));
                }
                properties.values().try_for_each(strict)?;
            }
            map.iter().filter(|(name, _)| *name != "properties").try_for_each(|(_, value)| strict(value))
        }
        Value::Array(items) => items.iter().try_for_each(strict),
        _ => Ok(()),
    }
}

/// The first value that comes to mind that obeys the schema.
pub(super) fn instance(schema: &Value, root: &Value, depth: u32) -> Value {
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        return if depth > 16 { Value::Null } else { instance(target, root, depth + 1) };
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        // Deep down whatever ends, so that a schema that names itself comes to an end.
        let null = choices.iter().find(|choice| choice["type"] == "null");
        let choice = if depth > 4 { null.or(choices.first()) } else { choices.first() };
        return choice.map_or(Value::Null, |choice| instance(choice, root, depth + 1));
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind.or_else(|| schema.get("properties").map(|_| "object")) {
        Some("object") => {
            let required = schema["required"].as_array();
            let mut map = Map::new();
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                if required.is_none_or(|required| required.contains(&json!(name))) {
                    map.insert(name.clone(), instance(property, root, depth + 1));
                }
            }
            map.into()
        }
        Some("array") => {
            let usual = u64::from(depth <= 4);
            let count = schema["minItems"]
                .as_u64()
                .unwrap_or(usual)
                .max(usual.min(schema["maxItems"].as_u64().unwrap_or(1)));
            (0..count).map(|_| instance(&schema["items"], root, depth + 1)).collect()
        }
        Some("integer") => whole(schema).into(),
        Some("number") => {
            let least =
                schema["minimum"].as_f64().or_else(|| schema["exclusiveMinimum"].as_f64().map(|n| n + 0.5));
            let most = schema["maximum"].as_f64();
            json!(least.unwrap_or_else(|| most.map_or(1.5, |most| most.min(1.5))))
        }
        Some("boolean") => true.into(),
        Some("null") => Value::Null,
        _ => word(schema).into(),
    }
}

fn whole(schema: &Value) -> i64 {
    let least = schema["minimum"].as_i64().or_else(|| schema["exclusiveMinimum"].as_i64().map(|n| n + 1));
    let most = schema["maximum"].as_i64().or_else(|| schema["exclusiveMaximum"].as_i64().map(|n| n - 1));
    let step = schema["multipleOf"].as_i64().unwrap_or(1).max(1);
    let from = least.unwrap_or_else(|| most.map_or(1, |most| most.min(1)));
    from + (step - from.rem_euclid(step)) % step
}

fn word(schema: &Value) -> String {
    match schema["format"].as_str() {
        Some("date-time") => return "2026-01-01T00:00:00Z".to_owned(),
        Some("date") => return "2026-01-01".to_owned(),
        Some("time") => return "00:00:00Z".to_owned(),
        Some("email") => return "somebody@example.com".to_owned(),
        Some("uuid") => return "00000000-0000-4000-8000-000000000001".to_owned(),
        Some("uri") => return "https://example.com/".to_owned(),
        _ => {}
    }
    let least = schema["minLength"].as_u64().unwrap_or(0) as usize;
    let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX) as usize;
    "answer ".chars().cycle().take(least.max(6).min(most)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_obeys_its_schema() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["kind", "count", "items", "next"],
            "properties": {
                "kind": { "enum": ["b", "a"] }, "count": { "type": "integer", "minimum": 3, "multipleOf": 2 },
                "items": { "type": "array", "minItems": 2, "items": { "type": ["string", "null"], "minLength": 9 } },
                "next": { "anyOf": [{ "$ref": "#" }, { "type": "null" }] }
            }
        });
        strict(&schema).unwrap();
        let value = instance(&schema, &schema, 0);
        assert_eq!((&value["kind"], &value["count"]), (&json!("b"), &json!(4)));
        assert_eq!(value["items"], json!(["answer an", "answer an"]));
        assert_eq!(value["next"]["kind"], "b");
        assert!(value.to_string().ends_with("null}}}}") || value.to_string().contains("\"next\":null"));
        assert!(strict(&json!({ "properties": { "a": {} }, "additionalProperties": false })).is_err());
    }

    #[test]
    fn an_embedding_has_length_one_and_stays_the_same() {
        let vector = embedding("x", 100);
        assert!((vector.iter().map(|n| n * n).sum::<f32>() - 1.0).abs() < 1e-3);
        assert_eq!(vector, embedding("x", 100));
        assert_ne!(vector, embedding("y", 100));
    }
}
