//! Making a version live: the newest one, or an older one again.

use super::{Tagged, change, cycles, find, find_version, schedules, shown, subscription, tagged};
use crate::App;
use crate::body::{IdOf, JsonBody};
use crate::error::ApiResult;
use crate::etag::IfMatch;
use crate::view::{ProblemView, WorkflowView};
use auth::{Can, permit};
use axum::extract::State;
use domain::WorkflowId;
use domain::audit::Action;
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
#[utoipa::path(post, path = "/v1/workflows/{id}/publish", tag = "workflows", 
    params(("id" = String, Path), ("if-match" = Option<String>, Header)),
    request_body = PublishBody, security(("token" = [])), responses(
    (status = 200, body = WorkflowView),
    (status = 404, description = "`workflow_not_found` or `version_not_found`", body = ProblemView),
    (status = 422, description = "`invalid_definition`: its steps would call each other in a circle", body = ProblemView),
    (status = 412, description = "`precondition_failed`: `current` is the tag that it has now", body = ProblemView),
    (status = 409, description = "`conflict`: somebody changed it at the same moment", body = ProblemView),
))]
pub(crate) async fn publish(
    State(app): State<App>,
    caller: Can<permit::WorkflowsWrite>,
    IdOf(id): IdOf<WorkflowId>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<PublishBody>,
) -> ApiResult<Tagged> {
    let org = caller.org_key();
    let mut meta = find(&app, org, &id).await?;
    if_match.check(meta.revision)?;
    let before = shown(&meta);
    let version = find_version(&app, org, &id, body.version).await?;
    let plan = app.plans.get(org, &id, body.version).await?;
    if meta.live != body.version || !meta.splits.is_empty() {
        cycles::refuse(&app, org, &id, &plan).await?;
        if meta.enabled {
            schedules::plan_next(&app, org, &id, &plan).await?;
        }
        let touched = subscription::touch(&app, org, &meta, &plan).await?;
        let change;
        (meta, change) = change::publish(org, meta, &version, &plan, app.now());
        let record = caller.record(Action::WorkflowPublished, app.now()).on("workflow", &id);
        let record = record.before(before).after(shown(&meta));
        app.store.save_workflow(org, &meta, &change, &record).await?;
        schedules::start_soon(&app, org, &meta, &plan).await?;
        touched.look_after(&app, org, &id).await?;
    }
    Ok(tagged(&meta, meta.live, &plan, &app))
}
