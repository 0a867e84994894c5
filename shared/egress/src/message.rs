//! A request, its response, and the port through which one becomes the other.

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use crate::client::{DEFAULT_MAX_RESPONSE_BYTES, DEFAULT_TIMEOUT};
use crate::error::EgressError;
use crate::spool::Room;

/// Sends requests. [`Egress`](crate::Egress) is the real one; the simulation has a model.
#[async_trait]
pub trait HttpPort: Send + Sync {
    /// Sends one request and reads its response whole. Any status is a response, not an error.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, EgressError>;
}

/// A request to an address that a user chose.
#[derive(Clone)]
pub struct HttpRequest {
    pub method: Method,
    /// Absolute, `https` or `http`.
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// What is sent behind `body`. Files are read while they are sent, and never in memory as a whole.
    pub attached: Vec<Piece>,
    /// From the name's resolution to the last byte of the last redirect's body.
    pub timeout: Duration,
    /// The client's own limit stands above it.
    pub max_response_bytes: usize,
    /// What a body has beyond this goes to a file instead of memory.
    pub max_bytes_in_memory: usize,
    pub follow_redirects: bool,
}

/// A part of a body.
#[derive(Debug, Clone)]
pub enum Piece {
    Bytes(Bytes),
    /// The first so many bytes of a file.
    File(Arc<File>, u64),
}

impl Piece {
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, bytes) => *bytes,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the other side answered.
#[derive(Clone)]
pub struct HttpResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The body, unless it is in `file`.
    pub body: Bytes,
    /// A body that was too large for memory.
    pub file: Option<Spooled>,
    /// Where the answer came from: the last redirect's target.
    pub url: String,
    /// How many redirects led there.
    pub redirects: u8,
}

/// A body in a file that has no name: it is gone when nobody holds it any more.
#[derive(Debug, Clone)]
pub struct Spooled {
    pub file: Arc<File>,
    pub bytes: u64,
    /// What it takes of the room for files: given back when the last copy is dropped.
    #[expect(dead_code, reason = "it is there to be dropped")]
    room: Option<Arc<Room>>,
}

impl Spooled {
    pub(crate) fn taking(file: File, bytes: u64, room: Room) -> Self {
        Self { file: Arc::new(file), bytes, room: Some(Arc::new(room)) }
    }

    /// A file of an `HttpPort` other than [`Egress`](crate::Egress).
    pub fn of(file: File, bytes: u64) -> Self {
        Self { file: Arc::new(file), bytes, room: None }
    }
}

impl HttpRequest {
    /// A request without headers and body: 30 seconds, 5 MiB, following redirects.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            attached: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
            max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
            max_bytes_in_memory: usize::MAX,
            follow_redirects: true,
        }
    }

    /// Adds a header, checking name and value as HTTP does (no line breaks).
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, EgressError> {
        let (name, value) = parse(name, value)?;
        self.headers.append(name, value);
        Ok(self)
    }

    /// Adds a credential: it is hidden in debug output and never follows a redirect to another origin.
    pub fn secret_header(mut self, name: &str, value: &str) -> Result<Self, EgressError> {
        let (name, mut value) = parse(name, value)?;
        value.set_sensitive(true);
        self.headers.append(name, value);
        Ok(self)
    }
}

fn parse(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), EgressError> {
    let invalid = |reason| EgressError::InvalidHeader { name: name.escape_default().to_string(), reason };
    let parsed_name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| invalid("its name may only have letters, digits and hyphens"))?;
    let value = HeaderValue::from_str(value)
        .map_err(|_| invalid("its value may only have visible ASCII characters, spaces and tabs"))?;
    Ok((parsed_name, value))
}

// Bodies, queries and headers hold secrets and personal data, so debug output has none of them.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &origin(&self.url))
            .field("headers", &names(&self.headers))
            .field("body_bytes", &self.body.len())
            .field("attached", &self.attached.len())
            .field("timeout", &self.timeout)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("max_bytes_in_memory", &self.max_bytes_in_memory)
            .field("follow_redirects", &self.follow_redirects)
            .finish()
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("headers", &names(&self.headers))
            .field("body_bytes", &self.body.len())
            .field("file", &self.file)
            .field("url", &origin(&self.url))
            .field("redirects", &self.redirects)
            .finish()
    }
}

/// Not `headers.keys()`: its debug output has the values.
fn names(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(HeaderName::as_str).collect()
}

/// Scheme and host: webhook addresses such as Slack's carry their secret in the path.
fn origin(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(url) => url.origin().ascii_serialization(),
        Err(_) => "(not a URL)".to_owned(),
    }
}
