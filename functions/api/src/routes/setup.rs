//! The first owner, made once, by whoever holds the set-up token.

use super::auth::{Proof, Tokens, new_password, sign_in};
use crate::App;
use crate::body::JsonBody;
use crate::error::{ApiError, ApiResult, internal};
use crate::layers::{Origin, shown_once};
use crate::view::ProblemView;
use auth::{Email, record_of};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::audit::{Action, Record, RequestOrigin};
use domain::{Actor, OrgId, OrgKey, Provenance, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
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
    #[schema(example = "correct horse battery staple")]
    password: String,
    /// The name of the first organisation.
    #[schema(example = "Analytical Engines")]
    organization: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetupDone {
    user: String,
    #[serde(flatten)]
    tokens: Tokens,
}

/// Makes the deployment's first organisation and its owner.
#[utoipa::path(post, path = "/v1/setup", tag = "sign-in", request_body = SetupRequest, responses(
    (status = 201, body = SetupDone),
    (status = 403, description = "`setup_token_wrong`", body = ProblemView),
    (status = 409, description = "`already_set_up`", body = ProblemView),
    (status = 422, description = "an e-mail, password or name that cannot be", body = ProblemView),
))]
pub(crate) async fn setup(
    State(app): State<App>,
    Origin(origin): Origin,
    JsonBody(request): JsonBody<SetupRequest>,
) -> ApiResult<(StatusCode, HeaderMap, Json<SetupDone>)> {
    if !app.keyring().await?.opens_setup(&request.token) {
        return Err(setup_token_wrong());
    }
    let now = app.now();
    let email = email_of(&request.email)?;
    let password = new_password(request.password)?;
    let name = name_of(&request.organization)?;
    if app.store.first_org().await?.is_some() {
        return Err(already());
    }
    let org = Organization { id: OrgId::from_bytes(random()), name, created_at: now, revision: 1 };
    let owner = User {
        verified: true,
        ..User::new(
            UserId::from_bytes(random()),
            email.as_str(),
            Some(app.passwords.hash(password).await.map_err(|e| internal(&e))?),
            now,
        )
    };
    let key = OrgKey::verified(org.id.clone(), Provenance::SignIn);
    if !app.store.create_first_owner(&org, &owner, &key, &fresh_owner(&owner, &org, &origin)).await? {
        return Err(already());
    }
    let signed =
        sign_in(&app, &owner, Some(&org.id), &origin, Proof::Password { known_device: false }).await?;
    let mut headers = signed.headers();
    headers.extend(shown_once());
    let done = SetupDone { user: owner.id.to_string(), tokens: signed.tokens };
    Ok((StatusCode::CREATED, headers, Json(done)))
}

/// The first record of an organisation's ledger.
pub(super) fn fresh_owner(owner: &User, org: &Organization, origin: &RequestOrigin) -> Record {
    let actor = Actor::User(owner.id.clone());
    let record = record_of(actor, &owner.email, Action::OrgCreated, org.created_at, origin);
    record.on("organization", &org.id).after(json!({"name": org.name}))
}

pub(super) fn setup_token_wrong() -> ApiError {
    let detail =
        "this is not the set-up token; the local stack prints it, a deployment's outputs say where it is";
    ApiError::new(403, "setup_token_wrong", detail)
}

fn already() -> ApiError {
    ApiError::new(409, "already_set_up", "the first owner exists; sign in with `POST /v1/auth/login`")
}

/// An e-mail address as the name of an account.
pub(super) fn email_of(text: &str) -> ApiResult<Email> {
    Email::parse(text).map_err(|e| ApiError::new(422, e.code(), e.to_string()))
}

/// A name for people: a line of 1 to 200 characters.
pub(super) fn name_of(text: &str) -> ApiResult<String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        let detail = "a name has 1 to 200 characters, and is one line";
        return Err(ApiError::new(422, "invalid_name", detail));
    }
    Ok(name.to_owned())
}

pub(crate) fn random() -> [u8; 16] {
    *Uuid::new_v4().as_bytes()
}
