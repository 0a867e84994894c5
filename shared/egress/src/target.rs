//! A URL becomes a target once: parsed, and refused by everything that can be known before its name is
//! resolved.

use std::net::IpAddr;

use url::{Host, Url};

use crate::address::{Reach, reach};
use crate::error::{Blocked, EgressError};
use crate::ports;

/// Longer URLs are refused; common servers refuse them too.
const MAX_URL_BYTES: usize = 8192;

/// Parses and judges an absolute URL.
pub(crate) fn parse(url: &str, allow_loopback: bool) -> Result<Url, EgressError> {
    // The parser would silently drop tabs and line breaks.
    if url.chars().any(char::is_control) {
        return Err(EgressError::InvalidUrl { reason: "the address contains control characters" });
    }
    let url = Url::parse(url).map_err(invalid)?;
    check(&url, allow_loopback)?;
    Ok(url)
}

/// Parses and judges a `Location`, which may be relative to `base`.
pub(crate) fn join(base: &Url, location: &str, allow_loopback: bool) -> Result<Url, EgressError> {
    let url = base.join(location).map_err(invalid)?;
    check(&url, allow_loopback)?;
    Ok(url)
}

/// Whether an address may be connected to.
pub(crate) fn allowed(address: IpAddr, allow_loopback: bool) -> bool {
    match reach(address) {
        Reach::Public => true,
        Reach::Loopback => allow_loopback,
        Reach::Special => false,
    }
}

/// `localhost` and everything below it (RFC 6761), with or without the root's dot.
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The host for messages; the URL has one, or it would have been refused.
pub(crate) fn host_of(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

fn check(url: &Url, allow_loopback: bool) -> Result<(), EgressError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(EgressError::Scheme { scheme: url.scheme().to_owned() });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EgressError::InvalidUrl {
            reason: "the address contains a user name or password; use a connection or a header",
        });
    }
    if url.as_str().len() > MAX_URL_BYTES {
        return Err(EgressError::InvalidUrl { reason: "the address is longer than 8,192 bytes" });
    }
    // The HTTP layer reads a URL more narrowly than the parser.
    if http::Uri::try_from(url.as_str()).is_err() {
        return Err(EgressError::InvalidUrl {
            reason: "the address contains characters that HTTP does not allow",
        });
    }
    let blocked = |why| Err(EgressError::Blocked { host: host_of(url).to_owned(), why });
    let public = match url.host() {
        None => {
            return Err(EgressError::InvalidUrl { reason: "the address has no host" });
        }
        Some(Host::Domain(name)) => allow_loopback || !is_localhost(name),
        Some(Host::Ipv4(address)) => allowed(address.into(), allow_loopback),
        Some(Host::Ipv6(address)) => allowed(address.into(), allow_loopback),
    };
    if !public {
        return blocked(Blocked::Address);
    }
    match url.port_or_known_default() {
        Some(port) if ports::is_blocked(port) => blocked(Blocked::Port { port }),
        Some(_) | None => Ok(()),
    }
}

fn invalid(error: url::ParseError) -> EgressError {
    use url::ParseError;
    EgressError::InvalidUrl {
        reason: match error {
            ParseError::EmptyHost => "the address has no host",
            ParseError::IdnaError | ParseError::InvalidDomainCharacter => "the host is not a valid name",
            ParseError::InvalidPort => "the port is not a number from 1 to 65535",
            ParseError::InvalidIpv4Address | ParseError::InvalidIpv6Address => {
                "the host is not a valid IP address"
            }
            ParseError::RelativeUrlWithoutBase => {
                "the address is not absolute; it must begin with https:// or http://"
            }
            _ => "the address is not a URL",
        },
    }
}
