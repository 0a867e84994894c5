//! API keys: how programs prove who they are.

use super::members::PageQuery;
use super::service_accounts;
use super::setup::{name_of, random};
use crate::App;
use crate::body::{IdOf, JsonBody, QueryOf};
use crate::error::{ApiError, ApiResult, internal};
use crate::layers::shown_once;
use crate::page;
use crate::view::ProblemView;
use auth::{Can, Opaque, OpaqueKind, Permission, Role, permit};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use domain::audit::Action;
use domain::{Actor, ApiKeyId, Fault, Problem, ServiceId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use store::{ApiKey, UsedKey};
use utoipa::ToSchema;

/// So many days a key counts, unless it is said.
const DAYS: u32 = 90;
const MOST_DAYS: u32 = 3650;
const MOST_KEYS: usize = 500;

/// An API key; the key itself is shown once, when it is made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyView {
    #[schema(example = "key_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    id: String,
    #[schema(example = "nightly export")]
    name: String,
    /// Whose rights it has, as far as its scopes go: `usr_…` or `sa_…`.
    holder: String,
    #[schema(example = "deploy pipeline")]
    holder_name: String,
    #[schema(example = json!(["workflows.run", "runs.read"]))]
    scopes: Vec<String>,
    /// How the key begins.
    #[schema(example = "pb_7zq2m4")]
    prefix: String,
    created_at: String,
    expires_at: Option<String>,
    /// To the hour.
    used_at: Option<String>,
    /// From where it was used last.
    used_from: Option<String>,
}

