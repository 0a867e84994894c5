//! What the deployer says about the provider.

use domain::OrgId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;
use url::Url;

/// The provider by which people sign in, and what they are here.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// What people read on the button.
    pub name: String,
    /// As the provider names itself in its tokens, to the letter: `https://login.example.com`.
    pub issuer: String,
    pub client_id: String,
    /// None of a public client, which has PKCE only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Asked for beside `openid email profile`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whether an e-mail address counts only if the provider says that it verified it. Some verify all and never say so.
    #[serde(default = "yes")]
    pub verified_email_only: bool,
    /// The claim that rules look at.
    #[serde(default = "groups")]
    pub claim: String,
    /// Who becomes a member of what, as what.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// Whoever has `value` in the claim is a member of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `*` is everybody who signs in by the provider.
    pub value: String,
    pub organization: OrgId,
    pub role: String,
}

/// What cannot be a provider.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{field}` {fault}")]
pub struct InvalidProvider {
    pub field: &'static str,
    pub fault: &'static str,
}

const MAX_RULES: usize = 200;
const MAX_SCOPES: usize = 20;

fn yes() -> bool {
    true
}

fn groups() -> String {
    "groups".to_owned()
}

impl Provider {
    /// Whether all of it could be; whether there is such a provider is not asked.
    pub fn check(&self) -> Result<(), InvalidProvider> {
        let fault = |field, fault| Err(InvalidProvider { field, fault });
        let line = |text: &str, most: usize| {
            !text.trim().is_empty() && text.len() <= most && !text.chars().any(char::is_control)
        };
        if !line(&self.name, 100) {
            return fault("name", "has 1 to 100 characters, and is one line");
        }
        match Url::parse(&self.issuer) {
            Ok(url) if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() => {
                return fault("issuer", "has no query, fragment or user");
            }
            // That of plain HTTP, `egress` reaches only on this machine, where it is allowed to.
            Ok(url) if url.scheme() == "https" || is_loopback(&url) => {}
            _ => return fault("issuer", "is an https:// address"),
        }
        if !line(&self.client_id, 255) {
            return fault("client_id", "has 1 to 255 characters");
        }
        if self.client_secret.as_ref().is_some_and(|secret| !line(secret, 1024)) {
            return fault("client_secret", "has 1 to 1024 characters");
        }
        let scope = |text: &String| {
            text.len() <= 100
                && !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        };
        if self.scopes.len() > MAX_SCOPES || !self.scopes.iter().all(scope) {
            return fault("scopes", "are at most 20 words");
        }
        if !line(&self.claim, 200) {
            return fault("claim", "is the name of a claim, such as `groups`");
        }
        if self.rules.len() > MAX_RULES || self.rules.iter().any(|rule| !line(&rule.value, 200)) {
            return fault("rules", "are at most 200, with a `value` of 1 to 200 characters");
        }
        Ok(())
    }

    /// The rules that fit somebody with these claims, in their order.
    pub fn matching<'a>(&'a self, claims: &'a Map<String, Value>) -> impl Iterator<Item = &'a Rule> {
        let values: Vec<&str> = match claims.get(&self.claim) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        self.rules.iter().filter(move |rule| rule.value == "*" || values.contains(&rule.value.as_str()))
    }
}

fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
