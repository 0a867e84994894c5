//! Signing out.

use super::person;
use super::refresh::presented;
use crate::App;
use crate::cookies;
use crate::error::ApiResult;
use crate::layers::Origin;
use crate::view::ProblemView;
use auth::{Can, permit, record_of};
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::audit::Action;
use domain::{Actor, OrgKey, Provenance};
use serde_json::json;
use std::time::Duration;

fn signed_out(app: &App) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = cookies::set(cookies::REFRESH, "", Duration::ZERO, &app.public_url) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// Ends the session of this browser. Its access token counts on until it expires, a quarter of an hour at most.
#[utoipa::path(post, path = "/v1/auth/logout", tag = "sign-in", responses(
    (status = 204, description = "Nobody is signed in here now")))]
pub(crate) async fn logout(
    State(app): State<App>,
    Origin(origin): Origin,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let Some((user, id, _)) = presented(&headers, &*app.keyring().await?) else {
        return Ok(signed_out(&app));
    };
    let now = app.now();
    let session = app.store.sessions(&user, now).await?.into_iter().find(|session| session.id == id);
    if let Some(session) = session {
        let key = OrgKey::verified(session.org.clone(), Provenance::SignIn);
        if let Some(member) = app.store.member(&key, &user).await? {
            let record =
                record_of(Actor::User(user.clone()), &member.email, Action::SessionEnded, now, &origin);
            app.store.record(&key, &record.on("session", &id)).await?;
        }
        app.store.end_session(&user, &id).await?;
    }
    Ok(signed_out(&app))
}

/// Ends all of one's sessions, this one included; no access token that was made before counts any more.
#[utoipa::path(post, path = "/v1/auth/logout-everywhere", tag = "sign-in", security(("token" = [])), responses(
    (status = 204, description = "Nobody is signed in as this person now"),
    (status = 403, description = "`person_needed`: not with an API key", body = ProblemView)))]
pub(crate) async fn logout_everywhere(
    State(app): State<App>,
    caller: Can<permit::AccountOwn>,
) -> ApiResult<Response> {
    let user = person(&caller)?;
    let now = app.now();
    let record = caller.record(Action::SessionsEnded, now).on("member", user);
    app.store.record(caller.org_key(), &record).await?;
    let ended = app.store.end_sessions(user, None).await?;
    // Tokens are dated to the second: those of this one end, too.
    app.store.refuse_tokens_before(user, now.0.div_euclid(1000) + 1).await?;
    tracing::info!(sessions = %json!(ended), "somebody signed out everywhere");
    Ok(signed_out(&app))
}
