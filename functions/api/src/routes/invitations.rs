//! Asking people into the organisation.

use super::auth::{Proof, SignedIn, attempt, check_password, new_password, sign_in};
use super::members::{PageQuery, may_grant, role_of};
use super::setup::{email_of, random};
use super::usage::{one_more_member, within};
use crate::App;
use crate::body::{IdOf, JsonBody, QueryOf};
use crate::error::{ApiError, ApiResult, internal, unavailable};
use crate::layers::{Origin, shown_once};
use crate::page;
use crate::view::ProblemView;
use auth::{Can, Email, Opaque, OpaqueKind, permit, record_of};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::audit::Action;
use domain::{Actor, InvitationId, UserId};
use futures::future::try_join;
use mailer::{Mail, MailError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use store::{Invitation, Member, User};
use utoipa::ToSchema;

/// How long an invitation counts.
const COUNTS: Duration = Duration::from_hours(7 * 24);

/// Somebody who was asked in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
pub(crate) struct InvitationView {
    #[schema(example = "inv_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    id: String,
    #[schema(example = "grace@example.com")]
    email: String,
    #[schema(example = "editor")]
    role: String,
    /// Who asked.
    #[schema(example = "ada@example.com")]
    invited_by: String,
    created_at: String,
    expires_at: String,
    /// What to hand over yourself, where this deployment sends no mail; told once.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

impl From<&Invitation> for InvitationView {
    fn from(invitation: &Invitation) -> Self {
        Self {
            id: invitation.id.to_string(),
            email: invitation.email.clone(),
            role: invitation.role.clone(),
            invited_by: invitation.by.clone(),
            created_at: invitation.created_at.rfc3339(),
            expires_at: invitation.expires_at.rfc3339(),
            link: None,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InvitationList {
    items: Vec<InvitationView>,
    /// Present when there are more.
    next_cursor: Option<String>,
}

/// Lists open invitations.
#[utoipa::path(get, path = "/v1/invitations", tag = "members", params(PageQuery), security(("token" = [])), responses(
    (status = 200, body = InvitationList),
    (status = 422, description = "a parameter that cannot be", body = ProblemView)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Can<permit::MembersManage>,
    QueryOf(query): QueryOf<PageQuery>,
) -> ApiResult<Json<InvitationList>> {
    let limit = page::limit(query.limit)?;
    let pages = app.pages("invitations", caller.org_key()).await?;
    let after = pages.decode(query.cursor.as_deref())?.and_then(|id| InvitationId::parse(&id).ok());
    let mut found = app.store.invitations(caller.org_key(), after.as_ref(), limit + 1).await?;
    let next_cursor = pages.cut(&mut found, limit, |invitation| invitation.id.to_string());
    let now = app.now();
    let open = found.iter().filter(|invitation| invitation.expires_at > now);
    Ok(Json(InvitationList { items: open.map(Into::into).collect(), next_cursor }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationRequest {
    #[schema(example = "grace@example.com")]
    email: String,
    /// `owner`, `admin`, `editor`, `operator` or `viewer`.
    #[schema(example = "editor")]
    role: String,
}

/// Asks somebody in. The mailed link counts for seven days, and once.
#[utoipa::path(post, path = "/v1/invitations", tag = "members", request_body = InvitationRequest, security(("token" = [])), responses(
    (status = 201, body = InvitationView),
    (status = 403, description = "`permission_denied`: only owners make owners", body = ProblemView),
    (status = 409, description = "`already_member`, or `quota_exceeded`", body = ProblemView),
    (status = 422, description = "`email_invalid` or `invalid_role`", body = ProblemView)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Can<permit::MembersManage>,
    JsonBody(request): JsonBody<InvitationRequest>,
) -> ApiResult<(StatusCode, [(HeaderName, HeaderValue); 1], Json<InvitationView>)> {
    let email = email_of(&request.email)?;
    let role = role_of(&request.role)?;
    may_grant(&caller, role.as_str())?;
    let org = caller.org_key();
    if let Some(user) = app.store.user_by_email(email.as_str()).await?
        && app.store.member(org, &user.id).await?.is_some()
    {
        return Err(already_member());
    }
    if let Some(quota) = app.store.quotas(org).await?.members {
        let (members, open) =
            try_join(app.store.count_members(org), app.store.count_invitations(org, app.now())).await?;
        within("members and open invitations", Some(quota), members + open)?;
    }
    let drawn = Opaque::draw(OpaqueKind::Invitation).map_err(|e| internal(&e))?;
    let now = app.now();
    let invitation = Invitation {
        id: InvitationId::from_bytes(random()),
        email: email.as_str().to_owned(),
        role: role.to_string(),
        by: caller.name().to_owned(),
        created_at: now,
        expires_at: now.plus(COUNTS),
        hash: drawn.hash,
    };
    let record = caller.record(Action::InvitationCreated, now).on("invitation", &invitation.id);
    let record = record.after(json!({"email": invitation.email, "role": invitation.role}));
    app.store.create_invitation(org, &invitation, &record).await?;
    let organization = app.store.organization(org).await?.map(|org| org.name).unwrap_or_default();
    let url = &app.public_url;
    let link = format!("{url}/join#{}", drawn.token);
    let mail = Mail {
        to: invitation.email.clone(),
        subject: format!("{} asks you to join {organization}", caller.name()),
        text: format!(
            "{} asks you to join {organization} on Patchbay, as {role}.\n\n\
             This link counts for seven days, and once:\n{link}\n",
            caller.name()
        ),
    };
    let mut view = InvitationView::from(&invitation);
    match app.mailer.send(&mail).await {
        Ok(()) => {}
        Err(MailError::NotConfigured) => view.link = Some(link),
        Err(error) => return Err(unavailable(&error)),
    }
    // Its link, where there is one, is told once.
    Ok((StatusCode::CREATED, shown_once(), Json(view)))
}

/// Withdraws an invitation.
#[utoipa::path(delete, path = "/v1/invitations/{id}", tag = "members", params(("id" = String, Path)), security(("token" = [])), responses(
    (status = 204, description = "Its link counts no longer"),
    (status = 404, description = "`invitation_not_found`", body = ProblemView)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Can<permit::MembersManage>,
    IdOf(id): IdOf<InvitationId>,
) -> ApiResult<StatusCode> {
    let org = caller.org_key();
    let found = app.store.invitation(org, &id, app.now()).await?;
    let found = found.ok_or_else(IdOf::<InvitationId>::not_found)?;
    let record = caller.record(Action::InvitationDeleted, app.now()).on("invitation", &id);
    let record = record.before(json!({"email": found.email, "role": found.role}));
    if app.store.delete_invitation(org, &found, &record).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(IdOf::<InvitationId>::not_found())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acceptance {
    /// What stands behind the `#` in the mailed link.
    token: String,
    /// That of the account, if the address has one; else the new account's, of at least 12 characters.
    #[schema(example = "correct horse battery staple")]
    password: String,
}

/// Takes an invitation, and signs in. An address that has no account yet gets one.
#[utoipa::path(post, path = "/v1/invitations/accept", tag = "sign-in", request_body = Acceptance, responses(
    (status = 200, body = super::auth::Tokens),
    (status = 401, description = "`sign_in_failed`: there is an account, and this is not its password", body = ProblemView),
    (status = 404, description = "`invitation_not_found`: used, over, or none", body = ProblemView),
    (status = 409, description = "`already_member`, or `quota_exceeded`", body = ProblemView),
    (status = 422, description = "`password_too_short` or `password_too_long`", body = ProblemView),
    (status = 429, description = "`too_many_attempts`", body = ProblemView)))]
pub(crate) async fn accept(
    State(app): State<App>,
    Origin(origin): Origin,
    headers: HeaderMap,
    JsonBody(request): JsonBody<Acceptance>,
) -> ApiResult<Response> {
    let gone = IdOf::<InvitationId>::not_found;
    let hash = auth::opaque::hash_of(OpaqueKind::Invitation, &request.token).ok_or_else(gone)?;
    let now = app.now();
    let (org, invitation) = app.store.invitation_by_hash(&hash, now).await?.ok_or_else(gone)?;
    // It may have become smaller since the invitation was sent.
    one_more_member(&app, &org).await?;
    let email = Email::parse(&invitation.email).map_err(|e| internal(&e))?;
    let user = if let Some(user) = app.store.user_by_email(email.as_str()).await? {
        let attempt = attempt(&app, Some(&email), &headers, &origin).await?;
        if !check_password(&app, &attempt, Some(&user), request.password, &origin).await? {
            let detail = "this address has an account already; send that account's password";
            return Err(ApiError::new(401, "sign_in_failed", detail));
        }
        app.store.complete_user(&user).await?;
        user
    } else {
        new_account(&app, &invitation, request.password).await?
    };
    if app.store.member(&org, &user.id).await?.is_some() {
        return Err(already_member());
    }
    let member = Member::new(&user, &invitation.role, now);
    let actor = Actor::User(user.id.clone());
    let record = record_of(actor, &user.email, Action::MemberAdded, now, &origin).on("member", &user.id);
    let record =
        record.after(json!({"email": user.email, "role": invitation.role, "invited_by": invitation.by}));
    if !app.store.add_member(&org, &member, Some(&invitation), &record).await? {
        return Err(gone());
    }
    let done: SignedIn =
        sign_in(&app, &user, Some(org.org()), &origin, Proof::Password { known_device: false }).await?;
    Ok(done.into_response())
}

/// An account for an address that has none.
async fn new_account(app: &App, invitation: &Invitation, password: String) -> ApiResult<User> {
    let password = new_password(password)?;
    let user = User::new(
        UserId::from_bytes(random()),
        &invitation.email,
        Some(app.passwords.hash(password).await.map_err(|e| internal(&e))?),
        app.now(),
    );
    if app.store.create_user(&user).await? {
        return Ok(user);
    }
    Err(store::StoreError::Conflict { operation: "create_user" }.into())
}

fn already_member() -> ApiError {
    ApiError::new(409, "already_member", "this address belongs to the organisation already")
}
