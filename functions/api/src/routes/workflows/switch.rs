//! Switching a workflow on and off.

use super::{Tagged, change, find, schedules, shown, subscription, tagged};
use crate::App;
use crate::body::IdOf;
use crate::error::ApiResult;
use crate::etag::IfMatch;
use crate::view::{ProblemView, WorkflowView};
use auth::{Caller, Can, permit};
use axum::extract::State;
use domain::WorkflowId;
use domain::audit::Action;

/// Lets the workflow's triggers start runs.
#[utoipa::path(post, path = "/v1/workflows/{id}/enable", tag = "workflows",
    params(("id" = String, Path), ("if-match" = Option<String>, Header)),
    security(("token" = [])), responses(
    (status = 200, body = WorkflowView),
    (status = 404, description = "`workflow_not_found`", body = ProblemView),
    (status = 412, description = "`precondition_failed`: `current` is the tag that it has now", body = ProblemView),
))]
pub(crate) async fn enable(
    State(app): State<App>,
    caller: Can<permit::WorkflowsWrite>,
    IdOf(id): IdOf<WorkflowId>,
    if_match: IfMatch,
) -> ApiResult<Tagged> {
    switch(&app, &caller, &id, if_match, true).await
}

/// Keeps the workflow's triggers from starting runs. Runs that were started go on.
#[utoipa::path(post, path = "/v1/workflows/{id}/disable", tag = "workflows",
    params(("id" = String, Path), ("if-match" = Option<String>, Header)),
    security(("token" = [])), responses(
    (status = 200, body = WorkflowView),
    (status = 404, description = "`workflow_not_found`", body = ProblemView),
    (status = 412, description = "`precondition_failed`: `current` is the tag that it has now", body = ProblemView),
))]
pub(crate) async fn disable(
    State(app): State<App>,
    caller: Can<permit::WorkflowsWrite>,
    IdOf(id): IdOf<WorkflowId>,
    if_match: IfMatch,
) -> ApiResult<Tagged> {
    switch(&app, &caller, &id, if_match, false).await
}

async fn switch(
    app: &App,
    caller: &Caller,
    id: &WorkflowId,
    if_match: IfMatch,
    enabled: bool,
) -> ApiResult<Tagged> {
    let org = caller.org_key();
    let mut meta = find(app, org, id).await?;
    if_match.check(meta.revision)?;
    let before = shown(&meta);
    let plan = app.plans.get(org, id, meta.live).await?;
    if meta.enabled != enabled {
        meta.enabled = enabled;
        if enabled {
            schedules::plan_next(app, org, id, &plan).await?;
        }
        let touched = subscription::touch(app, org, &meta, &plan).await?;
        let change;
        (meta, change) = change::point(org, meta, &plan, app.now());
        let action = if enabled { Action::WorkflowEnabled } else { Action::WorkflowDisabled };
        let record = caller.record(action, app.now()).on("workflow", id);
        let record = record.before(before).after(shown(&meta));
        app.store.save_workflow(org, &meta, &change, &record).await?;
        schedules::start_soon(app, org, &meta, &plan).await?;
        touched.look_after(app, org, id).await?;
    }
    Ok(tagged(&meta, meta.live, &plan, app))
}
