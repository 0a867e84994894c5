//! One hop after another: how a redirect changes method, body and headers.

use bytes::Bytes;
use http::header::{HeaderMap, LOCATION};
use http::{Method, StatusCode};
use url::Url;

use crate::error::EgressError;
use crate::message::Piece;
use crate::{headers, target};

/// What is sent to one address.
pub(crate) struct Hop {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) attached: Vec<Piece>,
}

impl Hop {
    /// The hop that a redirect asks for.
    pub(crate) fn next(
        mut self,
        status: StatusCode,
        location: &str,
        allow_loopback: bool,
    ) -> Result<Self, EgressError> {
        let url = target::join(&self.url, location, allow_loopback)?;
        let becomes_get = match status {
            StatusCode::SEE_OTHER => !matches!(self.method, Method::GET | Method::HEAD),
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.attached = Vec::new();
            headers::drop_body_headers(&mut self.headers);
        }
        if url.origin() != self.url.origin() {
            headers::keep_harmless(&mut self.headers);
        }
        self.url = url;
        Ok(self)
    }
}

/// Where a response redirects to; `None` if it is to be handed to the caller.
pub(crate) fn location(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let redirects = matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = headers.get(LOCATION).filter(|_| redirects)?;
    // Servers send raw UTF-8 here, which the URL parser encodes.
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}
