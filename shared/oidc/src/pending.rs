//! A sign-in under way: what the browser keeps until it comes back.

use crate::OidcError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

/// Kept in a cookie of the browser that began it, so that nobody finishes a sign-in that another began.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    #[serde(rename = "s")]
    state: String,
    #[serde(rename = "n")]
    pub(crate) nonce: String,
    #[serde(rename = "v")]
    pub(crate) verifier: String,
    /// Where the browser goes when it is signed in: a path of this deployment.
    #[serde(rename = "r")]
    pub return_to: String,
    /// The organisation that was asked for.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// In seconds since 1970.
    #[serde(rename = "e")]
    expires_at: i64,
}

/// How long somebody may take at the provider, in seconds.
pub(crate) const LASTS: i64 = 600;

impl Pending {
    /// Begins a sign-in at `now`, in seconds since 1970.
    pub fn begin(return_to: String, organization: Option<String>, now: i64) -> Result<Self, OidcError> {
        Ok(Self {
            state: drawn()?,
            nonce: drawn()?,
            verifier: drawn()?,
            return_to,
            organization,
            expires_at: now + LASTS,
        })
    }

    pub(crate) fn state(&self) -> &str {
        &self.state
    }

    /// PKCE's challenge, by `S256` (RFC 7636).
    pub(crate) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }

    /// Whether what came back with `state` at `now` belongs to this one.
    pub fn is_answered_by(&self, state: &str, now: i64) -> bool {
        bool::from(self.state.as_bytes().ct_eq(state.as_bytes())) && now < self.expires_at
    }

    /// As the value of a cookie.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// 256 bits as 43 characters.
fn drawn() -> Result<String, OidcError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| OidcError::Randomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
