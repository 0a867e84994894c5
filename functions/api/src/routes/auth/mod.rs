//! Signing in, staying signed in, signing out.

mod attempts;
mod jwks;
mod login;
mod logout;
mod memberships;
mod oidc;
mod password;
mod refresh;
mod sessions;
mod tokens;

pub(crate) use jwks::*;
pub(crate) use login::*;
pub(crate) use logout::*;
pub(crate) use oidc::*;
pub(crate) use password::*;
pub(crate) use refresh::*;
pub(crate) use sessions::*;

pub(super) use attempts::{attempt, check_password};
pub(super) use tokens::{Proof, SignedIn, Tokens, sign_in};

use crate::error::ApiError;
use auth::Caller;
use domain::UserId;

/// The person who asks; not a program, and not a person's API key.
pub(super) fn person(caller: &Caller) -> Result<&UserId, ApiError> {
    caller.person().ok_or_else(|| {
        let detail = "this is about a person's own account: sign in, and send that access token";
        ApiError::new(403, "person_needed", detail)
    })
}
