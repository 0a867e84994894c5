//! What must not get into a run's history: the values of headers that carry secrets by their names, and the addresses by which
//! waiting steps are answered.

use serde_json::Value;

const NAMES: [&str; 5] = ["authorization", "cookie", "proxy-authorization", "x-api-key", "set-cookie"];
const WORDS: [&str; 5] = ["token", "secret", "password", "api-key", "apikey"];

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Whether a header's value is a secret, going by the header's name.
pub fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || WORDS.iter().any(|word| name.contains(word))
}

/// The path of the addresses by which waiting steps are answered; whoever has one can answer.
const ADDRESS: &str = "/hooks/callbacks/";

/// Takes the tokens out of all such addresses in a value.
pub fn hide_addresses(value: &mut Value) {
    match value {
        Value::String(text) => {
            if text.contains(ADDRESS) {
                *text = without_addresses(text);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_addresses),
        Value::Object(fields) => fields.values_mut().for_each(hide_addresses),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The same of a text.
pub fn without_addresses(text: &str) -> String {
    let mut parts = text.split(ADDRESS);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let of_token = |c: char| c.is_ascii_alphanumeric() || "~_.()%".contains(c);
        out.push_str(ADDRESS);
        out.push_str(REDACTED);
        out.push_str(part.trim_start_matches(of_token));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tokens_of_addresses_are_taken_out_wherever_they_stand() {
        let mut value = serde_json::json!({"a": ["go to https://x/hooks/callbacks/0ab~1c~2d~each(3).ok, please"], "b": 1});
        hide_addresses(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"a": ["go to https://x/hooks/callbacks/[redacted], please"], "b": 1})
        );
        assert_eq!(without_addresses("nothing here"), "nothing here");
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in ["Authorization", "X-Gitlab-Token", "x-api-key", "X-Auth-Secret", "Cookie", "ApiKey"] {
            assert!(is_secret_header(name), "{name}");
        }
        for name in
            ["content-type", "webhook-id", "stripe-signature", "x-hub-signature-256", "idempotency-key"]
        {
            assert!(!is_secret_header(name), "{name}");
        }
    }
}
