//! What a sign-in gives: an access token for the program, and a refresh token that the browser keeps.

use crate::App;
use crate::cookies;
use crate::error::{ApiError, ApiResult, internal};
use crate::layers::shown_once;
use auth::token::Subject;
use auth::{Opaque, OpaqueKind, Role, record_of};
use axum::Json;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::audit::{Action, RequestOrigin};
use domain::{Actor, OrgId, OrgKey, Provenance, SessionId};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;
use store::{Member, Session, User};
use utoipa::ToSchema;
use uuid::Uuid;
use vault::Keyring;

/// After so long, somebody signs in anew.
const SESSION_LIFETIME: Duration = Duration::from_hours(30 * 24);
/// The same after a sign-in by the provider: whoever it locks out is out within the day.
const PROVIDED_LIFETIME: Duration = Duration::from_hours(12);
/// So long a browser is known again.
const DEVICE_KNOWN: Duration = Duration::from_hours(365 * 24);

/// What a caller proves itself with.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// Sent as `authorization: Bearer …`.
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// In seconds.
    #[schema(example = 900)]
    expires_in: i64,
    /// The organisation that the token is for.
    #[schema(example = "org_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    organization: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(super) async fn issue(
        app: &App,
        member: &Member,
        org: &OrgId,
        session: &SessionId,
    ) -> ApiResult<Self> {
        let keyring = app.keyring().await?;
        let role = Role::parse(&member.role).ok_or_else(|| internal(&store::StoreError::Corrupt("role")))?;
        let subject =
            Subject { user: member.user.clone(), org: org.clone(), role, session: Some(session.clone()) };
        let signed =
            keyring.signer().sign(subject, app.now().0.div_euclid(1000)).map_err(|e| internal(&e))?;
        Ok(Self {
            access_token: signed.token,
            token_type: "Bearer",
            expires_in: signed.expires_in,
            organization: org.to_string(),
        })
    }
}

/// A sign-in that succeeded: the tokens, and the cookies to set.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) tokens: Tokens,
    pub(crate) cookies: Vec<HeaderValue>,
}

impl SignedIn {
    pub(crate) fn headers(&self) -> HeaderMap {
        self.cookies.iter().map(|cookie| (SET_COOKIE, cookie.clone())).collect()
    }
}

impl IntoResponse for SignedIn {
    fn into_response(self) -> Response {
        (StatusCode::OK, self.headers(), shown_once(), Json(self.tokens)).into_response()
    }
}

/// The cookie of a refresh token. It says whose it is, and is signed: one that was never given is told from one that was used, so
/// that nobody ends another's session by making one up.
pub(super) fn refresh_cookie(
    app: &App,
    keyring: &Keyring,
    session: &Session,
    token: &str,
) -> Option<HeaderValue> {
    let left = app.now().until(session.expires_at);
    let value = format!("{}.{}.{token}", session.user, session.id);
    let mac = keyring.codes().mac("refresh", &value);
    let value = format!("{value}.{mac}");
    cookies::set(cookies::REFRESH, &value, left, &app.public_url)
}

/// How a user has proved to be one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proof {
    Password {
        known_device: bool,
    },
    /// The OpenID provider vouches for it.
    Provider,
}

/// What a user is in the organisation that is asked for, or in the one joined first; one that is being erased is none to sign in to.
async fn membership(
    app: &App,
    user: &User,
    orgs: Vec<OrgId>,
    wanted: Option<&OrgId>,
) -> ApiResult<(OrgKey, Member)> {
    let mut refused = ApiError::new(
        403,
        "not_a_member",
        match wanted {
            Some(_) => "this account does not belong to that organisation",
            None => "this account belongs to no organisation any more; ask for an invitation",
        },
    );
    for org in orgs.into_iter().filter(|org| wanted.is_none_or(|wanted| wanted == org)) {
        let key = OrgKey::verified(org, Provenance::SignIn);
        match app.store.member(&key, &user.id).await? {
            Some(member) if !member.erased => return Ok((key, member)),
            Some(_) => refused = organization_erased(),
            None => {
                let detail = "this account belongs to that organisation no longer";
                refused = ApiError::new(403, "not_a_member", detail);
            }
        }
    }
    Err(refused)
}

pub(super) fn organization_erased() -> ApiError {
    let detail = "this organisation is being erased; nothing in it can be done any more";
    ApiError::new(403, "organization_erased", detail)
}

/// Begins a session of a user who has proved to be one, in the organisation that is asked for, or the one joined first.
pub(crate) async fn sign_in(
    app: &App,
    user: &User,
    wanted: Option<&OrgId>,
    origin: &RequestOrigin,
    proof: Proof,
) -> ApiResult<SignedIn> {
    app.store.complete_user(user).await?;
    let orgs = app.store.memberships(&user.id).await?;
    let (key, member) = membership(app, user, orgs, wanted).await?;
    let org = key.org();
    let now = app.now();
    let refresh = Opaque::draw(OpaqueKind::Refresh).map_err(|e| internal(&e))?;
    let session = Session {
        id: SessionId::from_bytes(*Uuid::new_v4().as_bytes()),
        user: user.id.clone(),
        org: org.clone(),
        created_at: now,
        used_at: now,
        expires_at: now.plus(match proof {
            Proof::Password { .. } => SESSION_LIFETIME,
            Proof::Provider => PROVIDED_LIFETIME,
        }),
        ip: origin.ip.clone(),
        agent: origin.agent.clone(),
    };
    let record = record_of(Actor::User(user.id.clone()), &user.email, Action::SignedIn, now, origin)
        .on("session", &session.id)
        .after(match proof {
            Proof::Password { known_device } => json!({"by": "password", "known_device": known_device}),
            Proof::Provider => json!({"by": "provider"}),
        });
    app.store.record(&key, &record).await?;
    app.store.create_session(&session, &refresh.hash).await?;
    let tokens = Tokens::issue(app, &member, org, &session.id).await?;
    let keyring = app.keyring().await?;
    let mut set: Vec<HeaderValue> =
        refresh_cookie(app, &keyring, &session, &refresh.token).into_iter().collect();
    if matches!(proof, Proof::Password { known_device: false }) {
        let nonce = Uuid::new_v4().simple().to_string();
        let mac = keyring.codes().mac("device", &format!("{} {nonce}", user.email));
        set.extend(cookies::set(cookies::DEVICE, &format!("{nonce}.{mac}"), DEVICE_KNOWN, &app.public_url));
    }
    Ok(SignedIn { tokens, cookies: set })
}
