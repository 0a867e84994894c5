//! Signing in with e-mail and password.

use super::{Proof, SignedIn, attempt, check_password, sign_in};
use crate::App;
use crate::body::JsonBody;
use crate::error::{ApiError, ApiResult};
use crate::layers::Origin;
use crate::routes::auth::tokens::Tokens;
use crate::view::ProblemView;
use auth::Email;
use axum::extract::State;
use axum::http::HeaderMap;
use domain::OrgId;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginRequest {
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(example = "correct horse battery staple")]
    password: String,
    /// Which of one's organisations; without it, the one joined first.
    organization: Option<String>,
}

/// Signs in. A browser gets a cookie besides, with which it stays signed in for 30 days: see `POST /v1/auth/refresh`.
#[utoipa::path(post, path = "/v1/auth/login", tag = "sign-in", request_body = LoginRequest, responses(
    (status = 200, body = Tokens),
    (status = 401, description = "`sign_in_failed`: no such account, or not its password", body = ProblemView),
    (status = 403, description = "`not_a_member`, or `organization_erased`", body = ProblemView),
    (status = 429, description = "`too_many_attempts`", body = ProblemView),
))]
pub(crate) async fn login(
    State(app): State<App>,
    Origin(origin): Origin,
    headers: HeaderMap,
    JsonBody(request): JsonBody<LoginRequest>,
) -> ApiResult<SignedIn> {
    let email = Email::parse(&request.email).ok();
    let attempt = attempt(&app, email.as_ref(), &headers, &origin).await?;
    let user = match &email {
        Some(email) => app.store.user_by_email(email.as_str()).await?,
        None => None,
    };
    let correct = check_password(&app, &attempt, user.as_ref(), request.password, &origin).await?;
    let Some(user) = user.filter(|_| correct) else {
        return Err(ApiError::new(401, "sign_in_failed", "the e-mail address or the password is not right"));
    };
    let wanted = request.organization.as_deref().map(organization).transpose()?;
    sign_in(&app, &user, wanted.as_ref(), &origin, Proof::Password { known_device: attempt.known_device })
        .await
}

/// An organisation that somebody asks for.
pub(super) fn organization(id: &str) -> ApiResult<OrgId> {
    OrgId::parse(id).map_err(|e| ApiError::new(422, "invalid_organization", e.to_string()))
}
