//! Who asks, and whether they may: a handler that takes `Can<permit::RunsRead>` runs only for a caller who may.

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
use domain::audit::{Action, Record, RequestOrigin};
use domain::{Actor, ApiKeyId, Millis, OrgKey, Provenance, RecordId, SessionId};
use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

pub use rejection::AuthRejection;

use crate::ids::{OrgId, UserId};
use crate::opaque::{OpaqueKind, hash_of};
use crate::permission::{Permission, Permit};
use crate::role::Role;
use crate::token::{Claims, TokenError, Verifier};

/// What a router's state gives the extractor.
pub trait AuthState: Send + Sync {
    /// The keys to verify tokens with. They rotate, so they are asked for with each request and cached behind
    /// this.
    fn verifier(&self) -> impl Future<Output = Result<Arc<Verifier>, AuthUnavailable>> + Send;

    /// What a user is to an organisation now, whatever a token says; `None` for one who does not belong to it.
    fn standing(
        &self,
        org: &OrgKey,
        user: &UserId,
    ) -> impl Future<Output = Result<Option<Standing>, AuthUnavailable>> + Send;

    /// The API key with this hash, used from `origin`.
    fn api_key(
        &self,
        hash: &str,
        origin: &RequestOrigin,
    ) -> impl Future<Output = Result<Option<KeyHolder>, AuthUnavailable>> + Send;

    /// Seconds since 1970.
    fn now(&self) -> i64;
}

/// What a member is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub role: Role,
    pub email: String,
    /// Tokens that were made before this second do not count.
    pub not_before: i64,
    /// The organisation is being erased.
    pub erased: bool,
}

/// Whose an API key is, and what it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHolder {
    pub key: ApiKeyId,
    pub org: OrgKey,
    pub holder: Actor,
    pub name: String,
    pub role: Role,
    pub scopes: Vec<Permission>,
    pub expires_at: Option<Millis>,
    /// The organisation is being erased.
    pub erased: bool,
}

/// Who asks could not be found out; the request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("who asks cannot be found out")]
pub struct AuthUnavailable;

/// Someone whose token or key was verified. Only [`authenticate`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    actor: Actor,
    name: String,
    org: OrgKey,
    role: Role,
    /// What the API key is restricted to.
    scopes: Option<Vec<Permission>>,
    key: Option<ApiKeyId>,
    session: Option<SessionId>,
    origin: RequestOrigin,
}

impl Caller {
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The person, if it is one, and not one of its API keys.
    pub fn person(&self) -> Option<&UserId> {
        self.actor.user().filter(|_| self.key.is_none())
    }

    /// An e-mail address, or a service account's name.
    pub fn name(&self) -> &str {
        &self.name
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

    pub fn key(&self) -> Option<&ApiKeyId> {
        self.key.as_ref()
    }

    pub fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    pub fn origin(&self) -> &RequestOrigin {
        &self.origin
    }

    /// Whether the caller may: by its role and, with an API key, by that key's scopes.
    pub fn can(&self, permission: Permission) -> bool {
        self.role.can(permission) && self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&permission))
    }

    /// A record of the ledger of what the caller does.
    pub fn record(&self, action: Action, at: Millis) -> Record {
        let record = record_of(self.actor.clone(), &self.name, action, at, &self.origin);
        Record { key: self.key.clone(), ..record }
    }
}

/// A record of what somebody does who is no caller yet, since it is about signing in.
pub fn record_of(actor: Actor, name: &str, action: Action, at: Millis, origin: &RequestOrigin) -> Record {
    Record {
        id: RecordId::from_bytes(*Uuid::new_v4().as_bytes()),
        at,
        action,
        actor,
        actor_name: name.to_owned(),
        key: None,
        target: None,
        before: Value::Null,
        after: Value::Null,
        origin: origin.clone(),
    }
}

/// Finds out who asks: the one place where a token or a key becomes a [`Caller`].
pub async fn authenticate<S: AuthState>(parts: &Parts, state: &S) -> Result<Caller, AuthRejection> {
    let token = bearer(parts)?;
    let origin = parts.extensions.get::<RequestOrigin>().cloned().unwrap_or_default();
    if token.starts_with(OpaqueKind::ApiKey.prefix()) {
        return by_key(token, origin, state).await;
    }
    let verifier = state.verifier().await?;
    let claims = verifier.verify(token, state.now()).map_err(|error| match error {
        TokenError::Expired => AuthRejection::ExpiredToken,
        TokenError::Invalid { reason } => AuthRejection::InvalidToken { reason },
    })?;
    let Claims { sub, org, sid, iat, .. } = claims;
    let org = OrgKey::verified(org, Provenance::Token);
    let standing = state.standing(&org, &sub).await?;
    let Some(standing) = standing else {
        return Err(AuthRejection::InvalidToken { reason: "its user does not belong to its organisation" });
    };
    if standing.erased {
        return Err(AuthRejection::Erased);
    }
    if iat < standing.not_before {
        return Err(AuthRejection::InvalidToken { reason: "it is from before its user signed out" });
    }
    Ok(Caller {
        actor: Actor::User(sub),
        name: standing.email,
        org,
        role: standing.role,
        scopes: None,
        key: None,
        session: sid,
        origin,
    })
}

async fn by_key<S: AuthState>(
    token: &str,
    origin: RequestOrigin,
    state: &S,
) -> Result<Caller, AuthRejection> {
    let hash = hash_of(OpaqueKind::ApiKey, token).ok_or(AuthRejection::InvalidKey)?;
    let held = state.api_key(&hash, &origin).await?.ok_or(AuthRejection::InvalidKey)?;
    if held.erased {
        return Err(AuthRejection::Erased);
    }
    if held.expires_at.is_some_and(|at| at.0.div_euclid(1000) <= state.now()) {
        return Err(AuthRejection::ExpiredKey);
    }
    Ok(Caller {
        actor: held.holder,
        name: held.name,
        org: held.org,
        role: held.role,
        scopes: Some(held.scopes),
        key: Some(held.key),
        session: None,
        origin,
    })
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
        let caller = match parts.extensions.get::<Caller>() {
            // Found out already, for what goes around the handlers.
            Some(caller) => caller.clone(),
            None => authenticate(parts, state).await?,
        };
        if !caller.can(P::PERMISSION) {
            let (permission, role) = (P::PERMISSION, caller.role);
            return Err(if role.can(permission) {
                AuthRejection::OutOfScope { permission }
            } else {
                AuthRejection::Forbidden { permission, role }
            });
        }
        Ok(Self { caller, permission: PhantomData })
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
