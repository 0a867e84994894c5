//! Permission as an extractor: a handler that takes `Can<permit::RunsRead>` runs only for a caller who may.

mod rejection;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use domain::{OrgKey, Provenance};
use thiserror::Error;

pub use rejection::AuthRejection;

use crate::ids::{OrgId, UserId};
use crate::permission::Permit;
use crate::role::Role;
use crate::token::{Claims, TokenError, Verifier};

/// What a router's state gives the extractor.
pub trait AuthState: Send + Sync {
    /// The keys to verify tokens with. They rotate, so they are asked for with each request and cached behind
    /// this.
    fn verifier(&self) -> impl Future<Output = Result<Arc<Verifier>, KeysUnavailable>> + Send;

    /// Seconds since 1970.
    fn now(&self) -> i64;
}

/// The keys could not be read; the request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the keys that access tokens are checked with cannot be read")]
pub struct KeysUnavailable;

/// Someone whose token was verified. Only the extractor makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    user: UserId,
    org: OrgKey,
    role: Role,
}

impl Caller {
    pub fn user(&self) -> &UserId {
        &self.user
    }

    pub fn org(&self) -> &OrgId {
        self.org.org()
    }

    /// The right to ask the store about the caller's organisation.
    pub fn org_key(&self) -> &OrgKey {
        &self.org
    }

    pub fn role(&self) -> Role {
        self.role
    }
}

impl From<Claims> for Caller {
    fn from(claims: Claims) -> Self {
        Self { user: claims.sub, org: OrgKey::verified(claims.org, Provenance::Token), role: claims.role }
    }
}

/// A caller who has the permission `P`.
#[derive(Debug, Clone)]
pub struct Can<P> {
    caller: Caller,
    permission: PhantomData<fn() -> P>,
}

impl<P> Can<P> {
    pub fn into_caller(self) -> Caller {
        self.caller
    }
}

impl<P> Deref for Can<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<S: AuthState, P: Permit> FromRequestParts<S> for Can<P> {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AuthRejection> {
        let token = bearer(parts)?;
        let verifier = state.verifier().await?;
        let claims = verifier.verify(token, state.now()).map_err(|error| match error {
            TokenError::Expired => AuthRejection::ExpiredToken,
            TokenError::Invalid { reason } => AuthRejection::InvalidToken { reason },
        })?;
        if !claims.role.can(P::PERMISSION) {
            return Err(AuthRejection::Forbidden { permission: P::PERMISSION, role: claims.role });
        }
        Ok(Self { caller: claims.into(), permission: PhantomData })
    }
}

/// The one token of a request. Tokens in the query or a cookie are not looked for: they end up in logs and
/// are sent unasked.
fn bearer(parts: &Parts) -> Result<&str, AuthRejection> {
    let mut given = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(value) = given.next() else {
        return Err(AuthRejection::MissingToken);
    };
    if given.next().is_some() {
        return Err(AuthRejection::InvalidToken { reason: "there is more than one" });
    }
    let Ok(value) = value.to_str() else {
        return Err(AuthRejection::InvalidToken { reason: "it is not ASCII" });
    };
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(AuthRejection::MissingToken),
    }
}
