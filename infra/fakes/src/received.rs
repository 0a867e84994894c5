//! What a fake was asked, for tests and people to look at. Credentials are not kept.

use crate::call::Call;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use url::form_urlencoded;

/// So many requests are kept; older ones are forgotten.
const KEPT: usize = 1_000;
/// Of longer bodies only the length is kept.
const LONGEST_BODY: usize = 64 * 1024;
const LONGEST_HEADER: usize = 1_024;

/// Headers, fields and parameters that carry credentials; also whatever has one of [`SECRET_PARTS`] in its name.
const SECRETS: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "code",
    "code_verifier",
    "assertion",
    "key",
    "api_key",
];
const SECRET_PARTS: [&str; 5] = ["token", "secret", "password", "api-key", "apikey"];
/// Names that look like it and are none.
const NOT_SECRET: [&str; 6] = [
    "max_tokens",
    "pagetoken",
    "max_output_tokens",
    "max_completion_tokens",
    "newstartpagetoken",
    "totaltokens",
];

/// A request that arrived, and how it was answered.
#[derive(Debug, Clone, Serialize)]
pub struct Request {
    /// Counts from one; never used twice, also over a reset.
    pub number: u64,
    pub at: String,
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
    /// The fault that met it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// What was answered; nothing, where the connection was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// The requests of a fake.
#[derive(Debug, Default)]
pub struct Received {
    state: Mutex<(u64, VecDeque<Request>)>,
}

impl Received {
    /// Keeps a request before it is answered, and gives its number.
    pub fn arrived(&self, call: &Call, fault: Option<String>) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        let number = state.0;
        if state.1.len() == KEPT {
            state.1.pop_front();
        }
        state.1.push_back(Request {
            number,
            at: call.now.to_string(),
            method: call.method.to_string(),
            path: call.path.clone(),
            query: masked_pairs(call.query_pairs()),
            headers: headers(call),
            body: body(call),
            fault,
            status: None,
        });
        number
    }

    /// Adds what was answered.
    pub fn answered(&self, number: u64, status: u16) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(request) = state.1.iter_mut().rev().find(|request| request.number == number) {
            request.status = Some(status);
        }
    }

    /// All that are kept, oldest first.
    pub fn all(&self) -> Vec<Request> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.iter().cloned().collect()
    }

    pub fn reset(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.clear();
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETS.contains(&name.as_str())
        || (SECRET_PARTS.iter().any(|part| name.contains(part)) && !NOT_SECRET.contains(&name.as_str()))
}

fn masked(value: &str) -> String {
    format!("({} characters)", value.chars().count())
}

fn masked_pairs(pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    let mask = |(name, value): (String, String)| {
        let value = if is_secret(&name) { masked(&value) } else { value };
        (name, value)
    };
    pairs.into_iter().map(mask).collect()
}

fn headers(call: &Call) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for (name, value) in &call.headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        let text = if is_secret(name.as_str()) {
            // The scheme is worth seeing, and no secret.
            match text.split_once(' ') {
                Some((scheme, rest)) if name == "authorization" => {
                    format!("{scheme} {}", masked(rest.trim()))
                }
                _ => masked(&text),
            }
        } else {
            text.chars().take(LONGEST_HEADER).collect()
        };
        kept.insert(name.to_string(), text);
    }
    kept
}

fn body(call: &Call) -> Value {
    let unread = || json!({ "bytes": call.body.len() });
    if call.body.is_empty() {
        return Value::Null;
    }
    if call.body.len() > LONGEST_BODY {
        return unread();
    }
    if let Ok(mut value) = call.json() {
        // A text or a number names nothing that could be judged.
        if !value.is_object() && !value.is_array() {
            return unread();
        }
        mask_value(&mut value);
        return value;
    }
    if call.content_type() == "application/x-www-form-urlencoded" {
        let pairs: Vec<_> = form_urlencoded::parse(&call.body).into_owned().collect();
        return json!({ "form": masked_pairs(pairs) });
    }
    unread()
}

fn mask_value(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::String(text) if is_secret(name) => *text = masked(text),
                    _ => mask_value(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_value),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use jiff::Timestamp;

    fn call(content_type: &str, body: &'static str) -> Call {
        let request = http::Request::builder()
            .method("POST")
            .uri("/x?access_token=SECRET&limit=2")
            .header("authorization", "Bearer SECRET")
            .header("cookie", "SECRET")
            .header("x-api-key", "SECRET")
            .header("content-type", content_type)
            .body(())
            .unwrap();
        Call::new(&request.into_parts().0, Bytes::from_static(body.as_bytes()), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn no_credential_is_kept() {
        let received = Received::default();
        let json = r#"{"a": [{"client_secret": "SECRET", "max_tokens": 5}], "refresh_token": "SECRET", "text": "hello"}"#;
        received.arrived(&call("application/json", json), None);
        received.arrived(&call("application/x-www-form-urlencoded", "code=SECRET&text=hello"), None);
        received.arrived(&call("multipart/form-data; boundary=x", "--x SECRET"), None);
        let text = serde_json::to_string(&received.all()).unwrap();
        assert!(!text.contains("SECRET"), "{text}");
        assert_eq!(text.matches("hello").count(), 2);
        assert!(text.contains("Bearer (6 characters)"));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let received = Received::default();
        for _ in 0..=KEPT {
            let number = received.arrived(&Call::for_test("GET", "/"), None);
            received.answered(number, 204);
        }
        let all = received.all();
        assert_eq!((all.len(), all[0].number, all[0].status), (KEPT, 2, Some(204)));
        received.reset();
        assert_eq!(received.arrived(&Call::for_test("GET", "/"), None), KEPT as u64 + 2);
    }
}
