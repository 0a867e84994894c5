//! The filter of an event source mapping, as far as ours go: equal texts, beginnings, and whether something is there.

use serde_json::Value;

/// The patterns of the function that counts.
pub(crate) fn patterns() -> Vec<Value> {
    serde_json::from_str(stream::FILTERS).expect("the patterns are JSON: a test reads them")
}

/// Whether one of the patterns matches.
pub(crate) fn lets_through(patterns: &[Value], record: &Value) -> bool {
    patterns.iter().any(|pattern| matches(pattern, Some(record)))
}

fn matches(pattern: &Value, found: Option<&Value>) -> bool {
    match pattern {
        Value::Object(fields) => {
            fields.iter().all(|(name, wanted)| matches(wanted, found.and_then(|f| f.get(name))))
        }
        Value::Array(choices) => choices.iter().any(|choice| fits(choice, found)),
        _ => false,
    }
}

fn fits(choice: &Value, found: Option<&Value>) -> bool {
    match (choice["exists"].as_bool(), choice["prefix"].as_str()) {
        (Some(there), _) => there == found.is_some(),
        (None, Some(prefix)) => found.and_then(Value::as_str).is_some_and(|text| text.starts_with(prefix)),
        (None, None) => found == Some(choice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn starts_ends_and_outcomes_are_let_through_and_nothing_else() {
        let record = |name: &str, sk: &str, old: Value, new: Value| json!({"eventName": name, "dynamodb": {"Keys": {"sk": {"S": sk}}, "OldImage": old, "NewImage": new}});
        let status = |st: &str| json!({"st": {"S": st}});
        let outcome = json!({"e": {"B": "AA=="}});
        let patterns = patterns();
        for (record, passes) in [
            (record("INSERT", "h", Value::Null, status("queued")), true),
            (record("INSERT", "i", Value::Null, json!({})), true),
            (record("MODIFY", "h", status("queued"), status("running")), false),
            (record("MODIFY", "h", status("running"), status("failed")), true),
            (record("MODIFY", "h", status("failed"), status("failed")), false),
            (record("REMOVE", "h", status("failed"), Value::Null), false),
            (record("INSERT", "j#a#1", Value::Null, json!({"fe": {"N": "1"}})), false),
            (record("MODIFY", "j#a#1", json!({"fe": {"N": "1"}}), outcome.clone()), true),
            (record("INSERT", "l#each.0|a#1", Value::Null, outcome.clone()), true),
            (record("REMOVE", "j#a#1", outcome.clone(), Value::Null), false),
            (record("INSERT", "m#a", Value::Null, outcome), false),
        ] {
            assert_eq!(lets_through(&patterns, &record), passes, "{record}");
        }
    }
}
