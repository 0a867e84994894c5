//! Signing in by an OpenID provider: there, and back with a code.

use super::login::organization;
use super::memberships::follow;
use super::password::record;
use super::{Proof, sign_in};
use crate::App;
use crate::body::QueryOf;
use crate::cookies;
use crate::error::{ApiError, ApiResult, internal, unavailable};
use crate::layers::Origin;
use crate::routes::setup::random;
use crate::view::ProblemView;
use auth::Email;
use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::audit::{Action, RequestOrigin};
use domain::id::{base32, digest16};
use domain::{OrgKey, Provenance, UserId};
use oidc::{Identity, OidcError, Pending, Provider};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::{Linked, User};
use utoipa::{IntoParams, ToSchema};

/// How long somebody may take at the provider.
const PENDING_FOR: Duration = Duration::from_mins(10);
/// Where a browser goes that named no other place.
const HOME: &str = "/v1/docs";

/// The provider by which people may sign in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignInProvider {
    /// What to write on the button.
    #[schema(example = "Example Login")]
    name: String,
    /// Where the button leads.
    #[schema(example = "/v1/auth/oidc/start")]
    start: &'static str,
}

/// The provider of this deployment; `None` where there is none.
pub(crate) async fn provider(app: &App) -> ApiResult<Option<Provider>> {
    let keyring = app.keyring().await?;
    let Some(text) = keyring.identity_provider() else { return Ok(None) };
    serde_json::from_str(text.expose()).map(Some).map_err(|_| {
        // The reader's own words could hold the secret.
        internal(&store::StoreError::Corrupt("identity_provider"))
    })
}

async fn required(app: &App) -> ApiResult<Provider> {
    provider(app).await?.ok_or_else(|| {
        ApiError::new(404, "no_identity_provider", "this deployment has no provider: sign in with a password")
    })
}

/// By which provider one may sign in, if by any.
#[utoipa::path(get, path = "/v1/auth/oidc", tag = "sign-in", responses(
    (status = 200, body = SignInProvider),
    (status = 404, description = "`no_identity_provider`", body = ProblemView)))]
pub(crate) async fn oidc_provider(State(app): State<App>) -> ApiResult<Json<SignInProvider>> {
    let provider = required(&app).await?;
    Ok(Json(SignInProvider { name: provider.name, start: "/v1/auth/oidc/start" }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    /// Where to go when signed in: a path of this deployment.
    return_to: Option<String>,
    /// Which of one's organisations; without it, the one joined first.
    organization: Option<String>,
}

/// Sends a browser to the provider.
#[utoipa::path(get, path = "/v1/auth/oidc/start", tag = "sign-in", params(Start), responses(
    (status = 303, description = "To the provider, with a cookie that knows the browser when it comes back"),
    (status = 404, description = "`no_identity_provider`", body = ProblemView),
    (status = 422, description = "`invalid_return_to` or `invalid_organization`", body = ProblemView),
    (status = 502, description = "`provider_unavailable`", body = ProblemView)))]
