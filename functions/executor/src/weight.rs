//! About how many bytes a value takes as JSON, without writing it.

use domain::run::{Entry, Mark};
use serde_json::Value;

pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 12,
        Value::String(s) => s.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|v| weight(v) + 1).sum::<usize>(),
        Value::Object(o) => 2 + o.iter().map(|(k, v)| k.len() + 4 + weight(v)).sum::<usize>(),
    }
}

pub(crate) fn entry_weight(entry: &Entry) -> usize {
    let mark = match &entry.mark {
        Mark::Succeeded(output) | Mark::Stopped { output, .. } | Mark::Started { output, .. } => {
            weight(output)
        }
        Mark::Failed(error) | Mark::Retrying { error, .. } => {
            error.message.len() + error.details.as_ref().map_or(0, weight) + 64
        }
        Mark::Took(_)
        | Mark::Spilled(_)
        | Mark::Waiting { .. }
        | Mark::Awaiting { .. }
        | Mark::Forked { .. }
        | Mark::Filtered(_) => 24,
    };
    80 + entry.path.len() + entry.input.as_ref().map_or(0, weight) + mark
}
