//! Setting another password: with the present one, or with a link that was mailed.

use super::{attempt, check_password, person};
use crate::App;
use crate::body::JsonBody;
use crate::error::{ApiError, ApiResult, internal};
use crate::layers::Origin;
use crate::routes::setup::email_of;
use crate::view::ProblemView;
use auth::{Can, Email, NewPassword, Opaque, OpaqueKind, permit, record_of};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::audit::{Action, RequestOrigin};
use domain::id::{base32, digest16};
use domain::{Actor, OrgKey, Provenance};
use mailer::Mail;
use serde::Deserialize;
use std::time::Duration;
use store::{User, Window};
use utoipa::ToSchema;

/// How long a mailed link counts.
const LINK_COUNTS: Duration = Duration::from_hours(1);
/// How many links are mailed to one address in that time, and how many one origin may ask for.
const LINKS: u32 = 3;
const LINKS_OF_ORIGIN: u32 = 20;
/// Asking for a link takes so long, whether there is an account or not.
const EVENLY: Duration = Duration::from_secs(1);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The present password.
    current: String,
    /// At least 12 characters.
    #[schema(example = "another horse battery staple")]
    new: String,
}

/// Sets another password for one's own account. All other sessions end; their access tokens count until they expire, a quarter of an
/// hour at most.
#[utoipa::path(post, path = "/v1/auth/password", tag = "sign-in", request_body = PasswordChange, security(("token" = [])), responses(
    (status = 204, description = "It is set"),
    (status = 401, description = "`sign_in_failed`: `current` is not the password", body = ProblemView),
    (status = 422, description = "`password_too_short` or `password_too_long`", body = ProblemView),
    (status = 429, description = "`too_many_attempts`", body = ProblemView),
))]
pub(crate) async fn change_password(
    State(app): State<App>,
    caller: Can<permit::AccountOwn>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<PasswordChange>,
) -> ApiResult<StatusCode> {
    let id = person(&caller)?;
    let new = new_password(request.new)?;
    let user = app.store.user(id).await?;
    let email = user.as_ref().and_then(|user| Email::parse(&user.email).ok());
    let attempt = attempt(&app, email.as_ref(), &headers, caller.origin()).await?;
    let correct = check_password(&app, &attempt, user.as_ref(), request.current, caller.origin()).await?;
    let Some(user) = user.filter(|_| correct) else {
        return Err(ApiError::new(401, "sign_in_failed", "`current` is not this account's password"));
    };
    let hash = app.passwords.hash(new).await.map_err(|e| internal(&e))?;
    app.store
        .record(caller.org_key(), &caller.record(Action::PasswordChanged, app.now()).on("member", id))
        .await?;
    app.store.set_password(&user.email, &hash, false).await?;
    app.store.end_sessions(&user.id, caller.session()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn new_password(text: String) -> ApiResult<NewPassword> {
    NewPassword::parse(text).map_err(|e| ApiError::new(422, e.code(), e.to_string()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetRequest {
    #[schema(example = "ada@example.com")]
    email: String,
}

/// Mails a link with which a forgotten password can be replaced, if there is such an account. The answer does not tell.
#[utoipa::path(post, path = "/v1/auth/password-reset", tag = "sign-in", request_body = ResetRequest, responses(
    (status = 202, description = "If there is such an account, a mail is on its way"),
    (status = 422, description = "`email_invalid`", body = ProblemView),
))]
pub(crate) async fn ask_reset(
    State(app): State<App>,
    Origin(origin): Origin,
    JsonBody(request): JsonBody<ResetRequest>,
) -> ApiResult<StatusCode> {
    let began = app.now();
    let email = email_of(&request.email)?;
    if let Err(error) = mail_reset(&app, &email, &origin).await {
        // An answer that told of it would tell that there is an account.
        tracing::error!(error = ?error, "a link to set a password was not mailed");
    }
    let past = began.until(app.now());
    app.clock.sleep(EVENLY.saturating_sub(past)).await;
    Ok(StatusCode::ACCEPTED)
}

async fn mail_reset(app: &App, email: &Email, origin: &RequestOrigin) -> ApiResult<()> {
    let window = Window::at(app.now(), LINK_COUNTS);
    let account = base32(digest16(&["account", email.as_str()]));
    let of_origin = app.store.count(&format!("reset#from#{}", origin.ip), window, 1).await?;
    let of_account = app.store.count(&format!("reset#{account}"), window, 1).await?;
    let user = app.store.user_by_email(email.as_str()).await?;
    let Some(user) = user.filter(|_| of_account <= LINKS && of_origin <= LINKS_OF_ORIGIN) else {
        return Ok(());
    };
    let drawn = Opaque::draw(OpaqueKind::PasswordReset).map_err(|e| internal(&e))?;
    record(app, &user, Action::PasswordResetAsked, origin).await?;
    app.store.create_reset(&drawn.hash, &user, app.now().plus(LINK_COUNTS)).await?;
    let url = &app.public_url;
    let mail = Mail {
        to: user.email.clone(),
        subject: "Set a new password".to_owned(),
        text: format!(
            "Somebody asked to set a new password for your account at {url}.\n\n\
             This link counts for an hour, and once:\n{url}/set-password#{}\n\n\
             If it was not you, you need not do anything: your password stays as it is.\n",
            drawn.token
        ),
    };
    app.mailer.send(&mail).await.map_err(|e| internal(&e))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetConfirmation {
    /// What stands behind the `#` in the mailed link.
    token: String,
    /// At least 12 characters.
    #[schema(example = "another horse battery staple")]
    password: String,
}

/// Sets another password with the token of a mailed link, which counts once. All sessions of the account end.
#[utoipa::path(post, path = "/v1/auth/password-reset/confirm", tag = "sign-in", request_body = ResetConfirmation, responses(
    (status = 204, description = "It is set; sign in with it"),
    (status = 404, description = "`reset_not_found`: used, over, or none", body = ProblemView),
    (status = 422, description = "`password_too_short` or `password_too_long`", body = ProblemView),
))]
pub(crate) async fn confirm_reset(
    State(app): State<App>,
    Origin(origin): Origin,
    JsonBody(request): JsonBody<ResetConfirmation>,
) -> ApiResult<StatusCode> {
    let gone = || ApiError::new(404, "reset_not_found", "this link was used or is over; ask for another");
    // Looked at first: a link is not used up by a password that cannot be.
    let new = new_password(request.password)?;
    let hash = auth::opaque::hash_of(OpaqueKind::PasswordReset, &request.token).ok_or_else(gone)?;
    let now = app.now();
    let email = app.store.take_reset(&hash, now).await?.ok_or_else(gone)?;
    let user = app.store.user_by_email(&email).await?.ok_or_else(gone)?;
    let hash = app.passwords.hash(new).await.map_err(|e| internal(&e))?;
    record(&app, &user, Action::PasswordChanged, &origin).await?;
    app.store.set_password(&user.email, &hash, true).await?;
    app.store.end_sessions(&user.id, None).await?;
    app.store.refuse_tokens_before(&user.id, now.0.div_euclid(1000) + 1).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is about an account goes into the ledgers of all its organisations.
pub(super) async fn record(app: &App, user: &User, action: Action, origin: &RequestOrigin) -> ApiResult<()> {
    for org in app.store.memberships(&user.id).await? {
        let key = OrgKey::verified(org, Provenance::SignIn);
        let record = record_of(Actor::User(user.id.clone()), &user.email, action, app.now(), origin);
        app.store.record(&key, &record.on("member", &user.id)).await?;
    }
    Ok(())
}
