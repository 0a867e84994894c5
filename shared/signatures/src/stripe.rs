//! Stripe: <https://docs.stripe.com/webhooks#verify-manually>.

use crate::bytes::{hex, mac, same};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::verify::{MAX_SIGNATURES, WINDOW, fresh, time};
use domain::Millis;
use domain::workflow::verify::Algorithm;

pub(crate) const HEADER: &str = "stripe-signature";

pub(crate) fn verify(secrets: &[&str], request: &Request<'_>, now: Millis) -> Result<(), Refusal> {
    let malformed = || Refusal::Malformed(HEADER.to_owned());
    let (mut timestamp, mut given) = (None, Vec::new());
    for (n, item) in request.header(HEADER)?.split(',').enumerate() {
        if n > MAX_SIGNATURES {
            return Err(Refusal::TooMany);
        }
        match item.split_once('=').ok_or_else(malformed)? {
            ("t", text) if timestamp.is_none() => timestamp = Some(text),
            ("t", _) => return Err(malformed()),
            ("v1", text) => given.push(text),
            // `v0` is of test events; others are to come.
            _ => {}
        }
    }
    let timestamp = timestamp.ok_or_else(malformed)?;
    fresh(time(timestamp, HEADER)?, now, WINDOW)?;
    let (mut keys, mut found) = (false, false);
    // The whole text is the key, `whsec_` too.
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        keys = true;
        let expected = signature(secret, timestamp, request.body);
        for text in &given {
            found |= same(expected.as_bytes(), text.as_bytes());
        }
    }
    match (keys, found) {
        (_, true) => Ok(()),
        (true, false) => Err(Refusal::Mismatch),
        (false, false) => Err(Refusal::NoKey),
    }
}

pub(crate) fn signature(secret: &str, timestamp: &str, body: &[u8]) -> String {
    hex(mac(Algorithm::Sha256, secret.as_bytes(), &[timestamp.as_bytes(), b".", body]).as_ref())
}
