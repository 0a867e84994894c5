//! The keys that access tokens are verified with.

use crate::App;
use crate::error::ApiResult;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CACHE_CONTROL;
use serde_json::Value;

/// The public keys of access tokens (RFC 7517), for programs that verify them themselves. Keys come and go: look them up by `kid`.
#[utoipa::path(get, path = "/v1/auth/jwks.json", tag = "sign-in", responses((status = 200, body = Object)))]
pub(crate) async fn jwks(
    State(app): State<App>,
) -> ApiResult<([(HeaderName, &'static str); 1], Json<Value>)> {
    Ok(([(CACHE_CONTROL, "public, max-age=300")], Json(app.keyring().await?.jwks())))
}
