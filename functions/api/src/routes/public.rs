//! What anybody may ask.

use crate::App;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
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

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "public", responses((status = 200, body = Object)))]
pub(crate) async fn openapi(State(_app): State<App>) -> Json<Value> {
    Json(serde_json::to_value(crate::document()).unwrap_or_default())
}
