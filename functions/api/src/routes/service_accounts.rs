//! Programs that act in the organisation by API keys of their own.

use super::members::{PageQuery, may_grant, role_of};
use super::setup::{name_of, random};
use crate::App;
use crate::body::{IdOf, JsonBody, QueryOf};
use crate::error::{ApiError, ApiResult};
use crate::etag::{IfMatch, tagged};
use crate::page;
use crate::view::ProblemView;
use auth::{Can, Role, permit};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use domain::audit::Action;
use domain::{OrgKey, ServiceId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::ServiceAccount;
use utoipa::ToSchema;

/// A program that acts in an organisation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceAccount)]
pub(crate) struct ServiceAccountView {
    #[schema(example = "sa_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    id: String,
    #[schema(example = "deploy pipeline")]
    name: String,
    #[schema(example = "operator")]
    role: String,
    created_at: String,
}

impl From<&ServiceAccount> for ServiceAccountView {
    fn from(account: &ServiceAccount) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name.clone(),
            role: account.role.clone(),
            created_at: account.created_at.rfc3339(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceAccountList {
    items: Vec<ServiceAccountView>,
    /// Present when there are more.
    next_cursor: Option<String>,
}

type Tagged<T> = ([(HeaderName, HeaderValue); 1], Json<T>);

/// Lists service accounts.
#[utoipa::path(get, path = "/v1/service-accounts", tag = "members", params(PageQuery), security(("token" = [])), responses(
    (status = 200, body = ServiceAccountList),
    (status = 422, description = "a parameter that cannot be", body = ProblemView)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Can<permit::MembersRead>,
    QueryOf(query): QueryOf<PageQuery>,
) -> ApiResult<Json<ServiceAccountList>> {
    let limit = page::limit(query.limit)?;
    let pages = app.pages("service accounts", caller.org_key()).await?;
    let after = pages.decode(query.cursor.as_deref())?.and_then(|id| ServiceId::parse(&id).ok());
    let mut found = app.store.service_accounts(caller.org_key(), after.as_ref(), limit + 1).await?;
    let next_cursor = pages.cut(&mut found, limit, |account| account.id.to_string());
    Ok(Json(ServiceAccountList { items: found.iter().map(Into::into).collect(), next_cursor }))
}

/// What a service account is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceAccountRequest {
    #[schema(example = "deploy pipeline")]
    name: String,
    /// `admin`, `editor`, `operator` or `viewer`.
    #[schema(example = "operator")]
    role: String,
}

/// Makes a service account. It acts by API keys: `POST /v1/api-keys` with its id.
#[utoipa::path(post, path = "/v1/service-accounts", tag = "members", request_body = ServiceAccountRequest, security(("token" = [])), responses(
    (status = 201, body = ServiceAccountView),
    (status = 403, description = "`permission_denied`", body = ProblemView),
    (status = 422, description = "`invalid_name` or `invalid_role`", body = ProblemView)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Can<permit::ServiceAccountsManage>,
    JsonBody(request): JsonBody<ServiceAccountRequest>,
) -> ApiResult<(StatusCode, Tagged<ServiceAccountView>)> {
    let (name, role) = (name_of(&request.name)?, program_role(&request.role)?);
    may_grant(&caller, role.as_str())?;
    let account = ServiceAccount {
        id: ServiceId::from_bytes(random()),
        name,
        role: role.to_string(),
        created_at: app.now(),
        revision: 1,
    };
    let record = caller.record(Action::ServiceCreated, app.now()).on("service_account", &account.id);
    let record = record.after(json!({"name": account.name, "role": account.role}));
    if !app.store.save_service_account(caller.org_key(), &account, &record).await? {
        return Err(conflict());
    }
    Ok((StatusCode::CREATED, (tagged(1), Json((&account).into()))))
}

/// One service account.
#[utoipa::path(get, path = "/v1/service-accounts/{id}", tag = "members", params(("id" = String, Path)), security(("token" = [])), responses(
    (status = 200, body = ServiceAccountView),
    (status = 404, description = "`service_account_not_found`", body = ProblemView)))]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Can<permit::MembersRead>,
    IdOf(id): IdOf<ServiceId>,
) -> ApiResult<Tagged<ServiceAccountView>> {
    let account = find(&app, caller.org_key(), &id).await?;
    Ok((tagged(account.revision), Json((&account).into())))
}

/// Gives a service account another name and role. It counts at once, for its API keys, too.
#[utoipa::path(put, path = "/v1/service-accounts/{id}", tag = "members", request_body = ServiceAccountRequest,
    params(("id" = String, Path), ("if-match" = Option<String>, Header)), security(("token" = [])), responses(
    (status = 200, body = ServiceAccountView),
    (status = 403, description = "`permission_denied`", body = ProblemView),
    (status = 404, description = "`service_account_not_found`", body = ProblemView),
    (status = 409, description = "`conflict`", body = ProblemView),
    (status = 412, description = "`precondition_failed`", body = ProblemView),
    (status = 422, description = "`invalid_name` or `invalid_role`", body = ProblemView)))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Can<permit::ServiceAccountsManage>,
    IdOf(id): IdOf<ServiceId>,
    if_match: IfMatch,
    JsonBody(request): JsonBody<ServiceAccountRequest>,
) -> ApiResult<Tagged<ServiceAccountView>> {
    let (name, role) = (name_of(&request.name)?, program_role(&request.role)?);
    let org = caller.org_key();
    let account = find(&app, org, &id).await?;
    if_match.check(account.revision)?;
    may_grant(&caller, &account.role)?;
    may_grant(&caller, role.as_str())?;
    let record = caller.record(Action::ServiceChanged, app.now()).on("service_account", &id);
    let record = record
        .before(json!({"name": account.name, "role": account.role}))
        .after(json!({"name": name, "role": role}));
    let account = ServiceAccount { name, role: role.to_string(), revision: account.revision + 1, ..account };
    if !app.store.save_service_account(org, &account, &record).await? {
        return Err(conflict());
    }
    Ok((tagged(account.revision), Json((&account).into())))
}

/// Deletes a service account, and its API keys with it.
#[utoipa::path(delete, path = "/v1/service-accounts/{id}", tag = "members", params(("id" = String, Path)), security(("token" = [])), responses(
    (status = 204, description = "It acts no longer"),
    (status = 404, description = "`service_account_not_found`", body = ProblemView)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Can<permit::ServiceAccountsManage>,
    IdOf(id): IdOf<ServiceId>,
) -> ApiResult<StatusCode> {
    let org = caller.org_key();
    let account = find(&app, org, &id).await?;
    let record = caller.record(Action::ServiceDeleted, app.now()).on("service_account", &id);
    let record = record.before(json!({"name": account.name, "role": account.role}));
    if app.store.delete_service_account(org, &id, &record).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(IdOf::<ServiceId>::not_found())
}

pub(super) async fn find(app: &App, org: &OrgKey, id: &ServiceId) -> ApiResult<ServiceAccount> {
    app.store.service_account(org, id).await?.ok_or_else(IdOf::<ServiceId>::not_found)
}

/// Programs own nothing.
fn program_role(text: &str) -> ApiResult<Role> {
    match role_of(text)? {
        Role::Owner => {
            let detail = "a service account is no owner: `role` is `admin`, `editor`, `operator` or `viewer`";
            Err(ApiError::new(422, "invalid_role", detail))
        }
        role => Ok(role),
    }
}

fn conflict() -> ApiError {
    store::StoreError::Conflict { operation: "save_service_account" }.into()
}
