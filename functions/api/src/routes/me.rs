//! Who one is.

use crate::App;
use crate::error::ApiResult;
use auth::{Can, Permission, permit};
use axum::Json;
use axum::extract::State;
use domain::OrgKey;
use serde::Serialize;
use utoipa::ToSchema;

/// Whoever asks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// `usr_…`, or `sa_…` of a service account.
    #[schema(example = "usr_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    id: String,
    /// An e-mail address, or a service account's name.
    #[schema(example = "ada@example.com")]
    name: String,
    organization: String,
    #[schema(example = "editor")]
    role: String,
    /// What may be done here: with an API key, no more than its scopes.
    #[schema(example = json!(["workflows.read", "runs.read"]))]
    permissions: Vec<&'static str>,
    /// The API key that the request was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
    /// The session that the access token is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// All organisations that the person belongs to.
    organizations: Vec<OrgOfMe>,
}

/// An organisation that one belongs to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrgOfMe {
    id: String,
    #[schema(example = "Analytical Engines")]
    name: String,
}

/// Who one is, what one may do here, and where else one belongs.
#[utoipa::path(get, path = "/v1/me", tag = "sign-in", security(("token" = [])), responses((status = 200, body = Me)))]
pub(crate) async fn me(State(app): State<App>, caller: Can<permit::AccountOwn>) -> ApiResult<Json<Me>> {
    let mut organizations = Vec::new();
    let of_person = match caller.person() {
        Some(user) => app.store.memberships(user).await?,
        None => vec![caller.org().clone()],
    };
    for id in of_person {
        let key = OrgKey::verified(id.clone(), domain::Provenance::SignIn);
        if let Some(org) = app.store.organization(&key).await? {
            organizations.push(OrgOfMe { id: id.to_string(), name: org.name });
        }
    }
    Ok(Json(Me {
        id: caller.actor().to_string(),
        name: caller.name().to_owned(),
        organization: caller.org().to_string(),
        role: caller.role().to_string(),
        permissions: Permission::ALL.iter().filter(|p| caller.can(**p)).map(|p| p.as_str()).collect(),
        api_key: caller.key().map(ToString::to_string),
        session: caller.session().map(ToString::to_string),
        organizations,
    }))
}
