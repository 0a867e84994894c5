//! Pieces of definitions that many tests use.

use serde_json::{Value, json};

/// A workflow that a webhook starts.
pub fn webhook(name: &str, steps: Value) -> Value {
    json!({"name": name, "triggers": [{"id": "in", "type": "webhook"}], "steps": steps})
}

/// A workflow that is started by hand.
pub fn manual(name: &str, steps: Value) -> Value {
    json!({"name": name, "triggers": [{"id": "by_hand", "type": "manual"}], "steps": steps})
}

/// A step that reads `url`.
pub fn http_get(id: &str, url: &str) -> Value {
    json!({"id": id, "type": "action", "use": "http.request", "input": {"url": url}, "retry": {"max_attempts": 1}})
}

/// A step that posts `body` to `url`.
pub fn http_post(id: &str, url: &str, body: Value) -> Value {
    let input = json!({"method": "POST", "url": url, "body": body});
    json!({"id": id, "type": "action", "use": "http.request", "input": input, "retry": {"max_attempts": 1}})
}
