//! Answers.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

/// An answer in JSON.
pub fn json(status: StatusCode, body: &Value) -> Response {
    typed(status, "application/json; charset=utf-8", body.to_string())
}

/// An answer of any type.
pub fn typed(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The answer with one more header. A value that no header can hold is left out.
pub fn with_header(mut response: Response, name: &'static str, value: impl ToString) -> Response {
    if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}

/// What a fake says to whatever it does not model, instead of a polite answer that means nothing.
pub fn not_modelled(vendor: &str, method: &str, path: &str, what: Option<&str>) -> Response {
    let of = what.map(|what| format!(" with {what}")).unwrap_or_default();
    json(
        StatusCode::NOT_IMPLEMENTED,
        &json!({
            "error": "not_modelled",
            "message": format!("The fake of {vendor} does not model {method} {path}{of}."),
        }),
    )
}
