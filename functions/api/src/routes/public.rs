//! What anybody may ask.

use crate::App;
use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::LazyLock;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`: an API that is not does not answer.
    #[schema(example = "ok")]
    status: &'static str,
    version: &'static str,
}

/// Whether the API answers.
#[utoipa::path(get, path = "/v1/health", tag = "public", responses((status = 200, body = Health)))]
pub(crate) async fn health(State(_app): State<App>) -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// The JSON Schema of workflow definitions (draft 2020-12), for editors and programs that write definitions.
#[utoipa::path(get, path = "/v1/schema/workflow.json", tag = "public", responses(
    (status = 200, body = Object, content_type = "application/schema+json"),
    (status = 304, description = "It is as the `if-none-match` has it")))]
pub(crate) async fn schema(State(_app): State<App>, headers: HeaderMap) -> Response {
    static SCHEMA: LazyLock<Served> =
        LazyLock::new(|| Served::new(domain::workflow::schema::schema().to_string()));
    SCHEMA.answer(&headers, "application/schema+json")
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "public", responses((status = 200, body = Object),
    (status = 304, description = "It is as the `if-none-match` has it")))]
pub(crate) async fn openapi(State(_app): State<App>, headers: HeaderMap) -> Response {
    static TEXT: LazyLock<Served> = LazyLock::new(|| Served::new(crate::document().to_string()));
    TEXT.answer(&headers, "application/json")
}

/// A text that is the same until the next release.
struct Served {
    text: String,
    tag: String,
}

impl Served {
    fn new(text: String) -> Self {
        let tag = format!("\"{}\"", domain::id::base32(domain::id::digest16(&[&text])));
        Self { text, tag }
    }

    fn answer(&'static self, headers: &HeaderMap, media: &'static str) -> Response {
        let known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == self.tag.as_bytes());
        let cached = [(ETAG, self.tag.as_str()), (CACHE_CONTROL, "public, max-age=3600")];
        if known {
            return (StatusCode::NOT_MODIFIED, cached).into_response();
        }
        (cached, [(CONTENT_TYPE, media)], self.text.as_str()).into_response()
    }
}
