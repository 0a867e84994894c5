//! Twilio: <https://www.twilio.com/docs/usage/security#validating-requests>.

use crate::bytes::{base64, form, hex, mac, same, sha256};
use crate::refusal::Refusal;
use crate::request::Request;
use domain::workflow::verify::Algorithm;
use std::collections::BTreeSet;

pub(crate) const HEADER: &str = "x-twilio-signature";
/// Says by which algorithm, where that is not SHA-1: `key=…,algorithm=HMAC_SHA256`.
const SETTINGS: &str = "x-twilio-webhooks-signature-settings";
/// The parameter of the address that vouches for a body that is no form.
const BODY_HASH: &[u8] = b"bodySHA256";

pub(crate) fn verify(secrets: &[&str], request: &Request<'_>) -> Result<(), Refusal> {
    let given = request.header(HEADER)?;
    let algorithm = algorithm(request.optional_header(SETTINGS)?)?;
    let hashes: Vec<Vec<u8>> = form(request.query().as_bytes())
        .filter(|(name, _)| name == BODY_HASH)
        .map(|(_, value)| value)
        .collect();
    let is_form = request.is_form();
    match hashes.as_slice() {
        // The address is signed, and it says what the body is.
        [hash] if same(hex(sha256(request.body).as_ref()).as_bytes(), hash) => {}
        [_] => return Err(Refusal::Mismatch),
        [] if is_form || request.body.is_empty() => {}
        [] => return Err(Refusal::Missing("bodySHA256".to_owned())),
        _ => return Err(Refusal::Repeated("bodySHA256".to_owned())),
    }
    let fields = if is_form { fields(request.body) } else { Vec::new() };
    // Twilio itself is not consistent about the port.
    let urls = [without_port(request.url), with_port(request.url)];
    let (mut keys, mut found) = (false, false);
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        keys = true;
        for url in urls.iter().flatten() {
            found |= same(signature(algorithm, secret, url, &fields).as_bytes(), given.as_bytes());
        }
    }
    match (keys, found) {
        (_, true) => Ok(()),
        (true, false) => Err(Refusal::Mismatch),
        (false, false) => Err(Refusal::NoKey),
    }
}

pub(crate) fn signature(algorithm: Algorithm, secret: &str, url: &str, fields: &[u8]) -> String {
    base64(mac(algorithm, secret.as_bytes(), &[url.as_bytes(), fields]).as_ref())
}

fn algorithm(settings: Option<&str>) -> Result<Algorithm, Refusal> {
    let mut named = settings.unwrap_or_default().split(',').filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        (name.trim() == "algorithm" && !value.trim().is_empty()).then_some(value.trim())
    });
    match (named.next(), named.next()) {
        (None | Some("HMAC_SHA1"), None) => Ok(Algorithm::Sha1),
        (Some("HMAC_SHA256"), None) => Ok(Algorithm::Sha256),
        _ => Err(Refusal::Malformed(SETTINGS.to_owned())),
    }
}

/// Names and values, in order, each pair once.
pub(crate) fn fields(body: &[u8]) -> Vec<u8> {
    let pairs: BTreeSet<(Vec<u8>, Vec<u8>)> = form(body).collect();
    pairs.into_iter().flat_map(|(name, value)| [name, value]).flatten().collect()
}

/// The address before its host, the host, its port, and what comes behind.
fn split(url: &str) -> Option<(&str, &str, Option<&str>, &str)> {
    let at = url.find("://")? + 3;
    let (scheme, rest) = url.split_at(at);
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            Some((scheme, host, Some(port), path))
        }
        _ => Some((scheme, authority, None, path)),
    }
}

fn without_port(url: &str) -> Option<String> {
    split(url).map(|(scheme, host, _, path)| format!("{scheme}{host}{path}"))
}

fn with_port(url: &str) -> Option<String> {
    let (scheme, host, port, path) = split(url)?;
    let usual = if scheme.starts_with("https") { "443" } else { "80" };
    Some(format!("{scheme}{host}:{}{path}", port.unwrap_or(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port_or_not() {
        for (url, without, with) in [
            ("https://a.example/x?b=1:2", "https://a.example/x?b=1:2", "https://a.example:443/x?b=1:2"),
            ("http://a.example:8787/x", "http://a.example/x", "http://a.example:8787/x"),
            ("http://a.example?x", "http://a.example?x", "http://a.example:80?x"),
            ("https://[::1]/x", "https://[::1]/x", "https://[::1]:443/x"),
        ] {
            assert_eq!(
                (without_port(url).unwrap().as_str(), with_port(url).unwrap().as_str()),
                (without, with)
            );
        }
        assert_eq!(without_port("/hooks/x"), None);
    }
}
