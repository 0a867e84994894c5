//! The clients as which an organisation is registered with apps.

use super::{asking, redirect_uri};
use crate::App;
use crate::body::JsonBody;
use crate::credentials::{keep, settle};
use crate::error::{ApiError, ApiResult};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::audit::Action;
use domain::connection::oauth_client_sealed_for;
use domain::{Fault, Problem, limits};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{ConnectionStore as _, KeptOAuthClient, StoreError};
use utoipa::ToSchema;

/// A registration with an app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OAuthClient)]
pub(crate) struct ClientView {
    #[schema(example = "slack")]
    connector: String,
    #[schema(example = "2141029472.3214")]
    client_id: Option<String>,
    /// Whether it has a secret, which is never shown.
    has_secret: bool,
    /// What the app must be told to send browsers back to.
    #[schema(example = "https://patchbay.example.com/v1/oauth/callback")]
    redirect_uri: String,
    changed_at: Option<String>,
}

impl ClientView {
    pub(crate) fn of(app: &App, client: &KeptOAuthClient) -> Self {
        Self {
            client_id: Some(client.client_id.clone()),
            has_secret: client.secret.is_some(),
            changed_at: Some(client.changed_at.rfc3339()),
            ..Self::none(app, &client.connector)
        }
    }

    fn none(app: &App, connector: &str) -> Self {
        let redirect_uri = redirect_uri(app);
        Self {
            connector: connector.to_owned(),
            client_id: None,
            has_secret: false,
            redirect_uri,
            changed_at: None,
        }
    }
}

/// As whom the organisation asks this app for tokens. Before one is set, it tells what to register with the app.
#[utoipa::path(get, path = "/v1/connectors/{name}/oauth-client", tag = "connections", params(("name" = String, Path)),
    security(("token" = [])), responses(
    (status = 200, body = ClientView),
    (status = 404, description = "`connector_unknown`", body = ProblemView),
    (status = 409, description = "`no_consent_needed`", body = ProblemView)))]
pub(crate) async fn get_client(
    State(app): State<App>,
    caller: Can<permit::ConnectionsRead>,
    Path(name): Path<String>,
) -> ApiResult<Json<ClientView>> {
    let manifest = asking(&app, caller.org_key(), &name).await?;
    let kept = app.store.oauth_client(caller.org_key(), &manifest.name).await?;
    let none = || ClientView::none(&app, &manifest.name);
    Ok(Json(kept.map_or_else(none, |client| ClientView::of(&app, &client))))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OAuthClientRequest)]
pub(crate) struct ClientRequest {
    #[schema(example = "2141029472.3214")]
    client_id: String,
    /// Not kept from before: give it with each change. It is kept apart, and shown to nobody again.
    client_secret: Option<String>,
}

/// Sets as whom the organisation asks this app for tokens. Connections that were agreed to by another client may have to be made anew.
#[utoipa::path(put, path = "/v1/connectors/{name}/oauth-client", tag = "connections", params(("name" = String, Path)),
    request_body = ClientRequest, security(("token" = [])), responses(
    (status = 200, body = ClientView),
    (status = 404, description = "`connector_unknown`", body = ProblemView),
    (status = 409, description = "`no_consent_needed`, or `conflict`: somebody else set it at the same moment", body = ProblemView),
    (status = 422, description = "`invalid_oauth_client` with every fault", body = ProblemView)))]
pub(crate) async fn put_client(
    State(app): State<App>,
    caller: Can<permit::ConnectionsWrite>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<ClientRequest>,
) -> ApiResult<Json<ClientView>> {
    let manifest = asking(&app, caller.org_key(), &name).await?;
    check(&request)?;
    let (org, now) = (caller.org_key(), app.now());
    let before = app.store.oauth_client(org, &manifest.name).await?;
    let secret = match &request.client_secret {
        Some(secret) => Some(keep(&app, org, &oauth_client_sealed_for(&manifest.name), secret).await?),
        None => None,
    };
    let client = KeptOAuthClient {
        connector: manifest.name.clone(),
        client_id: request.client_id,
        secret,
        changed_at: now,
    };
    let record = caller.record(Action::OAuthClientChanged, now).on("connector", &manifest.name);
    let record = record.before(before.as_ref().map_or(Value::Null, told)).after(told(&client));
    let written = app.store.put_oauth_client(org, before.as_ref(), &client, &record).await;
    let old = before.as_ref().and_then(|before| before.secret.as_ref());
    if !settle(&app, org, written, old, client.secret.as_ref()).await? {
        return Err(StoreError::Conflict { operation: "put_oauth_client" }.into());
    }
    Ok(Json(ClientView::of(&app, &client)))
}

/// Deletes the registration. Tokens that are there stay good until they end.
#[utoipa::path(delete, path = "/v1/connectors/{name}/oauth-client", tag = "connections", params(("name" = String, Path)),
    security(("token" = [])), responses(
    (status = 204, description = "It is gone"),
    (status = 404, description = "`connector_unknown` or `oauth_client_missing`", body = ProblemView),
    (status = 409, description = "`no_consent_needed`, or `conflict`: somebody else changed it at the same moment", body = ProblemView)))]
pub(crate) async fn delete_client(
    State(app): State<App>,
    caller: Can<permit::ConnectionsWrite>,
    Path(name): Path<String>,
) -> ApiResult<StatusCode> {
    let manifest = asking(&app, caller.org_key(), &name).await?;
    let org = caller.org_key();
    let missing = || {
        let detail = format!("your organisation has no client for {}", manifest.title);
        ApiError::new(404, "oauth_client_missing", detail)
    };
    let before = app.store.oauth_client(org, &manifest.name).await?.ok_or_else(missing)?;
    let record = caller.record(Action::OAuthClientDeleted, app.now()).on("connector", &manifest.name);
    let written = app.store.delete_oauth_client(org, &before, &record.before(told(&before))).await;
    if !settle(&app, org, written, before.secret.as_ref(), None).await? {
        return Err(StoreError::Conflict { operation: "delete_oauth_client" }.into());
    }
    Ok(StatusCode::NO_CONTENT)
}

fn check(request: &ClientRequest) -> ApiResult<()> {
    let mut faults = Vec::new();
    let texts = [("client_id", Some(&request.client_id)), ("client_secret", request.client_secret.as_ref())];
    for (name, text) in texts {
        let Some(text) = text else { continue };
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if text.is_empty() || text.len() > limits::MAX_CREDENTIAL_BYTES || !printable {
            let message = format!("`{name}` must be a text of printable characters, as the app shows it");
            faults.push(Fault::new(domain::fault::join("", name), "type_mismatch", message));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let detail = "the client has faults; `errors` says where";
    Err(Problem::new(422, "invalid_oauth_client", detail).with_errors(faults).into())
}

/// What the ledger tells of a client.
fn told(client: &KeptOAuthClient) -> Value {
    json!({"client_id": client.client_id, "has_secret": client.secret.is_some()})
}
