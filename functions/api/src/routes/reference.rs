//! The interactive reference: the OpenAPI document in a browser.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};

/// The page runs its own scripts and asks this API only; nobody shows it in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

pub(crate) async fn page() -> Response {
    let page = include_bytes!("../../assets/reference.html");
    answer(page, "text/html; charset=utf-8", false)
}

pub(crate) async fn script() -> Response {
    let script = include_bytes!("../../assets/reference.js");
    answer(script, "text/javascript; charset=utf-8", false)
}

/// See `assets/swagger-ui/README.md`.
pub(crate) async fn bundle() -> Response {
    let script = include_bytes!("../../assets/swagger-ui/swagger-ui-bundle.js.gz");
    answer(script, "text/javascript; charset=utf-8", true)
}

pub(crate) async fn style() -> Response {
    let style = include_bytes!("../../assets/swagger-ui/swagger-ui.css.gz");
    answer(style, "text/css; charset=utf-8", true)
}

fn answer(bytes: &'static [u8], media: &'static str, zipped: bool) -> Response {
    let mut response = bytes.into_response();
    let mut set = |name: HeaderName, value: &'static str| {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    };
    set(CONTENT_TYPE, media);
    set(CACHE_CONTROL, "public, max-age=3600");
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    if zipped {
        set(CONTENT_ENCODING, "gzip");
    }
    response
}
