//! Cancelling a run.

use super::get::whole;
use crate::App;
use crate::body::IdOf;
use crate::error::{ApiError, ApiResult};
use crate::view::{ProblemView, RunView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::RunId;
use domain::run::{End, RunError, RunStatus, SettledBy};

/// Cancels a run. A step that is under way is not interrupted; nothing follows it. Cancelling twice changes nothing.
#[utoipa::path(post, path = "/v1/runs/{id}/cancel", tag = "runs", params(("id" = String, Path)), security(("token" = [])),
    responses(
    (status = 200, body = RunView),
    (status = 404, description = "`run_not_found`", body = ProblemView),
    (status = 409, description = "`run_ended`: it ended otherwise before", body = ProblemView),
))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Can<permit::RunsCancel>,
    IdOf(id): IdOf<RunId>,
) -> ApiResult<Json<RunView>> {
    let org = caller.org_key();
    let Some(head) = app.runs.head(org, &id, false).await? else {
        return Err(IdOf::<RunId>::not_found());
    };
    let end = End {
        status: RunStatus::Cancelled,
        at: app.now(),
        error: Some(RunError::new("cancelled", format!("cancelled by `{}`", caller.user()))),
        output: None,
        outbox: head.consequences(RunStatus::Cancelled),
    };
    match app.runs.finish(org, &id, &end).await? {
        SettledBy::Another(head) if head.status != RunStatus::Cancelled => {
            Err(ApiError::new(409, "run_ended", format!("the run had ended as `{}` before", head.status)))
        }
        SettledBy::Us | SettledBy::Another(_) => {
            // Should it fail, the sweeper sends what is due to others.
            if let Some(head) = app.runs.head(org, &id, false).await?
                && let Err(error) = app.starter.settle(&*app.bus, org, &head).await
            {
                tracing::warn!(run.id = %id, %error, "the run that waits for this one is told later");
            }
            whole(&app, org, &id).await.map(Json)
        }
    }
}
