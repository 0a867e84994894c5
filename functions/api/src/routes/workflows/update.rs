//! A new version of a workflow.

use super::{change, compile, cycles, find, schedules};
use crate::App;
use crate::body::{IdOf, JsonBody, QueryOf};
use crate::error::ApiResult;
use crate::view::{ProblemView, WorkflowView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::WorkflowId;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateQuery {
    /// `false` keeps the new version a draft: new runs go on as they did until it is published. Default `true`.
    publish: Option<bool>,
}

/// Makes a new version. New runs take it, unless it is a draft; runs that were started keep theirs.
#[utoipa::path(put, path = "/v1/workflows/{id}", tag = "workflows", params(("id" = String, Path), UpdateQuery),
    request_body = Object, security(("token" = [])), responses(
    (status = 200, body = WorkflowView),
    (status = 404, description = "`workflow_not_found`", body = ProblemView),
    (status = 409, description = "`conflict`: somebody changed it at the same moment", body = ProblemView),
    (status = 422, description = "`invalid_definition`, with every fault", body = ProblemView),
))]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Can<permit::WorkflowsWrite>,
    IdOf(id): IdOf<WorkflowId>,
    QueryOf(query): QueryOf<UpdateQuery>,
    JsonBody(document): JsonBody<Value>,
) -> ApiResult<Json<WorkflowView>> {
    let plan = compile(&document)?;
    let meta = find(&app, caller.org_key(), &id).await?;
    cycles::refuse(&app, caller.org_key(), &id, &plan).await?;
    let (meta, change) = if query.publish.unwrap_or(true) {
        if meta.enabled {
            schedules::plan_next(&app, caller.org_key(), &id, &plan).await?;
        }
        change::save(caller.org_key(), meta, &plan, app.now())
    } else {
        change::draft(meta, &plan, app.now())
    };
    app.store.save_workflow(caller.org_key(), &meta, &change).await?;
    if meta.live == meta.version {
        schedules::start_soon(&app, caller.org_key(), &meta, &plan).await?;
    }
    Ok(Json(WorkflowView::new(&meta, meta.version, plan.definition(), &app.public_url)))
}
