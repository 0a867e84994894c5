//! The registry of ids: one prefixed newtype for each thing that has one.
//!
//! An id is `prefix_` and 26 characters of lower-case Crockford base32 (128 bits). Ids are case-sensitive and opaque.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ENCODED_LEN: usize = 26;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not an id of the form `{prefix}_` and {ENCODED_LEN} characters")]
pub struct InvalidId {
    prefix: &'static str,
    given: String,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id of 128 bits that the caller has drawn or derived.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(encode($prefix, bytes).into())
            }

            /// Reads an id as a user or a store gives it.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if is_id($prefix, text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId { prefix: $prefix, given: text.chars().take(64).collect() })
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
    )*};
}

ids! {
    /// A tenant: everything a user can see belongs to exactly one.
    OrgId = "org";
    /// A person who can sign in.
    UserId = "usr";
    /// A workflow, across all its versions.
    WorkflowId = "wf";
    /// One run of one version of a workflow.
    RunId = "run";
    /// The unguessable part of a webhook's address.
    HookId = "hk";
    /// A program that acts in an organisation by API keys of its own.
    ServiceId = "sa";
    /// An API key; not the key itself.
    ApiKeyId = "key";
    /// A sign-in that goes on until it is ended.
    SessionId = "ses";
    /// An invitation into an organisation; not the token that is mailed.
    InvitationId = "inv";
    /// An access to an app.
    ConnectionId = "conn";
    /// A record of the audit ledger.
    RecordId = "aud";
}

impl RunId {
    /// The run that a trigger starts for an idempotency key: the same three always name the same run (protocol rule 1).
    pub fn derive(org: &OrgId, trigger: &str, idempotency_key: &str) -> Self {
        Self::from_bytes(digest16(&["run", org.as_str(), trigger, idempotency_key]))
    }
}

/// A stable 128-bit digest of some texts; each is length-prefixed, so no two lists collide by concatenation.
pub fn digest16(parts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut out = [0; 16];
    out.copy_from_slice(&hash.finalize()[..16]);
    out
}

/// Writes 128 bits as the 26 characters that ids use.
pub fn base32(bytes: [u8; 16]) -> String {
    let mut rest = u128::from_be_bytes(bytes);
    let mut out = [0u8; ENCODED_LEN];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    out.iter().map(|b| char::from(*b)).collect()
}

fn encode(prefix: &str, bytes: [u8; 16]) -> String {
    format!("{prefix}_{}", base32(bytes))
}

fn is_id(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .is_some_and(|rest| rest.len() == ENCODED_LEN && rest.bytes().all(|b| ALPHABET.contains(&b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        let id = OrgId::from_bytes([0xAB; 16]);
        assert_eq!(OrgId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn another_prefix_or_length_is_refused() {
        let run = RunId::from_bytes([1; 16]);
        assert!(OrgId::parse(run.as_str()).is_err());
        assert!(RunId::parse("run_").is_err());
        assert!(RunId::parse(&format!("{run}x")).is_err());
        assert!(RunId::parse("run_OOOOOOOOOOOOOOOOOOOOOOOOOO").is_err());
    }

    #[test]
    fn a_run_is_named_by_org_trigger_and_key() {
        let org = OrgId::from_bytes([1; 16]);
        let run = RunId::derive(&org, "form", "key");
        assert_eq!(run, RunId::derive(&org, "form", "key"));
        assert_ne!(run, RunId::derive(&org, "formk", "ey"));
        assert_ne!(run, RunId::derive(&OrgId::from_bytes([2; 16]), "form", "key"));
    }
}
