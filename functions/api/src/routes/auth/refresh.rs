//! Staying signed in.

use super::login::organization;
use super::tokens::{Tokens, organization_erased, refresh_cookie};
use crate::App;
use crate::body::JsonBody;
use crate::cookies;
use crate::error::{ApiError, ApiResult, internal};
use crate::layers::{Origin, shown_once};
use crate::view::ProblemView;
use auth::{Opaque, OpaqueKind, record_of};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use domain::audit::Action;
use domain::{Actor, OrgKey, Provenance, SessionId, UserId};
use serde::Deserialize;
use std::time::Duration;
use store::{Refresh, Rotation};
use utoipa::ToSchema;
use vault::Keyring;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshRequest {
    /// Goes over to another of one's organisations.
    organization: Option<String>,
}

/// Whose refresh token the cookie holds, and its hash; `None` of one that we never gave.
pub(super) fn presented(headers: &HeaderMap, keyring: &Keyring) -> Option<(UserId, SessionId, String)> {
    let (value, mac) = cookies::get(headers, cookies::REFRESH)?.rsplit_once('.')?;
    if !keyring.codes().is_mac("refresh", value, mac) {
        return None;
    }
    let mut parts = value.splitn(3, '.');
    let user = UserId::parse(parts.next()?).ok()?;
    let session = SessionId::parse(parts.next()?).ok()?;
    let hash = auth::opaque::hash_of(OpaqueKind::Refresh, parts.next()?)?;
    Some((user, session, hash))
}

/// Takes the cookie of an earlier sign-in and gives a new access token, and the next cookie. A cookie counts once: one that comes a
/// second time may have been stolen, and ends the session.
#[utoipa::path(post, path = "/v1/auth/refresh", tag = "sign-in", request_body = RefreshRequest, responses(
    (status = 200, body = Tokens),
    (status = 401, description = "`session_ended`: sign in again", body = ProblemView),
    (status = 403, description = "`not_a_member`, or `organization_erased`", body = ProblemView),
))]
pub(crate) async fn refresh(
    State(app): State<App>,
    Origin(origin): Origin,
    headers: HeaderMap,
    JsonBody(request): JsonBody<RefreshRequest>,
) -> ApiResult<Response> {
    let keyring = app.keyring().await?;
    let Some((user, session, given)) = presented(&headers, &keyring) else { return Ok(ended(&app)) };
    let wanted = request.organization.as_deref().map(organization).transpose()?;
    if let Some(org) = &wanted {
        // Looked at first: a refresh token is not used up by what is refused.
        let key = OrgKey::verified(org.clone(), Provenance::SignIn);
        match app.store.member(&key, &user).await? {
            Some(member) if member.erased => return Err(organization_erased()),
            Some(_) => {}
            None => {
                let detail = "this account does not belong to that organisation";
                return Err(ApiError::new(403, "not_a_member", detail));
            }
        }
    }
    let next = Opaque::draw(OpaqueKind::Refresh).map_err(|e| internal(&e))?;
    let now = app.now();
    let refresh = Refresh { user: user.clone(), session, given, next: next.hash.clone() };
    let rotated = app.store.rotate_session(&refresh, wanted.as_ref(), now, &origin).await?;
    match rotated {
        Rotation::Rotated(session) => {
            let key = OrgKey::verified(session.org.clone(), Provenance::SignIn);
            let Some(member) = app.store.member(&key, &user).await? else { return Ok(ended(&app)) };
            let mut response = if member.erased {
                // The session goes on: with this cookie one can go over to another organisation.
                organization_erased().into_response()
            } else {
                let tokens = Tokens::issue(&app, &member, &session.org, &session.id).await?;
                (shown_once(), Json(tokens)).into_response()
            };
            if let Some(cookie) = refresh_cookie(&app, &keyring, &session, &next.token) {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
            Ok(response)
        }
        Rotation::Reused(session) => {
            let key = OrgKey::verified(session.org.clone(), Provenance::SignIn);
            let email = app.store.member(&key, &user).await?.map(|member| member.email).unwrap_or_default();
            let record = record_of(Actor::User(user), &email, Action::SessionReused, now, &origin);
            app.store.record(&key, &record.on("session", &session.id)).await?;
            tracing::warn!(session.id = %session.id, "a refresh token came a second time; its session was ended");
            Ok(ended(&app))
        }
        Rotation::Gone => Ok(ended(&app)),
    }
}

fn ended(app: &App) -> Response {
    let mut response =
        ApiError::new(401, "session_ended", "nobody is signed in here any more; sign in again")
            .into_response();
    if let Some(cookie) = cookies::set(cookies::REFRESH, "", Duration::ZERO, &app.public_url) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