pub(crate) async fn oidc_start(
    State(app): State<App>,
    QueryOf(query): QueryOf<Start>,
) -> ApiResult<Response> {
    let return_to = query.return_to.unwrap_or_else(|| HOME.to_owned());
    if !is_own_path(&return_to) {
        let detail = "`return_to` is a path of this deployment, such as `/v1/docs`";
        return Err(ApiError::new(422, "invalid_return_to", detail));
    }
    if let Some(org) = &query.organization {
        organization(org)?;
    }
    let provider = required(&app).await?;
    let now = seconds(&app);
    let pending = Pending::begin(return_to, query.organization, now).map_err(|e| internal(&e))?;
    let url = app.oidc.authorization_url(&provider, &pending, &callback_url(&app), now).await;
    let url = url.map_err(|e| refused(&e))?;
    let value = app.signed(cookies::PENDING, &pending.to_text()).await?;
    let cookie = cookies::set_pending(&value, PENDING_FOR, &app.public_url);
    Ok(go(&url, cookie.into_iter()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Answer {
    /// What the provider gives for a token, once.
    code: Option<String>,
    state: Option<String>,
    /// Whose answer it is (RFC 9207).
    iss: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// Where the provider sends the browser back to. Signs in, and goes on to where the sign-in began; the program there gets its access
/// token by `POST /v1/auth/refresh`.
#[utoipa::path(get, path = "/v1/auth/oidc/callback", tag = "sign-in", params(Answer), responses(
    (status = 303, description = "Signed in: to where it began, with the cookie of `POST /v1/auth/refresh`"),
    (status = 400, description = "`sign_in_expired`: this browser began no such sign-in, or too long ago", body = ProblemView),
    (status = 403, description = "`provider_refused`, `identity_refused`, `email_not_verified`, `identity_changed` or `not_a_member`", body = ProblemView),
    (status = 404, description = "`no_identity_provider`", body = ProblemView),
    (status = 409, description = "`quota_exceeded`: the organisations that you would belong to are full", body = ProblemView),
    (status = 502, description = "`provider_unavailable`", body = ProblemView)))]
pub(crate) async fn oidc_callback(
    State(app): State<App>,
    Origin(origin): Origin,
    headers: HeaderMap,
    QueryOf(answer): QueryOf<Answer>,
) -> Response {
    let mut response = finish(&app, &origin, &headers, &answer).await.into_response();
    // Whatever became of it, it is over.
    if let Some(cookie) = cookies::set_pending("", Duration::ZERO, &app.public_url) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

async fn finish(
    app: &App,
    origin: &RequestOrigin,
    headers: &HeaderMap,
    answer: &Answer,
) -> ApiResult<Response> {
    let provider = required(app).await?;
    let now = seconds(app);
    let expired = || {
        let detail = "this browser began no such sign-in, or more than ten minutes ago: begin again";
        ApiError::new(400, "sign_in_expired", detail)
    };
    let text = app.signed_cookie(headers, cookies::PENDING).await?.ok_or_else(expired)?;
    let pending = Pending::parse(text).ok_or_else(expired)?;
    if !answer.state.as_deref().is_some_and(|state| pending.is_answered_by(state, now)) {
        return Err(expired());
    }
    let Some(code) = &answer.code else {
        let detail = format!("the provider let nobody in: {}", shown(answer.error.as_deref()));
        return Err(ApiError::new(403, "provider_refused", detail));
    };
    let iss = answer.iss.as_deref();
    let identity = app.oidc.identify(&provider, &pending, code, iss, &callback_url(app), now).await;
    let identity = identity.map_err(|e| refused(&e))?;
    let user = account(app, &provider, &identity, origin).await?;
    app.store.complete_user(&user).await?;
    follow(app, &provider, &user, &identity, origin).await?;
    let wanted = pending.organization.as_deref().map(organization).transpose()?;
    let signed = sign_in(app, &user, wanted.as_ref(), origin, Proof::Provider).await?;
    Ok(go(&pending.return_to, signed.cookies.into_iter()))
}

/// Whose account it is: the one that the identity is tied to, or the one of its address, which is tied to it then, or a new one.
async fn account(
    app: &App,
    provider: &Provider,
    identity: &Identity,
    origin: &RequestOrigin,
) -> ApiResult<User> {
    let hash = hash_of(&identity.issuer, &identity.subject);
    if let Some(user) = app.store.user_by_identity(&hash).await? {
        return Ok(user);
    }
    let counts = identity.email_verified || !provider.verified_email_only;
    let email = identity.email.as_deref().filter(|_| counts).and_then(|email| Email::parse(email).ok());
    let Some(email) = email else {
        let detail = "the provider does not vouch for an e-mail address of yours";
        return Err(ApiError::new(403, "email_not_verified", detail));
    };
    let user = if let Some(user) = app.store.user_by_email(email.as_str()).await? {
        user
    } else {
        if !somebody_takes_in(app, provider, identity).await? {
            let detail = "you belong to no organisation here; ask for an invitation";
            return Err(ApiError::new(403, "not_a_member", detail));
        }
        let user = User {
            verified: true,
            ..User::new(UserId::from_bytes(random()), email.as_str(), None, app.now())
        };
        if !app.store.create_user(&user).await? {
            return Err(store::StoreError::Conflict { operation: "create_user" }.into());
        }
        user
    };
    // The address of somebody who left may be given to another, who is somebody else.
    let same_issuer = |of: &str| of.split('.').next() == hash.split('.').next();
    if user.identity.as_deref().is_some_and(|tied| tied != hash && same_issuer(tied)) {
        return Err(identity_changed());
    }
    record(app, &user, Action::IdentityLinked, origin).await?;
    if app.store.link_identity(&user, &hash).await? == Linked::Elsewhere {
        return Err(identity_changed());
    }
    if !user.verified {
        // Whoever chose the password that is gone now may be signed in.
        app.store.end_sessions(&user.id, None).await?;
        app.store.refuse_tokens_before(&user.id, seconds(app) + 1).await?;
    }
    Ok(user)
}

/// Whether a rule that fits leads to an organisation that is there, and is not being erased: no account is made for nothing.
async fn somebody_takes_in(app: &App, provider: &Provider, identity: &Identity) -> ApiResult<bool> {
    for rule in provider.matching(&identity.claims) {
        let key = OrgKey::verified(rule.organization.clone(), Provenance::SignIn);
        if app.store.organization(&key).await?.is_some() && app.store.erasure(&key).await?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn identity_changed() -> ApiError {
    let detail = "the account of this address is tied to somebody else at the provider";
    ApiError::new(403, "identity_changed", detail)
}

/// The issuer's hash, and that of issuer and subject.
fn hash_of(issuer: &str, subject: &str) -> String {
    format!("{}.{}", base32(digest16(&["issuer", issuer])), base32(digest16(&["identity", issuer, subject])))
}

fn refused(error: &OidcError) -> ApiError {
    match error {
        OidcError::Unreachable(_) | OidcError::Unexpected { .. } => {
            tracing::error!(%error, "the identity provider cannot be used");
            let detail = format!("the identity provider cannot be used just now: {error}");
            ApiError::new(502, "provider_unavailable", detail)
        }
        OidcError::Refused(_) => ApiError::new(403, "provider_refused", error.to_string()),
        OidcError::NotBelieved(_) => {
            tracing::warn!(%error, "an identity was not believed");
            ApiError::new(403, "identity_refused", error.to_string())
        }
        _ => unavailable(error),
    }
}

fn callback_url(app: &App) -> String {
    format!("{}/v1/auth/oidc/callback", app.public_url)
}

fn seconds(app: &App) -> i64 {
    app.now().0.div_euclid(1000)
}

/// Whether browsers take it for a path of the same site: two slashes begin another one's address, and a backslash is a slash.
pub(crate) fn is_own_path(text: &str) -> bool {
    let mut bytes = text.bytes();
    let begins = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
    begins && text.len() <= 500 && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

/// As much of another site's reason as can be repeated safely.
pub(crate) fn shown(reason: Option<&str>) -> String {
    reason.unwrap_or_default().chars().filter(char::is_ascii_graphic).take(60).collect()
}

pub(crate) fn go(url: &str, cookies: impl Iterator<Item = HeaderValue>) -> Response {
    let Ok(location) = HeaderValue::try_from(url) else {
        return internal(&store::StoreError::Corrupt("location")).into_response();
    };
    let mut headers: HeaderMap = cookies.map(|cookie| (SET_COOKIE, cookie)).collect();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (StatusCode::SEE_OTHER, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_comes_back_to_this_site_only() {
        for own in ["/", "/v1/docs", "/runs?status=failed#x", "/a//b"] {
            assert!(is_own_path(own), "{own}");
        }
        let long = format!("/{}", "x".repeat(500));
        for other in [
            "",
            "x",
            "//evil.example.com",
            "/\\evil.example.com",
            "https://evil",
            "/a\r\nb",
            "/a b",
            "/ü",
            &long,
            "javascript:1",
        ] {
            assert!(!is_own_path(other), "{other}");
        }
    }

    #[test]
    fn an_identity_is_of_its_issuer() {
        let (a, b) = (hash_of("https://a", "ada"), hash_of("https://b", "ada"));
        assert_ne!(a, b);
        assert_eq!(a.split('.').next(), hash_of("https://a", "eve").split('.').next());
        assert_ne!(a.split('.').next(), b.split('.').next());
    }
}
