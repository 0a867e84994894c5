//! Making a version live: the newest one, or an older one again.

use super::{change, cycles, find, find_version, schedules};
use crate::App;
use crate::body::{IdOf, JsonBody};
use crate::error::ApiResult;
use crate::view::{ProblemView, WorkflowView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::WorkflowId;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishBody {
    /// The version that new runs shall take.
    #[schema(example = 3)]
    version: u32,
}

/// Makes a version live, which may be an older one. All new runs take it: splits of traffic end. Webhooks keep their addresses.
#[utoipa::path(post, path = "/v1/workflows/{id}/publish", tag = "workflows", params(("id" = String, Path)),
    request_body = PublishBody, security(("token" = [])), responses(
    (status = 200, body = WorkflowView),
    (status = 404, description = "`workflow_not_found` or `version_not_found`", body = ProblemView),
    (status = 422, description = "`invalid_definition`: its steps would call each other in a circle", body = ProblemView),
    (status = 409, description = "`conflict`: somebody changed it at the same moment", body = ProblemView),
))]
pub(crate) async fn publish(
    State(app): State<App>,
    caller: Can<permit::WorkflowsWrite>,
    IdOf(id): IdOf<WorkflowId>,
    JsonBody(body): JsonBody<PublishBody>,
) -> ApiResult<Json<WorkflowView>> {
    let org = caller.org_key();
    let mut meta = find(&app, org, &id).await?;
    let version = find_version(&app, org, &id, body.version).await?;
    let plan = app.plans.get(org, &id, body.version).await?;
    if meta.live != body.version || !meta.splits.is_empty() {
        cycles::refuse(&app, org, &id, &plan).await?;
        if meta.enabled {
            schedules::plan_next(&app, org, &id, &plan).await?;
        }
        let change;
        (meta, change) = change::publish(org, meta, &version, &plan, app.now());
        app.store.save_workflow(org, &meta, &change).await?;
        schedules::start_soon(&app, org, &meta, &plan).await?;
    }
    Ok(Json(WorkflowView::new(&meta, meta.live, plan.definition(), &app.public_url)))
}
