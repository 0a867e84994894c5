//! Cancelling a run.

use super::get::whole;
use crate::App;
use crate::body::IdOf;
use crate::error::{ApiError, ApiResult};
use crate::view::{ProblemView, RunView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use dispatch::called_run;
use domain::audit::Action;
use domain::run::{End, Mark, RunError, RunStatus, SettledBy};
use domain::{OrgKey, RunId};
use engine::NodeKind;
use std::collections::BTreeMap;

/// Cancels a run, and the runs that it has called and waits for. A step that is under way is not interrupted; nothing follows it.
/// Cancelling twice changes nothing.
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
    if !head.status.is_terminal() {
        app.store.record(org, &caller.record(Action::RunCancelled, app.now()).on("run", &id)).await?;
    }
    let end = End {
        status: RunStatus::Cancelled,
        at: app.now(),
        error: Some(RunError::new("cancelled", format!("cancelled by `{}`", caller.actor()))),
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
            cancel_called(&app, org, &id).await?;
            whole(&app, org, &id).await.map(Json)
        }
    }
}

/// Cancels the runs that a cancelled run has called and waits for, and those that they wait for. What is interrupted here is made
/// good by cancelling again.
async fn cancel_called(app: &App, org: &OrgKey, cancelled: &RunId) -> ApiResult<()> {
    let mut open = vec![cancelled.clone()];
    while let Some(id) = open.pop() {
        let Some(caller) = app.runs.head(org, &id, false).await? else { continue };
        let plan = app.plans.get(org, &caller.workflow, caller.version).await?;
        let calls = |path: &str| {
            let node = plan.by_instance(path).map(|ix| &plan.node(ix).kind);
            node.and_then(|kind| match kind {
                NodeKind::Workflow { workflow, wait: true, .. } => Some(workflow.clone()),
                _ => None,
            })
        };
        if !plan.calls_and_waits() {
            continue;
        }
        // What was awaited has its outcome in a later attempt.
        let mut last: BTreeMap<String, (u16, bool)> = BTreeMap::new();
        for entry in app.runs.journal(org, &id).await?.entries {
            let this = (entry.attempt, matches!(entry.mark, Mark::Awaiting { .. }));
            let of = last.entry(entry.path).or_insert(this);
            *of = (*of).max(this);
        }
        for path in last.into_iter().filter_map(|(path, (_, waits))| waits.then_some(path)) {
            let Some(workflow) = calls(&path) else { continue };
            let called = called_run(org, &caller, &path, &workflow);
            let Some(head) = app.runs.head(org, &called, false).await? else { continue };
            if !head.status.is_terminal() {
                let message = format!("the run {id}, which waited for this one, was cancelled");
                let end = End {
                    status: RunStatus::Cancelled,
                    at: app.now(),
                    error: Some(RunError::new("cancelled", message)),
                    output: None,
                    outbox: head.consequences(RunStatus::Cancelled),
                };
                app.runs.finish(org, &called, &end).await?;
                if let Some(head) = app.runs.head(org, &called, false).await? {
                    app.starter.settle(&*app.bus, org, &head).await?;
                }
            }
            open.push(called);
        }
    }
    Ok(())
}