impl From<&UsedKey> for ApiKeyView {
    fn from(used: &UsedKey) -> Self {
        let key = &used.key;
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            holder: key.holder.to_string(),
            holder_name: key.holder_name.clone(),
            scopes: key.scopes.clone(),
            prefix: key.prefix.clone(),
            created_at: key.created_at.rfc3339(),
            expires_at: key.expires_at.map(domain::Millis::rfc3339),
            used_at: used.used_at.map(domain::Millis::rfc3339),
            used_from: used.addresses.first().cloned(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeyList {
    /// May be fewer than `limit` though there are more: go by `next_cursor`.
    items: Vec<ApiKeyView>,
    /// Present when there are more.
    next_cursor: Option<String>,
}

/// Lists API keys: one's own, and with `api_keys.manage` everybody's.
#[utoipa::path(get, path = "/v1/api-keys", tag = "members", params(PageQuery), security(("token" = [])), responses(
    (status = 200, body = ApiKeyList),
    (status = 422, description = "a parameter that cannot be", body = ProblemView)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Can<permit::ApiKeysWrite>,
    QueryOf(query): QueryOf<PageQuery>,
) -> ApiResult<Json<ApiKeyList>> {
    let limit = page::limit(query.limit)?;
    let pages = app.pages("api keys", caller.org_key()).await?;
    let after = pages.decode(query.cursor.as_deref())?.and_then(|id| ApiKeyId::parse(&id).ok());
    let mut found = app.store.keys(caller.org_key(), after.as_ref(), limit + 1).await?;
    let next_cursor = pages.cut(&mut found, limit, |used| used.key.id.to_string());
    let all = caller.can(Permission::ApiKeysManage);
    let seen = found.iter().filter(|used| all || used.key.holder == *caller.actor());
    Ok(Json(ApiKeyList { items: seen.map(Into::into).collect(), next_cursor }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyRequest {
    #[schema(example = "nightly export")]
    name: String,
    /// The names of permissions: `GET /v1/roles` lists them. None that one does not have oneself.
    #[schema(example = json!(["workflows.run", "runs.read"]))]
    scopes: Vec<String>,
    /// 1 to 3650; default 90.
    expires_in_days: Option<u32>,
    /// Makes the key for this service account; without it, for oneself.
    service_account: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKeyMade {
    #[serde(flatten)]
    of: ApiKeyView,
    /// Sent as `authorization: Bearer …`. It is shown now and never again.
    #[schema(example = "pb_…")]
    key: String,
}

impl std::fmt::Debug for ApiKeyMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKeyMade").field("of", &self.of).finish_non_exhaustive()
    }
}

/// Makes an API key. It has the holder's rights as far as its scopes go, never more.
#[utoipa::path(post, path = "/v1/api-keys", tag = "members", request_body = ApiKeyRequest, security(("token" = [])), responses(
    (status = 201, body = ApiKeyMade),
    (status = 403, description = "`permission_denied`: no key for a service account", body = ProblemView),
    (status = 404, description = "`service_account_not_found`", body = ProblemView),
    (status = 409, description = "`too_many_api_keys`", body = ProblemView),
    (status = 422, description = "`invalid_name`, `invalid_scopes` or `invalid_expiry`", body = ProblemView)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Can<permit::ApiKeysWrite>,
    JsonBody(request): JsonBody<ApiKeyRequest>,
) -> ApiResult<(StatusCode, [(HeaderName, HeaderValue); 1], Json<ApiKeyMade>)> {
    let name = name_of(&request.name)?;
    let days = request.expires_in_days.unwrap_or(DAYS);
    if !(1..=MOST_DAYS).contains(&days) {
        let detail = format!("`expires_in_days` is {days}; it goes from 1 to {MOST_DAYS}");
        return Err(ApiError::new(422, "invalid_expiry", detail));
    }
    let org = caller.org_key();
    let (holder, holder_name, role) = match &request.service_account {
        None => (caller.actor().clone(), caller.name().to_owned(), caller.role()),
        Some(id) => {
            if !caller.can(Permission::ServiceAccountsManage) {
                let detail = "a key for a service account needs the permission `service_accounts.manage`";
                return Err(ApiError::new(403, "permission_denied", detail));
            }
            let id = ServiceId::parse(id).map_err(|_| IdOf::<ServiceId>::not_found())?;
            let account = service_accounts::find(&app, org, &id).await?;
            let role = Role::parse(&account.role).unwrap_or(Role::Viewer);
            (Actor::Service(id), account.name, role)
        }
    };
    let scopes = scopes_of(&request.scopes, |scope| caller.can(scope) && role.can(scope))?;
    if app.store.keys(org, None, MOST_KEYS).await?.len() >= MOST_KEYS {
        let detail = format!("an organisation has {MOST_KEYS} API keys at most; delete some first");
        return Err(ApiError::new(409, "too_many_api_keys", detail));
    }
    let drawn = Opaque::draw(OpaqueKind::ApiKey).map_err(|e| internal(&e))?;
    let now = app.now();
    let key = ApiKey {
        id: ApiKeyId::from_bytes(random()),
        name,
        holder,
        holder_name,
        scopes,
        prefix: auth::opaque::shown(&drawn.token),
        created_at: now,
        expires_at: Some(now.plus(Duration::from_hours(24) * days)),
        hash: drawn.hash,
    };
    let record = caller.record(Action::ApiKeyCreated, now).on("api_key", &key.id).after(shown(&key));
    if !app.store.create_key(org, &key, role.as_str(), &record).await? {
        return Err(store::StoreError::Conflict { operation: "create_key" }.into());
    }
    let used = UsedKey {
        key,
        org: org.clone(),
        role: role.to_string(),
        used_at: None,
        addresses: Vec::new(),
        erased: false,
    };
    Ok((StatusCode::CREATED, shown_once(), Json(ApiKeyMade { of: (&used).into(), key: drawn.token })))
}

/// Deletes an API key; it counts no longer from now on.
#[utoipa::path(delete, path = "/v1/api-keys/{id}", tag = "members", params(("id" = String, Path)), security(("token" = [])), responses(
    (status = 204, description = "It counts no longer"),
    (status = 404, description = "`api_key_not_found`", body = ProblemView)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Can<permit::ApiKeysWrite>,
    IdOf(id): IdOf<ApiKeyId>,
) -> ApiResult<StatusCode> {
    let org = caller.org_key();
    let all = caller.can(Permission::ApiKeysManage);
    let found = app.store.key(org, &id).await?;
    let found = found.filter(|used| all || used.key.holder == *caller.actor());
    let key = found.ok_or_else(IdOf::<ApiKeyId>::not_found)?.key;
    let record = caller.record(Action::ApiKeyDeleted, app.now()).on("api_key", &id).before(shown(&key));
    app.store.delete_key(org, &key, Some(&record)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the ledger tells of a key.
fn shown(key: &ApiKey) -> serde_json::Value {
    json!({
        "name": key.name, "holder": key.holder, "scopes": key.scopes, "prefix": key.prefix,
        "expires_at": key.expires_at.map(domain::Millis::rfc3339),
    })
}

fn scopes_of(asked: &[String], may: impl Fn(Permission) -> bool) -> ApiResult<Vec<String>> {
    let mut faults = Vec::new();
    let mut scopes = Vec::new();
    for (i, text) in asked.iter().enumerate() {
        let message = match Permission::parse(text) {
            Some(scope) if may(scope) => {
                if !scopes.contains(text) {
                    scopes.push(text.clone());
                }
                continue;
            }
            Some(_) => format!("`{text}` is more than you and the key's holder have"),
            None => format!("no permission is called `{text}`; `GET /v1/roles` lists them"),
        };
        faults.push(Fault::new(format!("/scopes/{i}"), "invalid_scopes", message));
    }
    if asked.is_empty() {
        faults.push(Fault::new("/scopes", "invalid_scopes", "a key without scopes can do nothing"));
    }
    if faults.is_empty() {
        return Ok(scopes);
    }
    let detail = "the key cannot have these scopes; `errors` says why, and no key was made";
    Err(Problem::new(422, "invalid_scopes", detail).with_errors(faults).into())
}
