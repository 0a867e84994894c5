//! Whether a condition holds, as JSONata's `$boolean` has it.

use serde_json::Value;

/// False for nothing, `false`, 0, empty texts, empty objects, and lists without a true member.
pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Array(items) => items.iter().any(truthy),
        Value::Object(o) => !o.is_empty(),
    }
}
