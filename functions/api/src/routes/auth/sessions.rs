//! Where one is signed in.

use super::person;
use crate::App;
use crate::body::IdOf;
use crate::error::ApiResult;
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::SessionId;
use domain::audit::Action;
use serde::Serialize;
use utoipa::ToSchema;

/// A browser in which somebody is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView {
    #[schema(example = "ses_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    id: String,
    organization: String,
    /// Whether it is the one that asks.
    current: bool,
    created_at: String,
    used_at: String,
    expires_at: String,
    /// From where it was used last.
    #[schema(example = "192.0.2.7")]
    ip: String,
    #[schema(example = "Mozilla/5.0 …")]
    user_agent: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionList {
    items: Vec<SessionView>,
}

/// Lists one's own sessions, in all organisations.
#[utoipa::path(get, path = "/v1/auth/sessions", tag = "sign-in", security(("token" = [])), responses(
    (status = 200, body = SessionList),
    (status = 403, description = "`person_needed`", body = ProblemView)))]
pub(crate) async fn sessions(
    State(app): State<App>,
    caller: Can<permit::AccountOwn>,
) -> ApiResult<Json<SessionList>> {
    let mut found = app.store.sessions(person(&caller)?, app.now()).await?;
    found.sort_by_key(|session| std::cmp::Reverse(session.used_at));
    let items = found.into_iter().map(|session| SessionView {
        current: caller.session() == Some(&session.id),
        id: session.id.to_string(),
        organization: session.org.to_string(),
        created_at: session.created_at.rfc3339(),
        used_at: session.used_at.rfc3339(),
        expires_at: session.expires_at.rfc3339(),
        ip: session.ip,
        user_agent: session.agent,
    });
    Ok(Json(SessionList { items: items.collect() }))
}

/// Ends one of one's own sessions. Its access token counts on until it expires, a quarter of an hour at most.
#[utoipa::path(delete, path = "/v1/auth/sessions/{id}", tag = "sign-in", params(("id" = String, Path)),
    security(("token" = [])), responses(
    (status = 204, description = "It has ended"),
    (status = 403, description = "`person_needed`", body = ProblemView),
    (status = 404, description = "`session_not_found`", body = ProblemView)))]
pub(crate) async fn end_session(
    State(app): State<App>,
    caller: Can<permit::AccountOwn>,
    IdOf(id): IdOf<SessionId>,
) -> ApiResult<StatusCode> {
    let user = person(&caller)?;
    let now = app.now();
    if !app.store.sessions(user, now).await?.iter().any(|session| session.id == id) {
        return Err(IdOf::<SessionId>::not_found());
    }
    let record = caller.record(Action::SessionEnded, now).on("session", &id);
    app.store.record(caller.org_key(), &record).await?;
    app.store.end_session(user, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
