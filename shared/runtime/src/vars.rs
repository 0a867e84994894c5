//! The environment, read once.

use std::collections::HashMap;
use std::str::FromStr;

/// A variable that a function cannot start without, or cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MissingVariable {
    #[error("the environment variable `{0}` is not set; the template sets it")]
    Missing(&'static str),
    #[error("the environment variable `{name}` has the value `{value}`, which is not {needed}")]
    Unreadable { name: &'static str, value: String, needed: &'static str },
}

/// The variables of a process.
#[derive(Debug, Clone, Default)]
pub struct Vars(HashMap<String, String>);

impl Vars {
    /// Those of this process. Called by `main.rs` and nobody else.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    pub fn of_process() -> Self {
        Self(std::env::vars().collect())
    }

    pub fn optional(&self, name: &'static str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    pub fn required(&self, name: &'static str) -> Result<&str, MissingVariable> {
        self.optional(name).ok_or(MissingVariable::Missing(name))
    }

    /// A number or the like, with a default.
    pub fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        default: T,
        needed: &'static str,
    ) -> Result<T, MissingVariable> {
        match self.optional(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| MissingVariable::Unreadable {
                name,
                value: value.to_owned(),
                needed,
            }),
        }
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Vars {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }
}
