//! Signing as senders do: for what Patchbay sends itself, and for tests.

use crate::bytes::{key, mac, write};
use crate::{hmac, standard, stripe, twilio};
use domain::Millis;
use domain::workflow::verify::{Algorithm, Place, Scheme};

/// What is to be signed.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// How the delivery is called; the same when it is sent again.
    pub id: &'a str,
    pub at: Millis,
    /// The whole address that it is sent to.
    pub url: &'a str,
    /// Whether the body is a form, as its content type says.
    pub form: bool,
    pub body: &'a [u8],
}

/// The headers to add; none if the secret is no key of this scheme, or no header carries what the scheme asks for.
pub fn sign(scheme: &Scheme, secret: &str, message: &Message<'_>) -> Option<Vec<(String, String)>> {
    if secret.is_empty() {
        return None;
    }
    let seconds = message.at.0.div_euclid(1000).to_string();
    let header = |name: &str, value: String| (name.to_owned(), value);
    Some(match scheme {
        Scheme::Standard => {
            let signature = standard::sign(secret, message.id, &seconds, message.body)?;
            vec![
                header("webhook-id", message.id.to_owned()),
                header("webhook-timestamp", seconds),
                header("webhook-signature", signature),
            ]
        }
        Scheme::Stripe => {
            let signature = stripe::signature(secret, &seconds, message.body);
            vec![header(stripe::HEADER, format!("t={seconds},v1={signature}"))]
        }
        Scheme::Twilio => {
            let fields = if message.form { twilio::fields(message.body) } else { Vec::new() };
            let signature = twilio::signature(Algorithm::Sha1, secret, message.url, &fields);
            vec![header(twilio::HEADER, signature)]
        }
        Scheme::Token(token) => match &token.place {
            Place::Header(name) => vec![header(name, format!("{}{secret}", token.prefix))],
            Place::Query(_) => return None,
        },
        others => {
            let hmac = hmac::of(others)?;
            let parts = hmac::parts(&hmac, &seconds, message.id, message.body);
            let tag = mac(hmac.algorithm, &key(secret, hmac.key)?, &parts);
            let signature = format!("{}{}", hmac.prefix, write(tag.as_ref(), hmac.encoding));
            let mut headers = vec![header(&hmac.header, signature)];
            headers.extend(hmac.timestamp.as_deref().map(|name| header(name, seconds.clone())));
            headers.extend(hmac.id.as_deref().map(|name| header(name, message.id.to_owned())));
            headers
        }
    })
}
