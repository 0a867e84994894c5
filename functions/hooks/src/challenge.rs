//! What senders ask an address before they send to it: to prove that somebody is there. Answered only where the trigger says whose
//! question to expect; no run is started by one.

use domain::HookId;
use domain::workflow::Challenge;
use lambda_http::http::Method;
use lambda_http::{Body, Request, RequestExt, Response};
use serde_json::{Value, json};

/// No sender's challenge is longer.
const LONGEST: usize = 2000;

/// The answer, if the request to the address with this id is such a question.
pub(crate) fn answer(scheme: Challenge, hook: &HookId, request: &Request) -> Option<Response<Body>> {
    let query = request.query_string_parameters();
    match scheme {
        // https://api.slack.com/events/url_verification
        Challenge::Slack if *request.method() == Method::POST => {
            let body: Value = serde_json::from_slice(request.body().as_ref()).ok()?;
            let challenge =
                short(body["challenge"].as_str().filter(|_| body["type"] == "url_verification")?)?;
            Some(reply(200, "application/json", json!({"challenge": challenge}).to_string()))
        }
        // https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks: as plain text, decoded, within 10 s.
        Challenge::Microsoft if *request.method() == Method::POST => {
            let token = short(query.first("validationToken")?)?;
            Some(reply(200, "text/plain; charset=utf-8", token.to_owned()))
        }
        // https://www.dropbox.com/developers/reference/webhooks
        Challenge::Dropbox if *request.method() == Method::GET => {
            let challenge = short(query.first("challenge")?)?;
            Some(reply(200, "text/plain; charset=utf-8", challenge.to_owned()))
        }
        // https://developers.facebook.com/docs/graph-api/webhooks/getting-started: whoever sets it up says a token that they have from
        // the owner of the address. The address's own id is such a secret.
        Challenge::Meta
            if *request.method() == Method::GET && query.first("hub.mode") == Some("subscribe") =>
        {
            let challenge = short(query.first("hub.challenge")?)?;
            if query.first("hub.verify_token") != Some(hook.as_str()) {
                return Some(reply(403, "text/plain; charset=utf-8", "another verify token".to_owned()));
            }
            Some(reply(200, "text/plain; charset=utf-8", challenge.to_owned()))
        }
        Challenge::Slack | Challenge::Microsoft | Challenge::Dropbox | Challenge::Meta => None,
    }
}

fn short(text: &str) -> Option<&str> {
    (!text.is_empty() && text.len() <= LONGEST).then_some(text)
}

/// Whoever follows a link that somebody else made must not have it taken for a page.
fn reply(status: u16, content_type: &str, body: String) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .header("x-content-type-options", "nosniff")
        .header("content-security-policy", "default-src 'none'; sandbox")
        .header("cache-control", "no-store")
        .body(Body::Text(body))
        .expect("status and headers are valid")
}
