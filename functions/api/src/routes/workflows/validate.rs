//! Checking a definition without saving it.

use super::compile;
use crate::App;
use crate::body::JsonBody;
use crate::error::ApiResult;
use crate::view::{FaultView, ProblemView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Validation {
    valid: bool,
    /// Every fault, with its place.
    errors: Vec<FaultView>,
}

/// Tells every fault of a definition.
#[utoipa::path(post, path = "/v1/workflows/validate", tag = "workflows", request_body = Object, security(("token" = [])),
    responses(
    (status = 200, body = Validation),
    (status = 400, description = "`body_malformed`", body = ProblemView),
))]
pub(crate) async fn validate(
    State(_app): State<App>,
    _caller: Can<permit::WorkflowsRead>,
    JsonBody(document): JsonBody<Value>,
) -> ApiResult<Json<Validation>> {
    Ok(Json(match compile(&document) {
        Ok(_) => Validation { valid: true, errors: Vec::new() },
        Err(problem) if problem.errors.is_empty() => return Err(problem.into()),
        Err(problem) => {
            Validation { valid: false, errors: problem.errors.into_iter().map(FaultView::from).collect() }
        }
    }))
}
