//! A user's consent: to the app, and back with a code for tokens.

use super::pending::{LASTS, Pending};
use super::{fetcher, is_by_user, redirect_uri};
use crate::App;
use crate::body::{IdOf, JsonBody, QueryOf};
use crate::cookies;
use crate::error::{ApiError, ApiResult, unavailable};
use crate::layers::Origin;
use crate::routes::auth::{go, is_own_path, person, shown};
use crate::routes::connections::{find, told};
use crate::routes::connectors::unknown;
use crate::view::ProblemView;
use auth::{AuthState as _, Can, Permission, permit, record_of};
use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{AppendHeaders, IntoResponse, Response};
use calls::tokens::{Client, NoTokens, Server};
use connectors::manifest::OAuth2;
use connectors::{Manifest, evaluate};
use domain::audit::{Action, Actor, RequestOrigin};
use domain::connection::{Connection, ConnectionStatus, Tokens};
use domain::id::{base32, digest16};
use domain::run::StepError;
use domain::{ConnectionId, OrgKey, Provenance};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::{StoreError, TokenChange, Window};
use url::Url;
use utoipa::{IntoParams, ToSchema};

/// Where a browser goes that named no other place.
const HOME: &str = "/v1/docs";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizeRequest {
    /// Where the browser goes afterwards: a path of this deployment.
    #[schema(example = "/v1/docs")]
    return_to: Option<String>,
}

/// Where the user agrees.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Authorization {
    /// To be opened in the browser that asked, within ten minutes.
    #[schema(example = "https://slack.com/oauth/v2/authorize?response_type=code&client_id=2141029472.3214")]
    url: String,
}

type WithCookie<T> = (AppendHeaders<Vec<(HeaderName, HeaderValue)>>, Json<T>);

/// Begins a user's consent. The answer sets a cookie by which the browser is known when it comes back: open the address in that browser.
#[utoipa::path(post, path = "/v1/connections/{id}/authorize", tag = "connections", params(("id" = String, Path)),
    request_body = AuthorizeRequest, security(("token" = [])), responses(
    (status = 200, body = Authorization),
    (status = 403, description = "`person_needed`: programs cannot agree to anything", body = ProblemView),
    (status = 404, description = "`connection_not_found`", body = ProblemView),
    (status = 409, description = "`no_consent_needed`, or `oauth_client_missing`: set one with `PUT /v1/connectors/{name}/oauth-client`", body = ProblemView),
    (status = 422, description = "`invalid_return_to`", body = ProblemView)))]
pub(crate) async fn authorize(
    State(app): State<App>,
    caller: Can<permit::ConnectionsWrite>,
    IdOf(id): IdOf<ConnectionId>,
    JsonBody(request): JsonBody<AuthorizeRequest>,
) -> ApiResult<WithCookie<Authorization>> {
    let user = person(&caller)?.clone();
    let return_to = request.return_to.unwrap_or_else(|| HOME.to_owned());
    if !is_own_path(&return_to) {
        let detail = "`return_to` is a path of this deployment, such as `/v1/docs`";
        return Err(ApiError::new(422, "invalid_return_to", detail));
    }
    let kept = find(&app, caller.org_key(), &id).await?;
    let manifest =
        app.connector(caller.org_key(), &kept.connection.connector, None).await?.ok_or_else(unknown)?;
    let oauth2 = by_user(&manifest, &kept.connection)?;
    let client = client(&app, caller.org_key(), &manifest).await?;
    let now = seconds(&app);
    let who = (user, caller.session().cloned());
    let pending = Pending::begin(caller.org().clone(), id, who, return_to, now)?;
    let url = address(&app, oauth2, &kept.connection, &client, &pending)?;
    let value = app.signed(cookies::CONSENT, &pending.to_text()).await?;
    let kept_for = Duration::from_secs(LASTS.unsigned_abs());
    let cookie = cookies::set_consent(&value, kept_for, &app.public_url);
    let no_store = (CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let headers = cookie.map(|cookie| (SET_COOKIE, cookie)).into_iter().chain([no_store]).collect();
    Ok((AppendHeaders(headers), Json(Authorization { url })))
}

/// The address at which the app asks its user (RFC 6749, 4.1.1).
fn address(
    app: &App,
    oauth2: &OAuth2,
    connection: &Connection,
    client: &Client,
    pending: &Pending,
) -> ApiResult<String> {
    let scope = json!({"connection": connection.fields});
    let url = evaluate(&oauth2.authorize_url, &scope, app.now().0).ok();
    let url = url.as_ref().and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
    let own = |url: &Url| oauth2.asks_at.as_ref().is_some_and(|hosts| hosts.holds(url.as_str()));
    let Some(mut url) = url.filter(own) else {
        let detail = "the fields of this connection make no address at which one could agree";
        return Err(ApiError::new(422, "invalid_connection", detail));
    };
    let mut asked = url.query_pairs_mut();
    asked.append_pair("response_type", "code").append_pair("client_id", &client.id);
    asked.append_pair("redirect_uri", &redirect_uri(app)).append_pair("state", pending.proof.state());
    if !oauth2.scopes.is_empty() {
        asked.append_pair("scope", &oauth2.scopes.join(&oauth2.scope_separator));
    }
    if oauth2.pkce {
        asked.append_pair("code_challenge", &pending.proof.challenge());
        asked.append_pair("code_challenge_method", "S256");
    }
    for (name, value) in &oauth2.authorize_query {
        asked.append_pair(name, value.as_str().unwrap_or_default());
    }
    drop(asked);
    Ok(url.into())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConsentAnswer {
    /// What the app gives for tokens, once.
    code: Option<String>,
    state: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// Where the app sends the browser back to: keeps the tokens, and goes on to where the consent began.
#[utoipa::path(get, path = "/v1/oauth/callback", tag = "connections", params(ConsentAnswer), responses(
    (status = 303, description = "The connection is ready: to where it began"),
    (status = 400, description = "`consent_expired`: this browser began no such consent, too long ago, or ended it before; `authorization_failed`: the app gave no tokens", body = ProblemView),
    (status = 403, description = "`consent_refused`, or `permission_denied` to whoever may not change connections any more", body = ProblemView),
    (status = 404, description = "`connection_not_found`", body = ProblemView),
    (status = 409, description = "`conflict`: the connection was changed meanwhile", body = ProblemView),
    (status = 502, description = "`app_unavailable`", body = ProblemView)))]
