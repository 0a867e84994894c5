//! A signature in one header, over texts and the body: what most senders do.

use crate::bytes::{key, mac, same, write};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::verify::{WINDOW, fresh, time};
use domain::Millis;
use domain::workflow::verify::{Algorithm, Encoding, Hmac, KeyForm, Part, Scheme};
use std::borrow::Cow;

/// How a sender of this scheme signs; none for those that sign in a way of their own.
pub(crate) fn of(scheme: &Scheme) -> Option<Cow<'_, Hmac>> {
    let of_body = |header: &str, prefix: &str| Hmac {
        header: header.to_owned(),
        algorithm: Algorithm::Sha256,
        encoding: Encoding::Hex,
        prefix: prefix.to_owned(),
        signed: vec![Part::Body],
        timestamp: None,
        tolerance: WINDOW,
        id: None,
        key: KeyForm::Text,
    };
    Some(Cow::Owned(match scheme {
        Scheme::Hmac(own) => return Some(Cow::Borrowed(own)),
        Scheme::GitHub => of_body("x-hub-signature-256", "sha256="),
        Scheme::Slack => {
            let text = |text: &str| Part::Text(text.to_owned());
            Hmac {
                signed: vec![text("v0:"), Part::Timestamp, text(":"), Part::Body],
                timestamp: Some("x-slack-request-timestamp".to_owned()),
                ..of_body("x-slack-signature", "v0=")
            }
        }
        Scheme::Shopify => Hmac { encoding: Encoding::Base64, ..of_body("x-shopify-hmac-sha256", "") },
        Scheme::Airtable => {
            Hmac { key: KeyForm::Base64, ..of_body("x-airtable-content-mac", "hmac-sha256=") }
        }
        Scheme::Notion => of_body("x-notion-signature", "sha256="),
        Scheme::Typeform => Hmac { encoding: Encoding::Base64, ..of_body("typeform-signature", "sha256=") },
        Scheme::Linear => of_body("linear-signature", ""),
        Scheme::Standard | Scheme::Stripe | Scheme::Twilio | Scheme::Token(_) => return None,
    }))
}

pub(crate) fn verify(
    hmac: &Hmac,
    secrets: &[&str],
    request: &Request<'_>,
    now: Millis,
) -> Result<(), Refusal> {
    let given = request.header(&hmac.header)?;
    let timestamp = match &hmac.timestamp {
        Some(name) => {
            let given = request.header(name)?;
            fresh(time(given, name)?, now, hmac.tolerance)?;
            given
        }
        None => "",
    };
    let id = match &hmac.id {
        Some(name) if hmac.signed.contains(&Part::Id) => request.id(name)?,
        _ => "",
    };
    let given = given.strip_prefix(hmac.prefix.as_str());
    let mut given = given.ok_or_else(|| Refusal::Malformed(hmac.header.clone()))?.to_owned();
    if hmac.encoding == Encoding::Hex {
        given.make_ascii_lowercase();
    }
    let parts = parts(hmac, timestamp, id, request.body);
    let (mut keys, mut found) = (false, false);
    for key in secrets.iter().filter_map(|secret| key(secret, hmac.key)) {
        keys = true;
        let expected = write(mac(hmac.algorithm, &key, &parts).as_ref(), hmac.encoding);
        found |= same(expected.as_bytes(), given.as_bytes());
    }
    match (keys, found) {
        (_, true) => Ok(()),
        (true, false) => Err(Refusal::Mismatch),
        (false, false) => Err(Refusal::NoKey),
    }
}

/// What is signed.
pub(crate) fn parts<'a>(hmac: &'a Hmac, timestamp: &'a str, id: &'a str, body: &'a [u8]) -> Vec<&'a [u8]> {
    let bytes = |part: &'a Part| match part {
        Part::Timestamp => timestamp.as_bytes(),
        Part::Id => id.as_bytes(),
        Part::Body => body,
        Part::Text(text) => text.as_bytes(),
    };
    hmac.signed.iter().map(bytes).collect()
}
