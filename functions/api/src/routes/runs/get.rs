//! One run, with its steps.

use crate::App;
use crate::body::IdOf;
use crate::error::ApiResult;
use crate::view::{ProblemView, RunView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::{OrgKey, RunId};

/// A run with each step's input, output, attempts, times and error.
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "runs", params(("id" = String, Path)), security(("token" = [])), responses(
    (status = 200, body = RunView),
    (status = 404, description = "`run_not_found`", body = ProblemView),
))]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Can<permit::RunsRead>,
    IdOf(id): IdOf<RunId>,
) -> ApiResult<Json<RunView>> {
    whole(&app, caller.org_key(), &id).await.map(Json)
}

pub(super) async fn whole(app: &App, org: &OrgKey, id: &RunId) -> ApiResult<RunView> {
    let head = app.runs.head(org, id, true).await?.ok_or_else(IdOf::<RunId>::not_found)?;
    let journal = app.runs.journal(org, id).await?;
    let plan = app.plans.get(org, &head.workflow, head.version).await?;
    Ok(RunView::whole(&head, &journal, &plan, app.now()))
}
