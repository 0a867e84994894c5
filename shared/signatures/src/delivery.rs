//! What senders call a delivery, and what they say in the body of a request that is believed already.

use crate::request::Request;
use crate::standard;
use domain::Millis;
use domain::workflow::verify::Scheme;
use serde::Deserialize;
use serde_json::Value;

/// The longest name of a delivery that a body has.
const MAX_ID: usize = 256;

/// The name, if there is one. A body without is none of an event, or of one that this code does not know.
pub(crate) fn of(scheme: &Scheme, request: &Request<'_>) -> Option<String> {
    let header = |name: &str| request.id(name).ok().map(str::to_owned);
    match scheme {
        Scheme::Standard => header(&standard::name(request, "id")),
        Scheme::GitHub => header("x-github-delivery"),
        Scheme::Shopify => header("x-shopify-webhook-id"),
        Scheme::Twilio => header("i-twilio-idempotency-token"),
        Scheme::Linear => header("linear-delivery"),
        Scheme::Hmac(hmac) => header(hmac.id.as_deref()?),
        Scheme::Stripe | Scheme::Notion => text(body(request.body)?.id),
        Scheme::Slack | Scheme::Typeform => text(body(request.body)?.event_id),
        Scheme::Airtable | Scheme::Token(_) => None,
    }
    .filter(|id| !id.is_empty() && id.len() <= MAX_ID)
}

#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    event_id: Value,
}

fn body(bytes: &[u8]) -> Option<Names> {
    serde_json::from_slice(bytes).ok()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// When Linear sent it, as the body says: what its headers say is not signed.
pub(crate) fn of_linear(bytes: &[u8]) -> Option<Millis> {
    #[derive(Deserialize)]
    struct Sent {
        #[serde(rename = "webhookTimestamp")]
        at: i64,
    }
    serde_json::from_slice::<Sent>(bytes).ok().map(|sent| Millis(sent.at))
}
