//! Why somebody could not sign in by the provider.

use egress::EgressError;
use thiserror::Error;

/// Nothing in it is secret; what the provider itself said is cut short.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OidcError {
    #[error("the provider was not reached: {0}")]
    Unreachable(#[from] EgressError),
    /// The provider answered, but not as OpenID Connect says.
    #[error("the provider's {what} {fault}")]
    Unexpected { what: &'static str, fault: String },
    /// The provider refused the code or the client.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// An identity token that is not to be believed.
    #[error("the identity token is not valid: {0}")]
    NotBelieved(&'static str),
    #[error("no random numbers could be drawn")]
    Randomness,
}

impl OidcError {
    pub(crate) fn unexpected(what: &'static str, fault: impl Into<String>) -> Self {
        Self::Unexpected { what, fault: fault.into() }
    }
}

/// What somebody else wrote, as a short line.
pub(crate) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
