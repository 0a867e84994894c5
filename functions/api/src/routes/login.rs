//! Signing in.

use crate::App;
use crate::body::JsonBody;
use crate::error::{ApiError, ApiResult, internal, unavailable};
use crate::view::ProblemView;
use auth::token::Subject;
use auth::{Email, PasswordCheck, Role};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use store::User;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginRequest {
    #[schema(example = "ada@example.com")]
    email: String,
    password: String,
}

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
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(super) async fn issue(app: &App, user: &User) -> ApiResult<Self> {
        let now = app.now().0 / 1000;
        let keyring = app.keyrings.get(now).await.map_err(|e| unavailable(&e))?;
        let role = serde_json::from_value::<Role>(user.role.clone().into()).map_err(|e| internal(&e))?;
        let subject = Subject { user: user.id.clone(), org: user.org.clone(), role };
        let signed = keyring.signer().sign(subject, now).map_err(|e| internal(&e))?;
        Ok(Self { access_token: signed.token, token_type: "Bearer", expires_in: signed.expires_in })
    }
}

/// Signs in with e-mail and password.
#[utoipa::path(post, path = "/v1/auth/login", tag = "public", request_body = LoginRequest, responses(
    (status = 200, body = Tokens),
    (status = 401, description = "`sign_in_failed`: no such account, or not its password", body = ProblemView),
))]
pub(crate) async fn login(
    State(app): State<App>,
    JsonBody(request): JsonBody<LoginRequest>,
) -> ApiResult<Json<Tokens>> {
    let user = match Email::parse(&request.email) {
        Ok(email) => app.store.user_by_email(email.as_str()).await?,
        Err(_) => None,
    };
    // Checked against nobody's hash when there is no such account: it takes as long.
    let stored = user.as_ref().map(|u| u.password.as_str());
    match (app.passwords.check(request.password, stored).await.map_err(|e| internal(&e))?, user) {
        (PasswordCheck::Correct, Some(user)) => Ok(Json(Tokens::issue(&app, &user).await?)),
        _ => Err(ApiError::new(401, "sign_in_failed", "the e-mail address or the password is not right")),
    }
}
