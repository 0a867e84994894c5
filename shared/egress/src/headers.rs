//! Which headers and methods a user may choose, and which headers follow a redirect to another origin.

use http::Method;
use http::header::{HeaderMap, HeaderName};

use crate::error::EgressError;

/// Refuses headers that frame the message or belong to the connection.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), EgressError> {
    match headers.keys().find(|name| is_reserved(name)) {
        Some(name) => Err(EgressError::InvalidHeader {
            name: name.as_str().to_owned(),
            reason: "it is set by the platform",
        }),
        None => Ok(()),
    }
}

/// Refuses methods that ask for a tunnel or echo credentials back.
pub(crate) fn check_method(method: &Method) -> Result<(), EgressError> {
    if ["CONNECT", "TRACE", "TRACK"].iter().any(|refused| method.as_str().eq_ignore_ascii_case(refused)) {
        return Err(EgressError::InvalidMethod { method: method.as_str().to_owned() });
    }
    Ok(())
}

/// Removes what must not reach another origin: all but the headers known to be harmless, and of these the
/// values marked sensitive.
pub(crate) fn keep_harmless(headers: &mut HeaderMap) {
    retain(headers, |name| HARMLESS.contains(&name.as_str()));
    let marked: Vec<HeaderName> =
        headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()).collect();
    for name in marked {
        headers.remove(name);
    }
}

/// Removes the headers that describe a body, for a redirect that drops it.
pub(crate) fn drop_body_headers(headers: &mut HeaderMap) {
    retain(headers, |name| !name.as_str().starts_with("content-"));
}

fn retain(headers: &mut HeaderMap, keep: impl Fn(&HeaderName) -> bool) {
    let dropped: Vec<HeaderName> = headers.keys().filter(|name| !keep(name)).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
}

fn is_reserved(name: &HeaderName) -> bool {
    RESERVED.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
}

const RESERVED: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "keep-alive",
    "http2-settings",
];

const HARMLESS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "pragma",
    "prefer",
    "range",
    "traceparent",
    "tracestate",
    "user-agent",
];
