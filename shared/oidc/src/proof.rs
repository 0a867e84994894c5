//! What a browser proves when it comes back from another site: that it is the one that was sent there.

use crate::OidcError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

/// A `state` (RFC 6749, 10.12) and a code verifier (RFC 7636), kept in a cookie of the browser.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    #[serde(rename = "s")]
    state: String,
    #[serde(rename = "v")]
    verifier: String,
}

impl Proof {
    pub fn draw() -> Result<Self, OidcError> {
        Ok(Self { state: drawn()?, verifier: drawn()? })
    }

    /// What the other site sends back.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// What a code is exchanged with.
    pub fn verifier(&self) -> &str {
        &self.verifier
    }

    /// What the other site is told of it, by `S256`.
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }

    /// Whether what came back is what was sent.
    pub fn is(&self, state: &str) -> bool {
        bool::from(self.state.as_bytes().ct_eq(state.as_bytes()))
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof")
    }
}

/// 256 bits as 43 characters.
pub(crate) fn drawn() -> Result<String, OidcError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| OidcError::Randomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
