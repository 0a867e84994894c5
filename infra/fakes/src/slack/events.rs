//! What Slack sends by itself, when a test asks for it: events, the check of an address, slash commands. All are signed.

use super::state::{APP, BOT_USER, TEAM};
use super::{SIGNING_SECRET, Slack};
use crate::deliver;
use crate::reply;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Extension;
use axum::response::Response;
use axum::routing::post;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use url::form_urlencoded;

/// Slack's older way to show where a request comes from; receivers should look at the signature.
const VERIFICATION_TOKEN: &str = "fake-verification-token";

pub(super) fn router(slack: Arc<Slack>) -> Router {
    Router::new()
        .route("/events", post(event))
        .route("/verification", post(verification))
        .route("/commands", post(command))
        .with_state(slack)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Happened {
    url: String,
    event: Value,
    #[serde(default)]
    event_id: Option<String>,
    /// The number of this retry.
    #[serde(default)]
    retry: Option<u32>,
    /// Signed so long ago.
    #[serde(default)]
    seconds_ago: i64,
    /// Signed with another secret.
    #[serde(default)]
    forged: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verification {
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    url: String,
    command: String,
    #[serde(default)]
    text: String,
}

/// `v0=` and the MAC over version, time and body.
pub(super) fn signature(secret: &str, seconds: i64, body: &[u8]) -> String {
    let signed = [format!("v0:{seconds}:").as_bytes(), body].concat();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, &signed);
    tag.as_ref().iter().fold("v0=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

struct Sending {
    url: String,
    content_type: &'static str,
    body: Vec<u8>,
    secret: &'static str,
    seconds: i64,
    retry: Option<u32>,
}

async fn send(sending: Sending) -> Response {
    if !deliver::is_of_this_machine(&sending.url) {
        return reply::json(
            StatusCode::BAD_REQUEST,
            &json!({ "error": "admin", "message": "only this machine is called" }),
        );
    }
    let mut headers = vec![
        ("content-type", sending.content_type.to_owned()),
        ("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)".to_owned()),
        ("x-slack-request-timestamp", sending.seconds.to_string()),
        ("x-slack-signature", signature(sending.secret, sending.seconds, &sending.body)),
    ];
    if let Some(retry) = sending.retry {
        headers.push(("x-slack-retry-num", retry.to_string()));
        headers.push(("x-slack-retry-reason", "http_timeout".to_owned()));
    }
    match deliver::post(&sending.url, &headers, sending.body).await {
        Ok((status, body)) => reply::json(StatusCode::OK, &json!({ "status": status, "body": body })),
        Err(error) => reply::json(StatusCode::OK, &json!({ "status": null, "error": error })),
    }
}

fn unread(error: &serde_json::Error) -> Response {
    reply::json(StatusCode::BAD_REQUEST, &json!({ "error": "admin", "message": error.to_string() }))
}

async fn event(Extension(slack): Extension<Arc<Slack>>, body: Bytes) -> Response {
    let event: Happened = match serde_json::from_slice(&body) {
        Ok(event) => event,
        Err(error) => return unread(&error),
    };
    let now = slack.desk.clock.now().as_second();
    let id = event.event_id.unwrap_or_else(|| slack.state().id("Ev"));
    let envelope = json!({
        "token": VERIFICATION_TOKEN, "team_id": TEAM, "api_app_id": APP, "event": event.event, "type": "event_callback",
        "event_id": id, "event_time": now, "is_ext_shared_channel": false,
        "authorizations": [{ "enterprise_id": null, "team_id": TEAM, "user_id": BOT_USER, "is_bot": true, "is_enterprise_install": false }]
    });
    send(Sending {
        url: event.url,
        content_type: "application/json",
        body: envelope.to_string().into_bytes(),
        secret: if event.forged { "another secret" } else { SIGNING_SECRET },
        seconds: now - event.seconds_ago,
        retry: event.retry,
    })
    .await
}

async fn verification(Extension(slack): Extension<Arc<Slack>>, body: Bytes) -> Response {
    let asked: Verification = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => return unread(&error),
    };
    let challenge = uuid::Uuid::new_v4().simple().to_string();
    let body = json!({ "token": VERIFICATION_TOKEN, "challenge": challenge, "type": "url_verification" });
    send(Sending {
        url: asked.url,
        content_type: "application/json",
        body: body.to_string().into_bytes(),
        secret: SIGNING_SECRET,
        seconds: slack.desk.clock.now().as_second(),
        retry: None,
    })
    .await
}

async fn command(Extension(slack): Extension<Arc<Slack>>, body: Bytes) -> Response {
    let command: Typed = match serde_json::from_slice(&body) {
        Ok(command) => command,
        Err(error) => return unread(&error),
    };
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("token", VERIFICATION_TOKEN)
        .append_pair("team_id", TEAM)
        .append_pair("team_domain", "fake-workspace")
        .append_pair("channel_id", "C0FAKE00001")
        .append_pair("channel_name", "general")
        .append_pair("user_id", "U0FAKE00001")
        .append_pair("user_name", "ada")
        .append_pair("command", &command.command)
        .append_pair("text", &command.text)
        .append_pair("api_app_id", APP)
        .append_pair("is_enterprise_install", "false")
        .append_pair("trigger_id", &format!("{}.fake", slack.state().id("1")))
        .finish();
    send(Sending {
        url: command.url,
        content_type: "application/x-www-form-urlencoded",
        body: form.into_bytes(),
        secret: SIGNING_SECRET,
        seconds: slack.desk.clock.now().as_second(),
        retry: None,
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that Slack publishes.
    #[test]
    fn the_published_signature_is_made() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        assert_eq!(
            signature(SIGNING_SECRET, 1_531_420_618, body.as_bytes()),
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        );
    }
}
