//! How deep a value may nest.

use serde_json::Value;

/// JSON readers stop at 128 levels, and what is stored or sent nests some more around a value.
const DEEPEST: usize = 100;

/// Whether a value could be written but, once it is in a journal or a message, not be read again.
pub fn nests_too_deep(value: &Value) -> bool {
    deeper(value, DEEPEST)
}

fn deeper(value: &Value, left: usize) -> bool {
    match value {
        Value::Array(items) => left == 0 || items.iter().any(|v| deeper(v, left - 1)),
        Value::Object(o) => left == 0 || o.values().any(|v| deeper(v, left - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nests_a_hundred_levels_is_taken_and_what_nests_more_is_not() {
        let nested = |levels: usize| (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert!(!nests_too_deep(&nested(100)));
        assert!(nests_too_deep(&nested(101)));
    }
}
