//! Which headers carry secrets, by their names: their values do not get into a run's history.

const NAMES: [&str; 5] = ["authorization", "cookie", "proxy-authorization", "x-api-key", "set-cookie"];
const WORDS: [&str; 5] = ["token", "secret", "password", "api-key", "apikey"];

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Whether a header's value is a secret, going by the header's name.
pub fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

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