pub(crate) async fn callback(
    State(app): State<App>,
    Origin(origin): Origin,
    headers: HeaderMap,
    QueryOf(answer): QueryOf<ConsentAnswer>,
) -> Response {
    let mut response = finish(&app, &origin, &headers, &answer).await.into_response();
    // Whatever became of it, it is over.
    if let Some(cookie) = cookies::set_consent("", Duration::ZERO, &app.public_url) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

async fn finish(
    app: &App,
    origin: &RequestOrigin,
    headers: &HeaderMap,
    answer: &ConsentAnswer,
) -> ApiResult<Response> {
    let pending = began(app, headers, answer).await?;
    let org = OrgKey::verified(pending.org.clone(), Provenance::SignIn);
    let email = who_may(app, &org, &pending).await?;
    let Some(code) = &answer.code else {
        let detail = format!("the app gave no consent: {}", shown(answer.error.as_deref()));
        return Err(ApiError::new(403, "consent_refused", detail));
    };
    let mut kept = find(app, &org, &pending.connection).await?;
    let manifest = app.connector(&org, &kept.connection.connector, None).await?.ok_or_else(unknown)?;
    let oauth2 = by_user(&manifest, &kept.connection)?;
    let client = client(app, &org, &manifest).await?;
    let fields = Value::Object(kept.connection.fields.clone());
    let server = Server { oauth2, client: None, key_file: None, fields: &fields };
    let mut form = Map::new();
    form.insert("grant_type".into(), "authorization_code".into());
    form.insert("code".into(), code.clone().into());
    form.insert("redirect_uri".into(), redirect_uri(app).into());
    if oauth2.pkce {
        form.insert("code_verifier".into(), pending.proof.verifier().into());
    }
    let fetcher = fetcher(app);
    let (tokens, told_by_app) = fetcher.ask(&server, &client, false, form).await.map_err(refused)?;
    let before = told(&kept.connection);
    let scope = json!({"token": without_tokens(told_by_app)});
    let keep = evaluate(&oauth2.keep, &scope, app.now().0).map_err(|e| failed(&e))?;
    kept.connection.fields.extend(kept_of(keep, &tokens));
    kept.connection.status = ConnectionStatus::Ready;
    kept.connection.reason = None;
    kept.connection.changed_at = app.now();
    kept.connection.authorized_by = Some(email.clone());
    kept.revision += 1;
    let sealed = fetcher.sealed(&org, &kept.id, &tokens).await.map_err(|e| failed(&e))?;
    let actor = Actor::User(pending.user.clone());
    let record = record_of(actor, &email, Action::ConnectionAuthorized, app.now(), origin);
    let record = record.on("connection", &kept.id).before(before).after(told(&kept.connection));
    if !app.store.change_connection(&org, &kept, &TokenChange::New(sealed), &record).await? {
        return Err(StoreError::Conflict { operation: "change_connection" }.into());
    }
    Ok(go(&pending.return_to, std::iter::empty()))
}

/// The consent that this browser began, if the answer belongs to it. Each counts once.
async fn began(app: &App, headers: &HeaderMap, answer: &ConsentAnswer) -> ApiResult<Pending> {
    let expired = || {
        let detail = "this browser began no such consent, ended it, or began it more than ten minutes ago: begin again";
        ApiError::new(400, "consent_expired", detail)
    };
    let text = app.signed_cookie(headers, cookies::CONSENT).await?.ok_or_else(expired)?;
    let pending = Pending::parse(text).ok_or_else(expired)?;
    if !answer.state.as_deref().is_some_and(|state| pending.is_answered_by(state, seconds(app))) {
        return Err(expired());
    }
    let name = format!("consent/{}", base32(digest16(&["consent", pending.proof.state()])));
    let window = Window { start: pending.begun_at, length: LASTS };
    if app.store.count(&name, window, 1).await? > 1 {
        return Err(expired());
    }
    Ok(pending)
}

/// The address of whoever agreed, who must still be signed in, and allowed to change connections.
async fn who_may(app: &App, org: &OrgKey, pending: &Pending) -> ApiResult<String> {
    let forbidden = || {
        let detail = "you may not change connections of this organisation any more";
        ApiError::new(403, "permission_denied", detail)
    };
    let standing = app.standing(org, &pending.user).await.map_err(|error| unavailable(&error))?;
    let standing = standing.filter(|s| !s.erased && s.role.can(Permission::ConnectionsWrite));
    let standing = standing.ok_or_else(forbidden)?;
    // Whoever was signed out everywhere was so since.
    if pending.begun_at < standing.not_before {
        return Err(forbidden());
    }
    if let Some(session) = &pending.session {
        let sessions = app.store.sessions(&pending.user, app.now()).await?;
        if !sessions.iter().any(|of| of.id == *session) {
            return Err(forbidden());
        }
    }
    Ok(standing.email)
}

/// What of an answer may be kept, however deep: no expression of a manifest sees a token, which it could take to pieces.
fn without_tokens(answer: Value) -> Value {
    match answer {
        Value::Object(fields) => {
            let plain = fields.into_iter().filter(|(name, value)| {
                !(value.is_string() && ["token", "secret", "code"].iter().any(|end| name.ends_with(end)))
            });
            plain.map(|(name, value)| (name, without_tokens(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(without_tokens).collect(),
        other => other,
    }
}

/// What a connection keeps of an answer: nothing that holds a token.
fn kept_of(keep: Value, tokens: &Tokens) -> Map<String, Value> {
    let Value::Object(keep) = keep else { return Map::new() };
    let secrets = [Some(&tokens.access_token), tokens.refresh_token.as_ref()];
    let holds = |value: &Value| {
        let text = value.to_string();
        secrets.iter().flatten().any(|secret| !secret.is_empty() && text.contains(secret.as_str()))
    };
    keep.into_iter().filter(|(_, value)| !value.is_null() && !holds(value)).collect()
}

fn by_user<'m>(manifest: &'m Arc<Manifest>, connection: &Connection) -> ApiResult<&'m OAuth2> {
    let oauth2 = manifest.auth(&connection.auth).and_then(|auth| auth.oauth2.as_ref());
    oauth2.filter(|oauth2| is_by_user(oauth2)).ok_or_else(|| {
        let detail = "this connection is not signed in to by a user's consent";
        ApiError::new(409, "no_consent_needed", detail)
    })
}

async fn client(app: &App, org: &OrgKey, manifest: &Manifest) -> ApiResult<Client> {
    fetcher(app).client(org, &manifest.name).await.map_err(|error| match error.code.as_str() {
        "oauth_client_missing" => ApiError::new(409, "oauth_client_missing", error.message),
        _ => failed(&error),
    })
}

fn refused(error: NoTokens) -> ApiError {
    match error {
        NoTokens::Ended { reason, .. } => {
            let detail = format!("the app gave no tokens: {reason}");
            ApiError::new(400, "authorization_failed", detail)
        }
        NoTokens::Failed(error) => failed(&error),
    }
}

fn failed(error: &StepError) -> ApiError {
    if error.retryable {
        ApiError::new(502, "app_unavailable", error.message.clone())
    } else {
        ApiError::new(400, "authorization_failed", error.message.clone())
    }
}

fn seconds(app: &App) -> i64 {
    app.now().0.div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_no_fields() {
        let tokens = Tokens {
            access_token: "secret-access".into(),
            refresh_token: Some("secret-refresh".into()),
            expires_at: None,
            issued_at: None,
        };
        let keep = json!({"team": "T1", "a": "secret-access", "b": ["x secret-refresh"], "none": null});
        assert_eq!(Value::Object(kept_of(keep, &tokens)), json!({"team": "T1"}));
    }

    #[test]
    fn what_is_kept_of_an_answer_is_read_without_its_tokens() {
        let answer = json!({"access_token": "a", "token_type": "bearer", "refresh_token": "r", "id_token": "i", "instance_url": "https://a",
            "authed_user": {"id": "U1", "access_token": "u"}, "all": [{"client_secret": "s", "name": "n"}], "token": {"id": 1}});
        let kept = json!({"token_type": "bearer", "instance_url": "https://a", "authed_user": {"id": "U1"}, "all": [{"name": "n"}],
            "token": {"id": 1}});
        assert_eq!(without_tokens(answer), kept);
    }
}
