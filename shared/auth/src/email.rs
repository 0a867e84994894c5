//! An e-mail address as the name of an account.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longer ones cannot be delivered to (RFC 5321).
const MAX_BYTES: usize = 254;
const MAX_LOCAL_BYTES: usize = 64;
const MAX_LABEL_BYTES: usize = 63;

/// An e-mail address: trimmed, in lower case, ASCII.
///
/// Narrower than the standards on purpose, since two spellings of one mailbox must not become two accounts:
/// no quotes, comments or address literals. International domains are accepted in their `xn--` form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// Why a text is not an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{given}` is not an e-mail address")]
pub struct InvalidEmail {
    given: String,
}

impl InvalidEmail {
    #[expect(clippy::unused_self, reason = "codes are asked of values, as of every other error")]
    pub fn code(&self) -> &'static str {
        "email_invalid"
    }
}

impl Email {
    /// Reads an address as a person typed it.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let email = text.trim().to_ascii_lowercase();
        let valid = email.len() <= MAX_BYTES
            && email.split_once('@').is_some_and(|(local, domain)| is_local(local) && is_domain(domain));
        if valid {
            Ok(Self(email))
        } else {
            Err(InvalidEmail { given: text.trim().chars().take(MAX_BYTES).collect() })
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local(local: &str) -> bool {
    local.len() <= MAX_LOCAL_BYTES
        && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte))
}

/// RFC 5322 `atext`.
fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn is_domain(domain: &str) -> bool {
    let top = domain.rsplit('.').next().unwrap_or_default();
    domain.contains('.') && domain.split('.').all(is_label) && !top.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Email {
    type Error = InvalidEmail;

    fn try_from(text: String) -> Result<Self, InvalidEmail> {
        Self::parse(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_trimmed_and_lower_cased() {
        for (given, read) in [
            ("ada@example.com", "ada@example.com"),
            ("  Ada.Lovelace@Example.COM \n", "ada.lovelace@example.com"),
            ("a+tag@mail.example.co.uk", "a+tag@mail.example.co.uk"),
            ("o'brien_1@xn--bcher-kva.example", "o'brien_1@xn--bcher-kva.example"),
            ("1@2.io", "1@2.io"),
        ] {
            assert_eq!(Email::parse(given).unwrap().as_str(), read);
        }
        let long = format!("{}@example.com", "a".repeat(64));
        assert!(Email::parse(&long).is_ok());
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for given in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@example",
            "ada@@example.com",
            "ada@b@example.com",
            "ada@example.com.",
            "ada@.example.com",
            "ada@example..com",
            "ada@-example.com",
            "ada@example-.com",
            "ada@exam_ple.com",
            "ada@127.0.0.1",
            "ada@[127.0.0.1]",
            ".ada@example.com",
            "ada.@example.com",
            "a..da@example.com",
            "\"ada\"@example.com",
            "ada lovelace@example.com",
            "ada@exam ple.com",
            "ada@example.com\r\nbcc: x@example.com",
            "ada,bob@example.com",
            "Ada <ada@example.com>",
            "adä@example.com",
            "ada@exämple.com",
            "аda@example.com", // a Cyrillic letter that looks Latin
            "ada@example.com\0",
        ] {
            assert!(Email::parse(given).is_err(), "{given:?}");
        }
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(65))).is_err());
        assert!(Email::parse(&format!("a@{}.com", "b".repeat(64))).is_err());
        assert!(Email::parse(&format!("a@{}com", "b.".repeat(126))).is_err());
    }

    #[test]
    fn stored_addresses_are_read_by_the_same_rules() {
        assert_eq!(serde_json::from_str::<Email>("\"ADA@example.com\"").unwrap().as_str(), "ada@example.com");
        assert!(serde_json::from_str::<Email>("\"ada\"").is_err());
        let email = Email::parse("ada@example.com").unwrap();
        assert_eq!(serde_json::to_string(&email).unwrap(), "\"ada@example.com\"");
    }
}
