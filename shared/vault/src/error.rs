//! Why there is no keyring, and why credentials stay shut.

use std::error::Error as StdError;

use thiserror::Error;

use crate::manager::ServiceError;
use crate::seal::SealError;

/// Why there is no keyring. No variant holds any of the secret's content, and neither do their messages.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyringError {
    #[error("the keyring secret `{id}` does not exist")]
    Missing { id: String },
    #[error("the keyring secret `{id}` cannot be read: {reason}")]
    Malformed { id: String, reason: String },
    #[error("the keyring secret `{id}` has version {version}; this program knows 1")]
    Version { id: String, version: u64 },
    #[error("the keyring secret `{id}` did not become complete; another program may be writing it")]
    Unsettled { id: String },
    #[error("no random keys could be generated")]
    Randomness,
    /// Secrets Manager refused or did not answer.
    #[error("`{operation}` failed for the keyring secret `{id}`: {reason}")]
    Service { id: String, operation: &'static str, reason: String, source: Box<dyn StdError + Send + Sync> },
}

impl KeyringError {
    /// The stable code for logs and alarms.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "keyring_missing",
            Self::Malformed { .. } => "keyring_malformed",
            Self::Version { .. } => "keyring_version",
            Self::Unsettled { .. } => "keyring_unsettled",
            Self::Randomness => "keyring_randomness",
            Self::Service { .. } => "keyring_unavailable",
        }
    }

    /// Whether the same call may succeed later, without anyone changing the secret.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unsettled { .. } | Self::Service { .. } => true,
            Self::Missing { .. } | Self::Malformed { .. } | Self::Version { .. } | Self::Randomness => false,
        }
    }
}

/// Why credentials could not be kept, opened or forgotten. Nothing of them is in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SafeError {
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Secrets Manager refused or did not answer.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// It was deleted: by whoever replaced it a moment ago, or by hand.
    #[error("the secret is not there any more")]
    Missing,
    /// It is another organisation's, for another purpose, or no secret of ours at all.
    #[error("what is kept does not open here")]
    Refused,
    #[error("what is kept is malformed")]
    Malformed,
    #[error("it is longer than a secret may be")]
    TooLarge,
    #[error("no random name could be drawn")]
    Randomness,
}

impl SafeError {
    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            // A keyring that is missing or broken is repaired by whoever runs the deployment.
            Self::Keyring(_) | Self::Service(_) => true,
            Self::Seal(_)
            | Self::Missing
            | Self::Refused
            | Self::Malformed
            | Self::TooLarge
            | Self::Randomness => false,
        }
    }
}
