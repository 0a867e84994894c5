//! What anybody may ask.

use crate::App;
use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
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
#[utoipa::path(get, path = "/v1/schema/workflow.json", tag = "public", responses((status = 200, body = Object),
    (status = 304, description = "It is as the `if-none-match` has it")))]
pub(crate) async fn schema(State(_app): State<App>, headers: HeaderMap) -> Response {
    static SCHEMA: LazyLock<(String, String)> = LazyLock::new(|| {
        let text = domain::workflow::schema::schema().to_string();
        let tag = format!("\"{}\"", domain::id::base32(domain::id::digest16(&[&text])));
        (text, tag)
    });
    let (text, tag) = &*SCHEMA;
    let known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let cached = [(ETAG, tag.as_str()), (CACHE_CONTROL, "public, max-age=3600")];
    if known {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    (cached, [(CONTENT_TYPE, "application/schema+json")], text.as_str()).into_response()
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "public", responses((status = 200, body = Object)))]
pub(crate) async fn openapi(State(_app): State<App>) -> Json<Value> {
    Json(serde_json::to_value(crate::document()).unwrap_or_default())
}
