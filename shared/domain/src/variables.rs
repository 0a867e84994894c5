//! Variables of an organisation: what `vars` reads in expressions, for each environment its own.

use crate::{Millis, limits};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The environment of workflows that name none.
pub const DEFAULT_ENVIRONMENT: &str = "production";

/// An environment's variables as they were at one time. They never change: each change makes the next revision, and a run reads
/// those of its start, however often a step of it is computed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Variables {
    #[serde(rename = "v")]
    pub values: BTreeMap<String, Variable>,
}

/// One of them.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    #[serde(flatten)]
    pub held: Held,
    #[serde(rename = "at")]
    pub changed_at: Millis,
    /// Who changed it last, by name.
    #[serde(rename = "by")]
    pub changed_by: String,
}

/// What a variable holds.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum Held {
    #[serde(rename = "p")]
    Plain(Value),
    /// A text that only the vault opens.
    #[serde(rename = "s")]
    Secret(String),
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(…)",
            Self::Secret(_) => "Secret(…)",
        })
    }
}

impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variable").field("changed_at", &self.changed_at).finish_non_exhaustive()
    }
}

impl Variables {
    /// What expressions read: all that is no secret.
    pub fn plain(&self) -> Value {
        let plain = self.values.iter().filter_map(|(name, variable)| match &variable.held {
            Held::Plain(value) => Some((name.clone(), value.clone())),
            Held::Secret(_) => None,
        });
        Value::Object(plain.collect())
    }

    /// The sealed text of a secret variable.
    pub fn secret(&self, name: &str) -> Option<&str> {
        match &self.values.get(name)?.held {
            Held::Secret(sealed) => Some(sealed),
            Held::Plain(_) => None,
        }
    }
}

/// Whether a variable may be called so: `api_base`, as an expression names it without quotes.
pub fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first
        && text.len() <= limits::MAX_VARIABLE_NAME
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether an environment may be called so: `staging`, `eu-west`.
pub fn is_environment(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    first
        && text.len() <= limits::MAX_ENVIRONMENT_NAME
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

/// What a secret is sealed for: it opens in no other place.
pub fn sealed_for(environment: &str, name: &str) -> String {
    format!("variable/{environment}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_expressions_and_addresses_can_say() {
        assert!(["a", "_x", "API_base2", &"x".repeat(64)].into_iter().all(is_name));
        assert!(!["", "2a", "a-b", "a b", "ü", &"x".repeat(65)].into_iter().any(is_name));
        assert!(["production", "eu-west_1"].into_iter().all(is_environment));
        assert!(!["", "Production", "1a", "a/b", &"x".repeat(41)].into_iter().any(is_environment));
    }

    #[test]
    fn what_is_stored_is_read_and_told_without_secrets() {
        let of = |held| Variable { held, changed_at: Millis(1), changed_by: "ada".to_owned() };
        let all = Variables {
            values: BTreeMap::from([
                ("n".to_owned(), of(Held::Plain(serde_json::json!([1, {"a": null}])))),
                ("key".to_owned(), of(Held::Secret("sealed".to_owned()))),
            ]),
        };
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Variables>(&text).unwrap(), all);
        assert_eq!(all.plain(), serde_json::json!({"n": [1, {"a": null}]}));
        assert_eq!((all.secret("key"), all.secret("n"), all.secret("x")), (Some("sealed"), None, None));
        assert!(!format!("{all:?}").contains("sealed"));
    }
}
