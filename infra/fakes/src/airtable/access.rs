//! Who asks: personal access tokens and OAuth tokens, their scopes and the bases that they reach.

use super::model::Person;
use super::refusal::Refusal;
use jiff::Timestamp;
use serde::Deserialize;

/// A token and what it may.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Token {
    #[serde(rename = "token")]
    pub(crate) secret: String,
    pub(crate) scopes: Vec<String>,
    /// The bases that it reaches; all, if none is named.
    #[serde(default)]
    pub(crate) bases: Vec<String>,
    #[serde(default = "creator")]
    pub(crate) permission: Permission,
    pub(crate) user: Option<Person>,
    /// OAuth tokens expire, and `whoami` tells their scopes.
    #[serde(default)]
    pub(crate) oauth: bool,
    #[serde(default)]
    pub(crate) expires: Option<Timestamp>,
}

fn creator() -> Permission {
    Permission::Create
}

/// What a user may in a base; each may what the ones before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Permission {
    None,
    Read,
    Comment,
    Edit,
    Create,
}

/// A request whose token was found.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) token: Token,
}

impl Caller {
    /// Who the user is. A token for whom nobody was named belongs to the fake's own user.
    pub(crate) fn user(&self) -> Person {
        self.token.user.clone().unwrap_or_else(|| Person {
            id: "usrPatchbayFake01".into(),
            email: "ada@example.com".into(),
            name: "Ada Lovelace".into(),
        })
    }

    pub(crate) fn has(&self, scope: &str) -> bool {
        self.token.scopes.iter().any(|held| held == scope)
    }

    /// Refuses a token without the scope.
    pub(crate) fn needs(&self, scope: &str) -> Result<(), Refusal> {
        if self.has(scope) { Ok(()) } else { Err(Refusal::no_access()) }
    }

    pub(crate) fn reaches(&self, base: &str) -> bool {
        self.token.permission > Permission::None
            && (self.token.bases.is_empty() || self.token.bases.iter().any(|held| held == base))
    }

    pub(crate) fn may(&self, permission: Permission) -> bool {
        self.token.permission >= permission
    }
}

/// The caller of a token.
pub(crate) fn caller(tokens: &[Token], bearer: Option<&str>, now: Timestamp) -> Result<Caller, Refusal> {
    let bearer = bearer.ok_or_else(Refusal::unauthenticated)?;
    tokens
        .iter()
        .find(|token| token.secret == bearer && token.expires.is_none_or(|expires| now < expires))
        .map(|token| Caller { token: token.clone() })
        .ok_or_else(Refusal::unauthenticated)
}
