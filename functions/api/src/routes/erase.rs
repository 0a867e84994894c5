//! Erasing the organisation.

use super::auth::{attempt, check_password, person};
use crate::App;
use crate::body::JsonBody;
use crate::error::{ApiError, ApiResult};
use crate::view::ProblemView;
use auth::{Caller, Can, Email, permit};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use dispatch::BusEvent;
use domain::OrgKey;
use domain::audit::Action;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use store::{DueEntry, DueStore, EraseStage};
use utoipa::ToSchema;

/// What is shut before the answer; in a very large organisation, the rest of it a moment later.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A sign-in by the provider proves for so long who asks.
const LATELY: Duration = Duration::from_mins(10);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErasureRequest {
    /// What the organisation is called, to the letter.
    #[schema(example = "Difference Engines")]
    name: String,
    /// One's own password. Who has none has signed in by the provider within the last ten minutes.
    #[schema(example = "another horse battery staple")]
    password: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErasureBegun {
    #[schema(example = "org_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    organization: String,
    /// From then on nobody can sign in to it, and nothing starts in it.
    since: String,
}

/// Erases the organisation with everything that it has; nothing brings it back. Runs under way end at once and without consequences.
/// Accounts of people who belong to another organisation, too, stay.
#[utoipa::path(delete, path = "/v1/organization", tag = "organization", request_body = ErasureRequest,
    security(("token" = [])), responses(
    (status = 202, description = "It is being erased, which takes ten minutes or more", body = ErasureBegun),
    (status = 403, description = "`password_wrong`, or `person_needed`", body = ProblemView),
    (status = 422, description = "`organization_name_wrong`", body = ProblemView),
    (status = 429, description = "`too_many_attempts`", body = ProblemView)))]
pub(crate) async fn erase(
    State(app): State<App>,
    caller: Can<permit::OrgErase>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ErasureRequest>,
) -> ApiResult<(StatusCode, Json<ErasureBegun>)> {
    let (id, org) = (person(&caller)?, caller.org_key());
    let found = super::organization::find(&app, org).await?;
    if found.name != request.name {
        let detail =
            "`name` must be what the organisation is called, to the letter: `GET /v1/organization` tells it";
        return Err(ApiError::new(422, "organization_name_wrong", detail));
    }
    let user = app.store.user(id).await?;
    let email = user.as_ref().and_then(|user| Email::parse(&user.email).ok());
    let proved = if user.as_ref().is_some_and(|user| user.password.is_none()) {
        signed_in_lately(&app, &caller).await?
    } else {
        let attempt = attempt(&app, email.as_ref(), &headers, caller.origin()).await?;
        let password = request.password.unwrap_or_default();
        check_password(&app, &attempt, user.as_ref(), password, caller.origin()).await?
    };
    if !proved {
        let detail =
            "`password` is not this account's password; who has none signs in by the provider again first";
        return Err(ApiError::new(403, "password_wrong", detail));
    }
    let at = app.now();
    // Before the mark: whatever happens next, the timer finds what is marked.
    app.store.put_due(&DueEntry::erasure(org, at.plus(DueEntry::SOONEST))).await?;
    let record = caller.record(Action::OrgErased, at).on("organization", org.org());
    let record = record.before(json!({"name": found.name}));
    if !app.store.begin_erasure(org, &found.name, at, &record).await? {
        return Err(store::StoreError::Conflict { operation: "begin_erasure" }.into());
    }
    if let Err(error) = begin(&app, org).await {
        // It has begun: the timer tells the eraser within two minutes.
        tracing::warn!(error = ?error, "the erasure of an organisation goes on a moment later");
    }
    tracing::info!(organization.id = %org.org(), "an organisation is being erased");
    let begun = ErasureBegun { organization: org.org().to_string(), since: at.rfc3339() };
    Ok((StatusCode::ACCEPTED, Json(begun)))
}

/// Whether the caller's session began a moment ago: what stands for a password where there is none.
async fn signed_in_lately(app: &App, caller: &Caller) -> ApiResult<bool> {
    let (Some(id), Some(session)) = (caller.person(), caller.session()) else { return Ok(false) };
    let sessions = app.store.sessions(id, app.now()).await?;
    let own = sessions.iter().find(|found| found.id == *session);
    Ok(own.is_some_and(|found| found.created_at.plus(LATELY) > app.now()))
}

/// Shuts what leads to the organisation, and tells the eraser.
async fn begin(app: &App, org: &OrgKey) -> ApiResult<()> {
    let until = app.now().plus(AT_ONCE);
    while app.now() < until
        && let Some(erasure) = app.store.erasure(org).await?
        && matches!(erasure.stage, EraseStage::Close { .. })
    {
        app.store.erase_step(org, app.now()).await?;
    }
    app.bus.put(&[BusEvent::erasing(org.org())]).await?;
    Ok(())
}
