//! The organisation itself, and further ones.

use super::auth::person;
use super::setup::{fresh_owner, name_of, random, setup_token_wrong};
use crate::App;
use crate::body::{IdOf, JsonBody};
use crate::error::{ApiError, ApiResult};
use crate::etag::{IfMatch, tagged};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use domain::audit::Action;
use domain::{OrgId, OrgKey, Provenance, Quotas};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{MAX_MEMBERSHIPS, MemberChange, Organization};
use utoipa::ToSchema;

/// An organisation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organization)]
pub(crate) struct OrganizationView {
    #[schema(example = "org_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    id: String,
    #[schema(example = "Analytical Engines")]
    name: String,
    created_at: String,
}

impl From<&Organization> for OrganizationView {
    fn from(org: &Organization) -> Self {
        Self { id: org.id.to_string(), name: org.name.clone(), created_at: org.created_at.rfc3339() }
    }
}

type Tagged<T> = ([(HeaderName, HeaderValue); 1], Json<T>);

pub(super) async fn find(app: &App, org: &OrgKey) -> ApiResult<Organization> {
    let gone = || ApiError::new(404, "organization_not_found", "this organisation is no longer there");
    app.store.organization(org).await?.ok_or_else(gone)
}

/// The organisation that the token is for.
#[utoipa::path(get, path = "/v1/organization", tag = "organization", security(("token" = [])), responses(
    (status = 200, body = OrganizationView),
    (status = 404, description = "`organization_not_found`", body = ProblemView)))]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Can<permit::OrgRead>,
) -> ApiResult<Tagged<OrganizationView>> {
    let org = find(&app, caller.org_key()).await?;
    Ok((tagged(org.revision), Json((&org).into())))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganizationChange {
    #[schema(example = "Difference Engines")]
    name: String,
}

/// Gives the organisation another name.
#[utoipa::path(patch, path = "/v1/organization", tag = "organization", request_body = OrganizationChange,
    params(("if-match" = Option<String>, Header)), security(("token" = [])), responses(
    (status = 200, body = OrganizationView),
    (status = 412, description = "`precondition_failed`: `current` is the tag that it has now", body = ProblemView),
    (status = 422, description = "`invalid_name`", body = ProblemView)))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Can<permit::OrgManage>,
    if_match: IfMatch,
    JsonBody(request): JsonBody<OrganizationChange>,
) -> ApiResult<Tagged<OrganizationView>> {
    let key = caller.org_key();
    let org = find(&app, key).await?;
    if_match.check(org.revision)?;
    let name = name_of(&request.name)?;
    let record = caller.record(Action::OrgChanged, app.now()).on("organization", &org.id);
    let record = record.before(json!({"name": org.name})).after(json!({"name": name}));
    if !app.store.rename_organization(key, &name, org.revision, &record).await? {
        return Err(store::StoreError::Conflict { operation: "rename_organization" }.into());
    }
    let org = Organization { name, revision: org.revision + 1, ..org };
    Ok((tagged(org.revision), Json((&org).into())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganizationRequest {
    /// The set-up token of this deployment: whoever deployed it decides who else shares it.
    token: String,
    #[schema(example = "Difference Engines")]
    name: String,
}

/// Makes a further organisation, whose owner is whoever asks. Go over to it with `POST /v1/auth/refresh`, or sign in to it.
#[utoipa::path(post, path = "/v1/organizations", tag = "organization", request_body = OrganizationRequest,
    security(("token" = [])), responses(
    (status = 201, body = OrganizationView),
    (status = 403, description = "`setup_token_wrong`, or `person_needed`", body = ProblemView),
    (status = 409, description = "`too_many_organizations`", body = ProblemView),
    (status = 422, description = "`invalid_name`", body = ProblemView)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Can<permit::AccountOwn>,
    JsonBody(request): JsonBody<OrganizationRequest>,
) -> ApiResult<(StatusCode, Json<OrganizationView>)> {
    let user = person(&caller)?;
    if !app.keyring().await?.opens_setup(&request.token) {
        return Err(setup_token_wrong());
    }
    let name = name_of(&request.name)?;
    if app.store.memberships(user).await?.len() >= MAX_MEMBERSHIPS {
        let detail = format!("an account belongs to {MAX_MEMBERSHIPS} organisations at most");
        return Err(ApiError::new(409, "too_many_organizations", detail));
    }
    let account = app
        .store
        .user(user)
        .await?
        .ok_or_else(|| ApiError::new(403, "person_needed", "this account is no longer there"))?;
    let org = Organization { id: OrgId::from_bytes(random()), name, created_at: app.now(), revision: 1 };
    let key = OrgKey::verified(org.id.clone(), Provenance::SignIn);
    let record = fresh_owner(&account, &org, caller.origin());
    app.store.create_organization(&org, &account, &key, &record).await?;
    Ok((StatusCode::CREATED, Json((&org).into())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotasRequest {
    /// The set-up token of this deployment: whoever deployed it decides what each organisation may use.
    token: String,
    /// Runs that are started in a day (UTC). `null`, or left out, is without bound.
    #[schema(example = 10_000)]
    runs_per_day: Option<u32>,
    #[schema(example = 50)]
    workflows: Option<u32>,
    #[schema(example = 20)]
    members: Option<u32>,
}

/// What an organisation may use; `null` is without bound.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quotas)]
pub(crate) struct QuotasView {
    #[schema(example = 10_000)]
    runs_per_day: Option<u32>,
    #[schema(example = 50)]
    workflows: Option<u32>,
    #[schema(example = 20)]
    members: Option<u32>,
}

/// Says what an organisation may use, all of it at once. What is there already stays, and runs that were started go on.
#[utoipa::path(put, path = "/v1/organizations/{id}/quotas", tag = "organization", request_body = QuotasRequest,
    params(("id" = String, Path)), security(("token" = [])), responses(
    (status = 200, body = QuotasView),
    (status = 403, description = "`setup_token_wrong`, or `person_needed`", body = ProblemView),
    (status = 404, description = "`organization_not_found`", body = ProblemView)))]
pub(crate) async fn set_quotas(
    State(app): State<App>,
    caller: Can<permit::AccountOwn>,
    IdOf(id): IdOf<OrgId>,
    JsonBody(request): JsonBody<QuotasRequest>,
) -> ApiResult<Json<QuotasView>> {
    person(&caller)?;
    if !app.keyring().await?.opens_setup(&request.token) {
        return Err(setup_token_wrong());
    }
    // Whoever has the token decides this for every organisation.
    let key = OrgKey::verified(id, Provenance::SetupToken);
    if app.store.organization(&key).await?.is_none() {
        return Err(IdOf::<OrgId>::not_found());
    }
    let QuotasRequest { runs_per_day, workflows, members, .. } = request;
    let quotas = Quotas { runs_per_day, workflows, members };
    let before = app.store.quotas(&key).await?;
    let record = caller.record(Action::QuotasChanged, app.now()).on("organization", key.org());
    let record = record.before(json!(before)).after(json!(quotas));
    app.store.set_quotas(&key, &quotas, &record).await?;
    Ok(Json(QuotasView { runs_per_day, workflows, members }))
}

/// Leaves the organisation. An organisation keeps an owner: the last one names another first.
#[utoipa::path(post, path = "/v1/organization/leave", tag = "organization", security(("token" = [])), responses(
    (status = 204, description = "One belongs to it no longer"),
    (status = 403, description = "`person_needed`", body = ProblemView),
    (status = 409, description = "`last_owner`", body = ProblemView)))]
pub(crate) async fn leave(State(app): State<App>, caller: Can<permit::AccountOwn>) -> ApiResult<StatusCode> {
    let user = person(&caller)?;
    super::members::remove(&app, &caller, user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a change of a member that was not made is answered with.
pub(super) fn refused(change: MemberChange) -> ApiResult<()> {
    match change {
        MemberChange::Done => Ok(()),
        MemberChange::LastOwner => {
            let detail = "an organisation keeps an owner: make somebody else one first";
            Err(ApiError::new(409, "last_owner", detail))
        }
        MemberChange::Conflict => Err(store::StoreError::Conflict { operation: "change_member" }.into()),
    }
}
