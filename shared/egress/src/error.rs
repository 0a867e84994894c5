//! Why a request did not end in a response, whether it may have been sent, and whether trying again can help.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use thiserror::Error;

/// Why a request did not end in a response.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EgressError {
    #[error("requests to `{host}` are not allowed: {why}")]
    Blocked { host: String, why: Blocked },
    #[error("invalid address: {reason}")]
    InvalidUrl { reason: &'static str },
    #[error("addresses begin with https:// or http://, not `{scheme}:`")]
    Scheme { scheme: String },
    #[error("the method `{method}` is not allowed")]
    InvalidMethod { method: String },
    #[error("the header `{name}` cannot be sent: {reason}")]
    InvalidHeader { name: String, reason: &'static str },
    #[error("the name `{host}` has no address; check its spelling")]
    DnsFailed { host: String },
    #[error("no connection to `{host}`: {reason}")]
    ConnectFailed { host: String, reason: String },
    #[error("no secure connection to `{host}`: {reason}")]
    TlsFailed { host: String, reason: String },
    #[error("`{host}` did not answer completely within {} ms", .after.as_millis())]
    RequestTimeout { host: String, after: Duration },
    #[error("the response of `{host}` is larger than {limit} bytes")]
    ResponseTooLarge { host: String, limit: usize },
    /// A large response found no room on the disk just now.
    #[error("there is no room for the response of `{host}`: {reason}")]
    NoRoom { host: String, reason: String },
    #[error("`{host}` did not answer in valid HTTP: {reason}")]
    InvalidResponse { host: String, reason: String },
    #[error("the connection to `{host}` was lost: {reason}")]
    ConnectionLost { host: String, reason: String },
    #[error("more than {limit} redirects")]
    RedirectLimit { limit: u8 },
    /// A redirect led to where no request may go.
    #[error("the redirect by `{host}` was not followed: {source}")]
    RedirectBlocked { host: String, source: Box<EgressError> },
    /// A later hop failed; the first one had been answered.
    #[error("after a redirect: {source}")]
    AfterRedirect { source: Box<EgressError> },
    /// The client could not be built; a mistake in its configuration.
    #[error("the HTTP client could not be set up: {reason}")]
    Setup { reason: String },
}

/// Which rule refuses a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Blocked {
    #[error("it is not a public address")]
    Address,
    #[error("the name leads to an address that is not public")]
    Name,
    #[error("port {port} belongs to another protocol")]
    Port { port: u16 },
}

/// Whether the other side may have seen the request. Decides if an effect that must not happen twice may be
/// tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// No byte of it left.
    NotSent,
    /// It left, or may have.
    MaybeSent,
}

impl EgressError {
    /// The stable code that users see.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Blocked { .. } => "egress_blocked",
            Self::InvalidUrl { .. } => "egress_invalid_url",
            Self::Scheme { .. } => "egress_scheme",
            Self::InvalidMethod { .. } => "invalid_method",
            Self::InvalidHeader { .. } => "invalid_header",
            Self::DnsFailed { .. } => "dns_failed",
            Self::ConnectFailed { .. } => "connect_failed",
            Self::TlsFailed { .. } => "tls_failed",
            Self::RequestTimeout { .. } => "request_timeout",
            Self::ResponseTooLarge { .. } => "response_too_large",
            Self::NoRoom { .. } => "no_room",
            Self::InvalidResponse { .. } => "invalid_response",
            Self::ConnectionLost { .. } => "connection_lost",
            Self::RedirectLimit { .. } => "redirect_limit",
            Self::RedirectBlocked { .. } => "redirect_blocked",
            Self::AfterRedirect { source } => source.code(),
            Self::Setup { .. } => "egress_setup",
        }
    }

    /// Whether the request may have reached the other side.
    pub fn sent(&self) -> Sent {
        match self {
            Self::Blocked { .. }
            | Self::InvalidUrl { .. }
            | Self::Scheme { .. }
            | Self::InvalidMethod { .. }
            | Self::InvalidHeader { .. }
            | Self::DnsFailed { .. }
            | Self::ConnectFailed { .. }
            | Self::TlsFailed { .. }
            | Self::Setup { .. } => Sent::NotSent,
            Self::RequestTimeout { .. }
            | Self::ResponseTooLarge { .. }
            | Self::NoRoom { .. }
            | Self::InvalidResponse { .. }
            | Self::ConnectionLost { .. }
            | Self::RedirectLimit { .. }
            | Self::RedirectBlocked { .. }
            | Self::AfterRedirect { .. } => Sent::MaybeSent,
        }
    }

    /// Whether the same request may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::DnsFailed { .. }
            | Self::ConnectFailed { .. }
            | Self::RequestTimeout { .. }
            | Self::NoRoom { .. }
            | Self::InvalidResponse { .. }
            | Self::ConnectionLost { .. } => true,
            // A certificate does not become right by asking again.
            Self::Blocked { .. }
            | Self::InvalidUrl { .. }
            | Self::Scheme { .. }
            | Self::InvalidMethod { .. }
            | Self::InvalidHeader { .. }
            | Self::TlsFailed { .. }
            | Self::ResponseTooLarge { .. }
            | Self::RedirectLimit { .. }
            | Self::RedirectBlocked { .. }
            | Self::Setup { .. } => false,
            Self::AfterRedirect { source } => source.retryable(),
        }
    }

    /// The same failure on a later hop than the first: `from` has answered with a redirect.
    pub(crate) fn after_redirect(self, from: &str) -> Self {
        match self {
            Self::Blocked { .. } | Self::InvalidUrl { .. } | Self::Scheme { .. } => {
                Self::RedirectBlocked { host: from.to_owned(), source: Box::new(self) }
            }
            Self::RedirectLimit { .. } => self,
            other => Self::AfterRedirect { source: Box::new(other) },
        }
    }

    /// What a failure of the HTTP stack means for a request to `host`.
    pub(crate) fn from_reqwest(error: &reqwest::Error, host: &str) -> Self {
        let host = host.to_owned();
        if let Some(refused) = find::<EgressError>(error) {
            return refused.clone();
        }
        if error.is_builder() {
            return Self::InvalidUrl { reason: "the address cannot be sent over HTTP" };
        }
        if error.is_connect() {
            if let Some(tls) = find::<rustls::Error>(error) {
                return Self::TlsFailed { host, reason: lower_case(&tls.to_string()) };
            }
            let reason = if error.is_timeout() { "it took too long".to_owned() } else { root_cause(error) };
            return Self::ConnectFailed { host, reason };
        }
        match find::<hyper::Error>(error) {
            Some(hyper) if hyper.is_parse() => {
                Self::InvalidResponse { host, reason: lower_case(&hyper.to_string()) }
            }
            Some(hyper) if hyper.is_incomplete_message() => Self::ConnectionLost {
                host,
                reason: "it was closed before the response was complete".to_owned(),
            },
            Some(_) | None => Self::ConnectionLost { host, reason: root_cause(error) },
        }
    }
}

/// The first `T` among an error and its causes, also inside I/O errors, which do not count what they wrap as
/// their cause.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    match root.downcast_ref::<io::Error>() {
        // The kind reads better than "Connection refused (os error 111)".
        Some(io) if io.raw_os_error().is_some() => io.kind().to_string(),
        Some(_) | None => lower_case(&root.to_string()),
    }
}

/// Other crates' messages begin with a capital now and then.
fn lower_case(message: &str) -> String {
    let mut letters = message.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}
