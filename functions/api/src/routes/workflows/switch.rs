//! Switching a workflow on and off.

use super::{change, find, schedules};
use crate::App;
use crate::body::IdOf;
use crate::error::ApiResult;
use crate::view::{ProblemView, WorkflowView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::{OrgKey, WorkflowId};

/// Lets the workflow's triggers start runs.
#[utoipa::path(post, path = "/v1/workflows/{id}/enable", tag = "workflows", params(("id" = String, Path)),
    security(("token" = [])), responses(
    (status = 200, body = WorkflowView),
    (status = 404, description = "`workflow_not_found`", body = ProblemView),
))]
pub(crate) async fn enable(
    State(app): State<App>,
    caller: Can<permit::WorkflowsWrite>,
    IdOf(id): IdOf<WorkflowId>,
) -> ApiResult<Json<WorkflowView>> {
    switch(&app, caller.org_key(), &id, true).await
}

/// Keeps the workflow's triggers from starting runs. Runs that were started go on.
#[utoipa::path(post, path = "/v1/workflows/{id}/disable", tag = "workflows", params(("id" = String, Path)),
    security(("token" = [])), responses(
    (status = 200, body = WorkflowView),
    (status = 404, description = "`workflow_not_found`", body = ProblemView),
))]
pub(crate) async fn disable(
    State(app): State<App>,
    caller: Can<permit::WorkflowsWrite>,
    IdOf(id): IdOf<WorkflowId>,
) -> ApiResult<Json<WorkflowView>> {
    switch(&app, caller.org_key(), &id, false).await
}

async fn switch(app: &App, org: &OrgKey, id: &WorkflowId, enabled: bool) -> ApiResult<Json<WorkflowView>> {
    let mut meta = find(app, org, id).await?;
    let plan = app.plans.get(org, id, meta.live).await?;
    if meta.enabled != enabled {
        meta.enabled = enabled;
        if enabled {
            schedules::plan_next(app, org, id, &plan).await?;
        }
        let change;
        (meta, change) = change::point(org, meta, &plan, app.now());
        app.store.save_workflow(org, &meta, &change).await?;
        schedules::start_soon(app, org, &meta, &plan).await?;
    }
    Ok(Json(WorkflowView::new(&meta, meta.live, plan.definition(), &app.public_url)))
}
