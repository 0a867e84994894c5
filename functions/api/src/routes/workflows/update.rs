//! A new version of a workflow.

use super::{change, compile, find};
use crate::App;
use crate::body::{IdOf, JsonBody};
use crate::error::ApiResult;
use crate::view::{ProblemView, WorkflowView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::WorkflowId;
use serde_json::Value;

/// Makes a new version. New runs take it; runs that were started keep theirs.
#[utoipa::path(put, path = "/v1/workflows/{id}", tag = "workflows", params(("id" = String, Path)), request_body = Object,
    security(("token" = [])), responses(
    (status = 200, body = WorkflowView),
    (status = 404, description = "`workflow_not_found`", body = ProblemView),
    (status = 409, description = "`conflict`: somebody changed it at the same moment", body = ProblemView),
    (status = 422, description = "`invalid_definition`, with every fault", body = ProblemView),
))]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Can<permit::WorkflowsWrite>,
    IdOf(id): IdOf<WorkflowId>,
    JsonBody(document): JsonBody<Value>,
) -> ApiResult<Json<WorkflowView>> {
    let plan = compile(&document)?;
    let meta = find(&app, caller.org_key(), &id).await?;
    let (meta, change) = change::publish(caller.org_key(), meta, &plan, app.now());
    app.store.save_workflow(caller.org_key(), &meta, &change).await?;
    Ok(Json(WorkflowView::new(&meta, plan.definition(), &app.public_url)))
}
