//! The first owner, made once, by whoever holds the set-up token.

use super::login::Tokens;
use crate::App;
use crate::body::JsonBody;
use crate::error::{ApiError, ApiResult, internal, unavailable};
use crate::view::ProblemView;
use auth::{Email, NewPassword, Role};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{OrgId, UserId};
use serde::{Deserialize, Serialize};
use store::{Organization, User};
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetupRequest {
    /// The one-time token of this deployment.
    token: String,
    #[schema(example = "ada@example.com")]
    email: String,
    /// At least 12 characters.
    password: String,
    /// The name of the first organisation.
    #[schema(example = "Analytical Engines")]
    organization: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetupDone {
    organization: String,
    user: String,
    #[serde(flatten)]
    tokens: Tokens,
}

/// Makes the deployment's first organisation and its owner.
#[utoipa::path(post, path = "/v1/setup", tag = "public", request_body = SetupRequest, responses(
    (status = 201, body = SetupDone),
    (status = 403, description = "`setup_token_wrong`", body = ProblemView),
    (status = 409, description = "`already_set_up`", body = ProblemView),
    (status = 422, description = "an e-mail, password or name that cannot be", body = ProblemView),
))]
pub(crate) async fn setup(
    State(app): State<App>,
    JsonBody(request): JsonBody<SetupRequest>,
) -> ApiResult<(StatusCode, Json<SetupDone>)> {
    let now = app.now();
    let keyring = app.keyrings.get(now.0 / 1000).await.map_err(|e| unavailable(&e))?;
    if !keyring.opens_setup(&request.token) {
        let detail =
            "this is not the set-up token; the local stack prints it, a deployment's outputs say where it is";
        return Err(ApiError::new(403, "setup_token_wrong", detail));
    }
    let email = Email::parse(&request.email).map_err(|e| ApiError::new(422, e.code(), e.to_string()))?;
    let password =
        NewPassword::parse(request.password).map_err(|e| ApiError::new(422, e.code(), e.to_string()))?;
    let name = request.organization.trim();
    if name.is_empty() || name.chars().count() > 200 {
        return Err(ApiError::new(
            422,
            "invalid_name",
            "`organization` must be a name of 1 to 200 characters",
        ));
    }
    if app.store.first_org().await?.is_some() {
        return Err(already());
    }
    let org = Organization { id: OrgId::from_bytes(random()), name: name.to_owned(), created_at: now };
    let owner = User {
        id: UserId::from_bytes(random()),
        email: email.as_str().to_owned(),
        password: app.passwords.hash(password).await.map_err(|e| internal(&e))?,
        org: org.id.clone(),
        role: Role::Owner.as_str().to_owned(),
        created_at: now,
    };
    if !app.store.create_first_owner(&org, &owner).await? {
        return Err(already());
    }
    let tokens = Tokens::issue(&app, &owner).await?;
    let done = SetupDone { organization: org.id.to_string(), user: owner.id.to_string(), tokens };
    Ok((StatusCode::CREATED, Json(done)))
}

fn already() -> ApiError {
    ApiError::new(409, "already_set_up", "the first owner exists; sign in with `POST /v1/auth/login`")
}

pub(crate) fn random() -> [u8; 16] {
    *Uuid::new_v4().as_bytes()
}
