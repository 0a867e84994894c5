//! A new version of a workflow.

use super::{Tagged, change, compile_for, cycles, find, schedules, shown, subscription, tagged};
use crate::App;
use crate::body::{IdOf, JsonBody, QueryOf};
use crate::error::ApiResult;
use crate::etag::IfMatch;
use crate::view::{ProblemView, WorkflowView};
use auth::{Can, permit};
use axum::extract::State;
use domain::WorkflowId;
use domain::audit::Action;
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
#[utoipa::path(put, path = "/v1/workflows/{id}", tag = "workflows", params(("id" = String, Path), UpdateQuery,
    ("if-match" = Option<String>, Header)),
    request_body = Object, security(("token" = [])), responses(
    (status = 200, body = WorkflowView),
    (status = 404, description = "`workflow_not_found`", body = ProblemView),
    (status = 409, description = "`conflict`: somebody changed it at the same moment", body = ProblemView),
    (status = 412, description = "`precondition_failed`: `current` is the tag that it has now", body = ProblemView),
    (status = 422, description = "`invalid_definition`, with every fault", body = ProblemView),
))]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Can<permit::WorkflowsWrite>,
    IdOf(id): IdOf<WorkflowId>,
    QueryOf(query): QueryOf<UpdateQuery>,
    if_match: IfMatch,
    JsonBody(document): JsonBody<Value>,
) -> ApiResult<Tagged> {
    let plan = compile_for(&app, caller.org_key(), document).await?;
    let meta = find(&app, caller.org_key(), &id).await?;
    if_match.check(meta.revision)?;
    let before = shown(&meta);
    cycles::refuse(&app, caller.org_key(), &id, &plan).await?;
    let mut touched = None;
    let (meta, change) = if query.publish.unwrap_or(true) {
        if meta.enabled {
            schedules::plan_next(&app, caller.org_key(), &id, &plan).await?;
            touched = Some(subscription::touch(&app, caller.org_key(), &meta, &plan).await?);
        }
        change::save(caller.org_key(), meta, &plan, app.now())
    } else {
        change::draft(meta, &plan, app.now())
    };
    let record = caller.record(Action::WorkflowChanged, app.now()).on("workflow", &id);
    let record = record.before(before).after(shown(&meta));
    app.store.save_workflow(caller.org_key(), &meta, &change, &record).await?;
    if meta.live == meta.version {
        schedules::start_soon(&app, caller.org_key(), &meta, &plan).await?;
    }
    if let Some(touched) = touched {
        touched.look_after(&app, caller.org_key(), &id).await?;
    }
    Ok(tagged(&meta, meta.version, &plan, &app))
}
