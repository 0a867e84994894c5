//! Standard Webhooks: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use crate::bytes::{Key, base64, from_base64, mac, same};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::verify::{MAX_SIGNATURES, WINDOW, fresh, time};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use domain::Millis;
use domain::workflow::verify::{Algorithm, KeyForm};

/// What a secret's text is.
enum Kind {
    Shared(Key),
    Public(Key),
}

fn kind(secret: &str) -> Option<Kind> {
    let read = |text: &str| crate::bytes::key(text, KeyForm::Base64);
    match secret.strip_prefix("whpk_") {
        Some(public) => read(public).filter(|key| key.len() == 32).map(Kind::Public),
        // What signs is not for those who verify.
        None if secret.starts_with("whsk_") => None,
        None => read(secret.strip_prefix("whsec_").unwrap_or(secret)).map(Kind::Shared),
    }
}

pub(crate) fn verify(secrets: &[&str], request: &Request<'_>, now: Millis) -> Result<(), Refusal> {
    let name = |of: &str| name(request, of);
    let id = request.id(&name("id"))?;
    // A full stop and digits inside could be taken for the time, and the time for the beginning of the body.
    if id.split('.').skip(1).any(|part| part.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Refusal::Malformed(name("id")));
    }
    let timestamp = request.header(&name("timestamp"))?;
    let given = request.header(&name("signature"))?;
    fresh(time(timestamp, &name("timestamp"))?, now, WINDOW)?;
    let keys: Vec<Kind> = secrets.iter().filter_map(|secret| kind(secret)).collect();
    if keys.is_empty() {
        return Err(Refusal::NoKey);
    }
    let signed = signed(id, timestamp, request.body);
    let mut found = false;
    for (n, signature) in given.split(' ').filter(|text| !text.is_empty()).enumerate() {
        if n >= MAX_SIGNATURES {
            return Err(Refusal::TooMany);
        }
        // Two headers that became one on their way.
        if signature.matches(',').count() > 1 {
            return Err(Refusal::Malformed(name("signature")));
        }
        for key in &keys {
            found |= match (key, signature.split_once(',')) {
                (Kind::Shared(key), Some(("v1", text))) => {
                    same(shared(key, &signed).as_bytes(), text.as_bytes())
                }
                (Kind::Public(key), Some(("v1a", text))) => is_by(key, &signed, text),
                // Versions that are not known, and those by other kinds of keys.
                _ => false,
            };
        }
    }
    if found { Ok(()) } else { Err(Refusal::Mismatch) }
}

/// The name of a header, of whichever family has the signature: what only stands in the other's is not signed.
pub(crate) fn name(request: &Request<'_>, of: &str) -> String {
    let svix = !request.has("webhook-signature") && request.has("svix-signature");
    format!("{}-{of}", if svix { "svix" } else { "webhook" })
}

/// The signature by a secret.
pub(crate) fn sign(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> Option<String> {
    let signed = signed(id, timestamp, body);
    if let Some(private) = secret.strip_prefix("whsk_") {
        let bytes = crate::bytes::key(private, KeyForm::Base64)?;
        let pair = match bytes.len() {
            32 => Ed25519KeyPair::from_seed_unchecked(&bytes),
            64 => Ed25519KeyPair::from_seed_and_public_key(&bytes[..32], &bytes[32..]),
            _ => return None,
        };
        return Some(format!("v1a,{}", base64(pair.ok()?.sign(&signed.concat()).as_ref())));
    }
    match kind(secret)? {
        Kind::Shared(key) => Some(format!("v1,{}", shared(&key, &signed))),
        Kind::Public(_) => None,
    }
}

fn signed<'a>(id: &'a str, timestamp: &'a str, body: &'a [u8]) -> [&'a [u8]; 5] {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}

fn shared(key: &[u8], signed: &[&[u8]]) -> String {
    base64(mac(Algorithm::Sha256, key, signed).as_ref())
}

fn is_by(key: &[u8], signed: &[&[u8]], text: &str) -> bool {
    // As it is written, and not in another way that gives the same bytes.
    let Some(signature) = from_base64(text).filter(|bytes| base64(bytes) == text) else { return false };
    UnparsedPublicKey::new(&ED25519, key).verify(&signed.concat(), &signature).is_ok()
}
