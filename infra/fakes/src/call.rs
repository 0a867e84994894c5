//! A request as a fake sees it: whole, with what vendors look at made easy to read.

use axum::extract::FromRequestParts;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use url::form_urlencoded;

/// A request. Handlers take it as an extractor; it is always there.
#[derive(Debug, Clone)]
pub struct Call(Arc<Inner>);

#[derive(Debug)]
pub struct Inner {
    pub method: Method,
    /// As it was sent, still encoded.
    pub path: String,
    /// Without the question mark, still encoded.
    pub query: String,
    /// What the client thinks it talks to.
    pub host: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The fake's time.
    pub now: Timestamp,
    /// One of the vendor's own faults, to be done with this request.
    pub fault: Option<String>,
}

impl std::ops::Deref for Call {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Call {
    pub(crate) fn new(parts: &Parts, body: Bytes, now: Timestamp) -> Self {
        let host = parts
            .uri
            .authority()
            .map(ToString::to_string)
            .or_else(|| Some(parts.headers.get(header::HOST)?.to_str().ok()?.to_owned()));
        Self(Arc::new(Inner {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            host: host.unwrap_or_default(),
            headers: parts.headers.clone(),
            body,
            now,
            fault: None,
        }))
    }

    /// The same request, to be met by a vendor's own fault.
    pub(crate) fn with_fault(self, fault: String) -> Self {
        let inner = &*self.0;
        Self(Arc::new(Inner {
            method: inner.method.clone(),
            path: inner.path.clone(),
            query: inner.query.clone(),
            host: inner.host.clone(),
            headers: inner.headers.clone(),
            body: inner.body.clone(),
            now: inner.now,
            fault: Some(fault),
        }))
    }

    #[cfg(test)]
    pub(crate) fn for_test(method: &str, uri: &str) -> Self {
        let request = http::Request::builder().method(method).uri(uri).body(()).unwrap();
        Self::new(&request.into_parts().0, Bytes::new(), Timestamp::UNIX_EPOCH)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What follows `Bearer` in the `Authorization` header.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The content type without its parameters, in lower case.
    pub fn content_type(&self) -> String {
        let whole = self.header("content-type").unwrap_or_default();
        whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The query, decoded, in its order.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// The first value of a parameter of the query.
    pub fn query_value(&self, name: &str) -> Option<String> {
        self.query_pairs().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A form body, decoded, in its order.
    pub fn form_pairs(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        parts.extensions.get::<Self>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vendors_look_at_is_read() {
        let request = http::Request::builder()
            .uri("http://content.example/v0/a%20b?x=1&x=2&y=a+b")
            .header("authorization", "Bearer  abc ")
            .header("content-type", "Application/JSON;charset=utf-8")
            .body(())
            .unwrap();
        let call = Call::new(&request.into_parts().0, Bytes::from_static(b"{}"), Timestamp::UNIX_EPOCH);
        assert_eq!((call.host.as_str(), call.path.as_str()), ("content.example", "/v0/a%20b"));
        assert_eq!(call.bearer(), Some("abc"));
        assert_eq!(call.content_type(), "application/json");
        assert_eq!(call.query_value("y").as_deref(), Some("a b"));
        assert_eq!(call.query_pairs().len(), 3);
        assert_eq!(call.json().unwrap(), serde_json::json!({}));
    }
}
