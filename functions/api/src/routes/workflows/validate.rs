//! Checking a definition without saving it.

use super::uses::{Known, connection_faults};
use super::{compile, refused};
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
    State(app): State<App>,
    caller: Can<permit::WorkflowsRead>,
    JsonBody(document): JsonBody<Value>,
) -> ApiResult<Json<Validation>> {
    let known = Known::of(&app, caller.org_key(), &document).await?;
    let checked = match compile(&document, &known) {
        Ok(plan) => {
            let faults = connection_faults(&app, caller.org_key(), &plan).await?;
            if faults.is_empty() { Ok(()) } else { Err(refused(faults)) }
        }
        Err(problem) => Err(problem),
    };
    Ok(Json(match checked {
        Ok(()) => Validation { valid: true, errors: Vec::new() },
        Err(problem) if problem.errors.is_empty() => return Err(problem.into()),
        Err(problem) => {
            Validation { valid: false, errors: problem.errors.into_iter().map(FaultView::from).collect() }
        }
    }))
}
