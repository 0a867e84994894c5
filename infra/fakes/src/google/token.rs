//! The token endpoint: assertions of service accounts, and what the authorization server knows.

use super::state::{Given, State};
use crate::call::Call;
use crate::path::first;
use crate::reply;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Whatever address the endpoint has, assertions are for this one.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
const LONGEST_SECONDS: i64 = 3600;
/// Clocks may differ by this much.
const SKEW_SECONDS: i64 = 300;

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    #[serde(default)]
    scope: String,
    aud: String,
    iat: i64,
    exp: i64,
    #[serde(default)]
    sub: Option<String>,
}

pub(super) fn answer(state: &mut State, call: &Call) -> Response {
    let form = call.form_pairs();
    if first(&form, "grant_type") != Some(ASSERTION) {
        return state.oauth.token(call);
    }
    if call.fault.as_deref() == Some("invalid_grant") {
        return refused("Invalid JWT Signature.");
    }
    match judged(state, first(&form, "assertion").unwrap_or_default(), call) {
        Ok(tokens) => reply::json(StatusCode::OK, &tokens),
        Err(description) => refused(description),
    }
}

fn refused(description: &str) -> Response {
    reply::json(StatusCode::BAD_REQUEST, &json!({"error": "invalid_grant", "error_description": description}))
}

/// The tokens for an assertion, or what is wrong with it.
fn judged(state: &mut State, assertion: &str, call: &Call) -> Result<Value, &'static str> {
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { return Err("Bad Request") };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "Bad Request");
    let read: Header = serde_json::from_slice(&decode(header)?).map_err(|_| "Bad Request")?;
    if read.alg != "RS256" {
        return Err("Invalid JWT Signature.");
    }
    let said: Claims = serde_json::from_slice(&decode(claims)?).map_err(|_| "Bad Request")?;
    let account = state.accounts.iter().find(|account| account.email == said.iss);
    let account = account.ok_or("Invalid grant: account not found")?;
    let known_key = match (&read.kid, &account.key_id) {
        (Some(kid), Some(known)) => kid == known,
        _ => true,
    };
    let signed = format!("{header}.{claims}");
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &account.public_key);
    if !known_key || key.verify(signed.as_bytes(), &decode(signature)?).is_err() {
        return Err("Invalid JWT Signature.");
    }
    if said.aud != AUDIENCE {
        return Err("Invalid JWT: the audience is not https://oauth2.googleapis.com/token");
    }
    let now = call.now.as_second();
    if said.exp <= now
        || said.iat > now + SKEW_SECONDS
        || said.exp - said.iat > LONGEST_SECONDS
        || said.exp <= said.iat
    {
        return Err(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your \
             iat and exp values in the JWT claim.",
        );
    }
    if said.sub.is_some_and(|sub| sub != said.iss) {
        // To act for another person a domain's administrator must allow it.
        return Err("Client is unauthorized to retrieve access tokens using this method");
    }
    if said.scope.trim().is_empty() {
        return Err("Bad Request");
    }
    let email = account.email.clone();
    let token = state.drawn.text("ya29.", 40);
    let seconds = state.oauth.rules.access_seconds;
    let given = Given {
        email,
        scopes: said.scope.split_whitespace().map(str::to_owned).collect(),
        expires: call.now + SignedDuration::from_secs(seconds),
    };
    state.tokens.insert(token.clone(), given);
    Ok(json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"}))
}
