//! Polls of a workflow: how they stand, and asking at once.

use super::find;
use crate::App;
use crate::body::TriggerPath;
use crate::error::{ApiError, ApiResult};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::audit::Action;
use domain::poll::Failing;
use domain::workflow::TriggerKind;
use domain::{OrgKey, WorkflowId};
use serde::Serialize;
use serde_json::{Value, json};
use store::{TriggerStore, WorkflowMeta};
use utoipa::ToSchema;

/// How a poll stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Poll)]
pub(crate) struct PollView {
    workflow: String,
    trigger: String,
    /// Whether all that was there at first is known: from then on each new record starts a run.
    begun: bool,
    /// Where the app is asked to begin; null where its records have no such thing, or before the first answer.
    #[schema(value_type = Value)]
    cursor: Value,
    /// How many records are remembered. More may be known: of older ones the runs are.
    known: usize,
    /// Why it fails, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<PollFailing>,
    /// When something was new the last time, or it began or ceased to fail; absent before the first answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    changed_at: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PollFailing {
    code: String,
    message: String,
    #[schema(format = DateTime)]
    since: String,
}

impl From<Failing> for PollFailing {
    fn from(failing: Failing) -> Self {
        Self { code: failing.code, message: failing.message, since: failing.since.rfc3339() }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Polling {
    workflow: String,
    trigger: String,
}

/// Tells how a poll stands.
#[utoipa::path(get, path = "/v1/workflows/{id}/triggers/{trigger}/poll", tag = "workflows",
    params(("id" = String, Path), ("trigger" = String, Path)), security(("token" = [])), responses(
    (status = 200, body = PollView),
    (status = 404, description = "`workflow_not_found` or `poll_not_found`", body = ProblemView),
))]
pub(crate) async fn poll_state(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRead>,
    TriggerPath { workflow, trigger }: TriggerPath,
) -> ApiResult<Json<PollView>> {
    let org = caller.org_key();
    polled(&app, org, &workflow, &trigger).await?;
    let kept = app.store.poll_state(org, &workflow, &trigger).await?;
    let changed_at = kept.as_ref().map(|kept| kept.state.changed_at.rfc3339());
    let state = kept.unwrap_or_default().state;
    Ok(Json(PollView {
        workflow: workflow.to_string(),
        trigger,
        begun: state.begun,
        known: state.known(),
        cursor: state.cursor,
        failing: state.failing.map(Into::into),
        changed_at,
    }))
}

/// Asks the app of a poll now, whenever it is next due. What is new starts runs.
#[utoipa::path(post, path = "/v1/workflows/{id}/triggers/{trigger}/poll", tag = "workflows",
    params(("id" = String, Path), ("trigger" = String, Path)), security(("token" = [])), responses(
    (status = 202, body = Polling, description = "The app is asked soon; `GET` tells how it went"),
    (status = 404, description = "`workflow_not_found` or `poll_not_found`", body = ProblemView),
    (status = 409, description = "`workflow_disabled`", body = ProblemView),
))]
pub(crate) async fn poll_now(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRun>,
    TriggerPath { workflow, trigger }: TriggerPath,
) -> ApiResult<(StatusCode, Json<Polling>)> {
    let org = caller.org_key();
    let meta = polled(&app, org, &workflow, &trigger).await?;
    if !meta.enabled {
        let detail = "the workflow is disabled; enable it with `POST /v1/workflows/{id}/enable`";
        return Err(ApiError::new(409, "workflow_disabled", detail));
    }
    let record = caller.record(Action::WorkflowPolled, app.now()).on("workflow", &workflow);
    app.store.record(org, &record.after(json!({"trigger": trigger}))).await?;
    app.starter.poll(org, &workflow, &trigger).await?;
    Ok((StatusCode::ACCEPTED, Json(Polling { workflow: workflow.to_string(), trigger })))
}

/// The workflow, if its live version has this poll.
async fn polled(app: &App, org: &OrgKey, workflow: &WorkflowId, trigger: &str) -> ApiResult<WorkflowMeta> {
    let meta = find(app, org, workflow).await?;
    let plan = app.plans.get(org, workflow, meta.live).await?;
    match plan.definition().trigger(trigger).map(|trigger| &trigger.kind) {
        Some(TriggerKind::Poll(_)) => Ok(meta),
        _ => Err(TriggerPath::not_found()),
    }
}
