//! Why a request is not believed.

use thiserror::Error;

/// For logs: neither secrets nor signatures are in it. Senders are told nothing of this.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    #[error("the header `{0}` is missing")]
    Missing(String),
    #[error("`{0}` is there more than once")]
    Repeated(String),
    #[error("`{0}` is malformed")]
    Malformed(String),
    #[error("there are more signatures or secrets than are looked at")]
    TooMany,
    /// None of the secrets is one that this scheme could use.
    #[error("no secret is a key of this scheme")]
    NoKey,
    #[error("it was signed {0} s before now, which is too far")]
    Stale(i64),
    #[error("no signature is by one of the secrets")]
    Mismatch,
}
