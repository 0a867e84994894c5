//! OAuth: a page that says yes to whoever asks, and tokens that expire and are refreshed.

use super::state::{APP, BOT_USER, Code, SCOPES, TEAM, TEAM_NAME, Token};
use super::{Answer, Args, Refused, Slack};
use crate::call::Call;
use crate::reply;
use axum::extract::State as Extension;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use url::Url;

pub(super) const CLIENT_ID: &str = "123456789012.345678901234";
pub(super) const CLIENT_SECRET: &str = "fake-slack-client-secret";
/// Seconds that an access token lives.
const LIFE: i64 = 43_200;
/// A code lives ten minutes.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The page where somebody would agree: they do at once.
pub(super) async fn authorize(Extension(slack): Extension<Arc<Slack>>, call: Call) -> Response {
    let wrong = |text: &'static str| reply::typed(StatusCode::BAD_REQUEST, "text/plain", text);
    if call.query_value("client_id").as_deref() != Some(CLIENT_ID) {
        return wrong("invalid_client_id");
    }
    let redirect_uri = call.query_value("redirect_uri");
    let Some(Ok(mut url)) = redirect_uri.as_deref().map(Url::parse) else {
        return wrong("bad_redirect_uri");
    };
    let scopes: Vec<String> = call
        .query_value("scope")
        .unwrap_or_default()
        .split([',', ' '])
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    if scopes.is_empty() {
        return wrong("no_scopes");
    }
    if scopes.iter().any(|scope| !SCOPES.contains(&scope.as_str())) {
        return wrong("invalid_scope");
    }
    if call.query_value("code_challenge_method").is_some_and(|method| method != "S256") {
        return wrong("invalid_code_challenge_method");
    }
    let code = format!("{}.{}", TEAM, uuid::Uuid::new_v4().simple());
    url.query_pairs_mut().append_pair("code", &code);
    if let Some(state) = call.query_value("state") {
        url.query_pairs_mut().append_pair("state", &state);
    }
    let expires = call.now.checked_add(CODE_LIFE).unwrap_or(call.now);
    let challenge = call.query_value("code_challenge");
    slack.state().codes.insert(code, Code { scopes, redirect_uri, challenge, expires });
    reply::with_header(reply::typed(StatusCode::FOUND, "text/plain", ""), "location", url)
}

fn client(call: &Call, args: &Args) -> Result<(), Refused> {
    let basic = call.header("authorization").and_then(|header| {
        let decoded = STANDARD.decode(header.strip_prefix("Basic ")?.trim()).ok()?;
        let (id, secret) =
            String::from_utf8(decoded).ok()?.split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned()))?;
        Some((Some(id), Some(secret)))
    });
    let (id, secret) = basic.unwrap_or_else(|| (args.text("client_id"), args.text("client_secret")));
    if id.as_deref() != Some(CLIENT_ID) {
        return Err(Refused::code("invalid_client_id"));
    }
    if secret.as_deref() != Some(CLIENT_SECRET) {
        return Err(Refused::code("bad_client_secret"));
    }
    Ok(())
}

/// `oauth.v2.access`: for a code, or for a refresh token, which is used up by it.
pub(super) fn access(slack: &Slack, call: &Call) -> Answer {
    let args = Args::of("oauth.v2.access", call)?;
    client(call, &args)?;
    let mut state = slack.state();
    let scopes = match args.text("grant_type").as_deref() {
        None | Some("authorization_code") => {
            let code = args.text("code").ok_or_else(|| Refused::code("invalid_code"))?;
            // A code is used up also where something else is wrong.
            let code = state.codes.remove(&code).filter(|code| call.now < code.expires);
            let code = code.ok_or_else(|| Refused::code("invalid_code"))?;
            if args.text("redirect_uri").is_some_and(|uri| Some(uri) != code.redirect_uri) {
                return Err(Refused::code("bad_redirect_uri"));
            }
            if let Some(challenge) = code.challenge {
                let verifier = args.text("code_verifier").unwrap_or_default();
                if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != challenge {
                    return Err(Refused::code("invalid_code_verifier"));
                }
            }
            code.scopes
        }
        Some("refresh_token") => {
            let token = args.text("refresh_token").unwrap_or_default();
            state.refresh_tokens.remove(&token).ok_or_else(|| Refused::code("invalid_refresh_token"))?
        }
        Some(_) => return Err(Refused::code("invalid_grant_type")),
    };
    let access = format!("xoxe.xoxb-1-{}", uuid::Uuid::new_v4().simple());
    let refresh = format!("xoxe-1-{}", uuid::Uuid::new_v4().simple());
    let expires = call.now.checked_add(SignedDuration::from_secs(LIFE)).ok();
    state.tokens.insert(access.clone(), Token { scopes: scopes.clone(), expires, revoked: false });
    state.refresh_tokens.insert(refresh.clone(), scopes.clone());
    Ok(json!({
        "app_id": APP, "authed_user": { "id": "U0FAKE00001" }, "scope": scopes.join(","), "token_type": "bot",
        "access_token": access, "bot_user_id": BOT_USER, "refresh_token": refresh, "expires_in": LIFE,
        "team": { "id": TEAM, "name": TEAM_NAME }, "enterprise": null, "is_enterprise_install": false
    }))
}
