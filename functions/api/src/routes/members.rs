//! Who belongs to the organisation.

use super::organization::refused;
use crate::App;
use crate::body::{IdOf, JsonBody, QueryOf};
use crate::error::{ApiError, ApiResult};
use crate::page;
use crate::view::ProblemView;
use auth::{Caller, Can, Role, permit};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::audit::Action;
use domain::{OrgKey, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::Member;
use utoipa::{IntoParams, ToSchema};

/// A person in an organisation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub(crate) struct MemberView {
    #[schema(example = "usr_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    id: String,
    #[schema(example = "ada@example.com")]
    email: String,
    #[schema(example = "editor")]
    role: String,
    joined_at: String,
    /// Whether the role is what the identity provider says, and follows it with each sign-in.
    managed: bool,
}

impl From<&Member> for MemberView {
    fn from(member: &Member) -> Self {
        Self {
            id: member.user.to_string(),
            email: member.email.clone(),
            role: member.role.clone(),
            joined_at: member.joined_at.rfc3339(),
            managed: member.managed,
        }
    }
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// `next_cursor` of the page before.
    pub(super) cursor: Option<String>,
    /// 1 to 100; default 50.
    pub(super) limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberList {
    items: Vec<MemberView>,
    /// Present when there are more.
    next_cursor: Option<String>,
}

/// Lists the people of the organisation.
#[utoipa::path(get, path = "/v1/members", tag = "members", params(PageQuery), security(("token" = [])), responses(
    (status = 200, body = MemberList),
    (status = 422, description = "a parameter that cannot be", body = ProblemView)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Can<permit::MembersRead>,
    QueryOf(query): QueryOf<PageQuery>,
) -> ApiResult<Json<MemberList>> {
    let limit = page::limit(query.limit)?;
    let pages = app.pages("members", caller.org_key()).await?;
    let after = pages.decode(query.cursor.as_deref())?.and_then(|id| UserId::parse(&id).ok());
    let mut found = app.store.members(caller.org_key(), after.as_ref(), limit + 1).await?;
    let next_cursor = pages.cut(&mut found, limit, |member| member.user.to_string());
    Ok(Json(MemberList { items: found.iter().map(Into::into).collect(), next_cursor }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberChangeRequest {
    /// `owner`, `admin`, `editor`, `operator` or `viewer`.
    #[schema(example = "editor")]
    role: String,
}

/// Gives a member another role. Only owners make owners, or take that from one; it counts at once.
#[utoipa::path(patch, path = "/v1/members/{id}", tag = "members", params(("id" = String, Path)),
    request_body = MemberChangeRequest, security(("token" = [])), responses(
    (status = 200, body = MemberView),
    (status = 403, description = "`permission_denied`: only owners make owners", body = ProblemView),
    (status = 404, description = "`member_not_found`", body = ProblemView),
    (status = 409, description = "`last_owner`, or `conflict`", body = ProblemView),
    (status = 422, description = "`invalid_role`", body = ProblemView)))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Can<permit::MembersManage>,
    IdOf(id): IdOf<UserId>,
    JsonBody(request): JsonBody<MemberChangeRequest>,
) -> ApiResult<Json<MemberView>> {
    let role = role_of(&request.role)?;
    let org = caller.org_key();
    let member = app.store.member(org, &id).await?.ok_or_else(IdOf::<UserId>::not_found)?;
    may_grant(&caller, &member.role)?;
    may_grant(&caller, role.as_str())?;
    if member.role != role.as_str() {
        let record = caller.record(Action::MemberChanged, app.now()).on("member", &id);
        let record = record.before(json!({"role": member.role})).after(json!({"role": role}));
        refused(app.store.change_role(org, &member, role.as_str(), &record).await?)?;
    }
    Ok(Json((&Member { role: role.to_string(), ..member }).into()))
}

/// Removes a member. Its tokens and API keys count no longer; what it made stays.
#[utoipa::path(delete, path = "/v1/members/{id}", tag = "members", params(("id" = String, Path)),
    security(("token" = [])), responses(
    (status = 204, description = "It belongs to the organisation no longer"),
    (status = 403, description = "`permission_denied`: only owners remove owners", body = ProblemView),
    (status = 404, description = "`member_not_found`", body = ProblemView),
    (status = 409, description = "`last_owner`, or `conflict`", body = ProblemView)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Can<permit::MembersManage>,
    IdOf(id): IdOf<UserId>,
) -> ApiResult<StatusCode> {
    let member = app.store.member(caller.org_key(), &id).await?.ok_or_else(IdOf::<UserId>::not_found)?;
    may_grant(&caller, &member.role)?;
    remove(&app, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a member, and ends its sessions here.
pub(super) async fn remove(app: &App, caller: &Caller, id: &UserId) -> ApiResult<()> {
    let org = caller.org_key();
    let member = app.store.member(org, id).await?.ok_or_else(IdOf::<UserId>::not_found)?;
    let record = caller.record(Action::MemberRemoved, app.now()).on("member", id);
    let record = record.before(json!({"email": member.email, "role": member.role}));
    refused(app.store.remove_member(org, &member, &record).await?)?;
    end_sessions_in(app, org, id).await
}

/// Ends the sessions that somebody has in an organisation.
pub(super) async fn end_sessions_in(app: &App, org: &OrgKey, id: &UserId) -> ApiResult<()> {
    for session in app.store.sessions(id, app.now()).await? {
        if session.org == *org.org() {
            app.store.end_session(id, &session.id).await?;
        }
    }
    Ok(())
}

pub(super) fn role_of(text: &str) -> ApiResult<Role> {
    Role::parse(text).ok_or_else(|| {
        let known: Vec<_> = Role::ALL.iter().map(|role| format!("`{role}`")).collect();
        ApiError::new(422, "invalid_role", format!("`role` is one of {}", known.join(", ")))
    })
}

/// Whether the caller may give somebody this role, or take it.
pub(super) fn may_grant(caller: &Caller, role: &str) -> ApiResult<()> {
    match Role::parse(role) {
        Some(role) if !caller.role().may_grant(role) => {
            let detail = format!("the role `{}` does not give or take the role `{role}`", caller.role());
            Err(ApiError::new(403, "permission_denied", detail))
        }
        _ => Ok(()),
    }
}
