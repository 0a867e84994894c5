//! Access tokens: what one says, how it is signed, and all that must be right before it is believed.

mod key;
mod signer;
#[cfg(test)]
mod tests;
mod verifier;

use domain::SessionId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use key::{KeyError, PublicKey, generate_pkcs8};
pub use signer::{AccessToken, Signer};
pub use verifier::{TokenError, Verifier};

use crate::ids::{OrgId, UserId};
use crate::role::Role;

/// How long a token counts, in seconds.
pub const LIFETIME: i64 = 15 * 60;

/// How far clocks may differ, in seconds.
pub const LEEWAY: i64 = 5;

/// RFC 9068: an access token is no other kind of JWT.
const TYPE: &str = "at+jwt";

/// Who issues tokens, and for whom. A token of another realm is refused, even if it is signed with the same
/// key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    pub issuer: String,
    pub audience: String,
}

impl Default for Realm {
    fn default() -> Self {
        Self { issuer: "patchbay".to_owned(), audience: "patchbay-api".to_owned() }
    }
}

/// Whom a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub user: UserId,
    pub org: OrgId,
    pub role: Role,
    /// The session that the token is of.
    pub session: Option<SessionId>,
}

/// What a token says. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub sub: UserId,
    pub org: OrgId,
    pub role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    pub iat: i64,
    pub exp: i64,
    pub iss: String,
    pub aud: String,
    /// Tells tokens apart, in the ledger for example.
    pub jti: String,
}

/// A token could not be made.
#[derive(Debug, Error)]
#[error("the access token could not be signed")]
pub struct SignError(#[from] jsonwebtoken::errors::Error);
