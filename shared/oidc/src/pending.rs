//! A sign-in under way: what the browser keeps until it comes back.

use crate::OidcError;
use crate::proof::{Proof, drawn};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Kept in a cookie of the browser that began it, so that nobody finishes a sign-in that another began.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    #[serde(flatten)]
    proof: Proof,
    #[serde(rename = "n")]
    pub(crate) nonce: String,
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
        Ok(Self { proof: Proof::draw()?, nonce: drawn()?, return_to, organization, expires_at: now + LASTS })
    }

    pub(crate) fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Whether what came back with `state` at `now` belongs to this one.
    pub fn is_answered_by(&self, state: &str, now: i64) -> bool {
        self.proof.is(state) && now < self.expires_at
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
