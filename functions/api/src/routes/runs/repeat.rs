//! Repeating a run: from what failed, or from a step of one's choice.

use crate::App;
use crate::body::{IdOf, JsonBody};
use crate::error::{ApiError, ApiResult};
use crate::page;
use crate::view::ProblemView;
use auth::{Caller, Can, permit};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use dispatch::{StartRequest, Started};
use domain::audit::Action;
use domain::run::{BlobRef, Head, Mark, Origin, Priority, Repeat, RunStatus};
use domain::{RunId, WorkflowId};
use engine::{CannotRepeat, Context, Kept, Plan};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::RunFilter;
use utoipa::ToSchema;
use uuid::Uuid;

/// How many runs one bulk request redrives.
const BULK: usize = 100;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Repeated {
    /// The new run.
    id: String,
    /// The run that it repeats.
    origin: String,
}

/// Starts a new run that takes over what succeeded and tries again what failed. Asking twice gives the same run.
#[utoipa::path(post, path = "/v1/runs/{id}/redrive", tag = "runs", params(("id" = String, Path)), security(("token" = [])),
    responses(
    (status = 202, body = Repeated),
    (status = 404, description = "`run_not_found`", body = ProblemView),
    (status = 409, description = "`run_not_failed`: it goes on, or has succeeded", body = ProblemView),
    (status = 429, description = "`quota_exceeded`: the day's runs are used up", body = ProblemView),
))]
pub(crate) async fn redrive(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRun>,
    IdOf(id): IdOf<RunId>,
) -> ApiResult<(StatusCode, Json<Repeated>)> {
    let org = caller.org_key();
    let head = app.runs.head(org, &id, true).await?.ok_or_else(IdOf::<RunId>::not_found)?;
    let priority = head.priority;
    again(&app, &caller, head, priority).await.map(|repeated| (StatusCode::ACCEPTED, Json(repeated)))
}

async fn again(app: &App, caller: &Caller, head: Head, priority: Priority) -> ApiResult<Repeated> {
    let org = caller.org_key();
    if !matches!(head.status, RunStatus::Failed | RunStatus::TimedOut | RunStatus::Cancelled) {
        let detail =
            format!("the run is `{}`; what failed, timed out or was cancelled is redriven", head.status);
        return Err(ApiError::new(409, "run_not_failed", detail));
    }
    let plan = app.plans.get(org, &head.workflow, head.version).await?;
    let journal = app.runs.journal(org, &head.id).await?;
    let context = Context::begin(&head, head.input.clone().unwrap_or_default());
    let failed = head.error.as_ref().and_then(|error| error.step.as_deref());
    let kept = engine::but_failures(&plan, context, &journal.entries, failed);
    let key = format!("redrive:{}", head.id);
    repeat(app, caller, &head, &plan, kept, Repeating { kind: Repeat::Redrive, key: &key, priority }).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayBody {
    /// The path of the step to begin at; without it, the run begins at its first step.
    #[schema(example = "fetch")]
    from: Option<String>,
    /// Outputs that replace recorded ones, by the paths of their steps.
    #[serde(default)]
    #[schema(value_type = Object)]
    outputs: BTreeMap<String, Value>,
}

/// Starts a new run that takes over the outcomes before a step, some of them replaced if you like, and goes on from there.
#[utoipa::path(post, path = "/v1/runs/{id}/replay", tag = "runs", request_body = ReplayBody, params(("id" = String, Path)),
    security(("token" = [])), responses(
    (status = 202, body = Repeated),
    (status = 404, description = "`run_not_found`", body = ProblemView),
    (status = 422, description = "`cannot_replay`: the step was not reached, or is inside a block", body = ProblemView),
    (status = 429, description = "`quota_exceeded`: the day's runs are used up", body = ProblemView),
))]
pub(crate) async fn replay(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRun>,
    IdOf(id): IdOf<RunId>,
    JsonBody(body): JsonBody<ReplayBody>,
) -> ApiResult<(StatusCode, Json<Repeated>)> {
    let org = caller.org_key();
    let head = app.runs.head(org, &id, true).await?.ok_or_else(IdOf::<RunId>::not_found)?;
    let plan = app.plans.get(org, &head.workflow, head.version).await?;
    let refuse = |cause: CannotRepeat| ApiError::new(422, "cannot_replay", cause.to_string());
    for (path, output) in &body.outputs {
        if output.to_string().len() > domain::limits::MAX_INLINE_BYTES || domain::nests_too_deep(output) {
            let detail = format!("the output for `{path}` is larger or deeper than a step's may be");
            return Err(ApiError::new(422, "output_too_large", detail));
        }
    }
    let kept = match &body.from {
        None if body.outputs.is_empty() => Kept::new(),
        None => {
            let first = body.outputs.keys().next().cloned().unwrap_or_default();
            return Err(refuse(CannotRepeat::NoOutput(first)));
        }
        Some(from) => {
            let journal = app.runs.journal(org, &id).await?;
            let context = Context::begin(&head, head.input.clone().unwrap_or_default());
            engine::before(&plan, context, &journal.entries, from, &body.outputs).map_err(refuse)?
        }
    };
    let key = format!("replay:{id}:{}", Uuid::new_v4());
    let repeating = Repeating { kind: Repeat::Replay, key: &key, priority: head.priority };
    let repeated = repeat(&app, &caller, &head, &plan, kept, repeating).await?;
    Ok((StatusCode::ACCEPTED, Json(repeated)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedriveBody {
    /// Only runs of this workflow.
    workflow: Option<String>,
    /// `failed` (the default), `timed_out` or `cancelled`.
    status: Option<String>,
    /// Where an earlier request stopped.
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkRepeated {
    items: Vec<Repeated>,
    /// Present when there may be more: ask again with it.
    next_cursor: Option<String>,
}

/// Redrives failed runs, newest first, up to a hundred at a time. A run that was redriven before gives the run of that time.
#[utoipa::path(post, path = "/v1/runs/redrive", tag = "runs", request_body = RedriveBody, security(("token" = [])), responses(
    (status = 202, body = BulkRepeated),
    (status = 422, description = "`invalid_query`", body = ProblemView),
    (status = 429, description = "`quota_exceeded`: the day's runs are used up; some may have been started", body = ProblemView),
))]
pub(crate) async fn redrive_many(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRun>,
    JsonBody(body): JsonBody<RedriveBody>,
) -> ApiResult<(StatusCode, Json<BulkRepeated>)> {
    let org = caller.org_key();
    let invalid = |detail: &str| ApiError::new(422, "invalid_query", detail);
    let status = match body.status.as_deref().map(RunStatus::parse) {
        None => RunStatus::Failed,
        Some(Some(status @ (RunStatus::Failed | RunStatus::TimedOut | RunStatus::Cancelled))) => status,
        Some(_) => return Err(invalid("`status` is `failed`, `timed_out` or `cancelled`")),
    };
    let workflow = match body.workflow.as_deref().map(WorkflowId::parse) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Err(invalid("`workflow` must be a workflow's id, such as `wf_…`")),
    };
    let pages = app.pages("runs to redrive", org).await?;
    let cursor = pages.decode(body.cursor.as_deref())?;
    let filter = RunFilter { workflow, status: Some(status) };
    let found = app.store.list_runs(org, &filter, cursor.as_deref(), BULK, app.now()).await?;
    let found = found.ok_or_else(page::invalid)?;
    let mut items = Vec::with_capacity(found.heads.len());
    for some in found.heads.chunks(8) {
        let repeated = some.iter().map(|head| async {
            // With its input.
            match app.runs.head(org, &head.id, true).await? {
                // Many at once are bulk work, whatever each was.
                Some(head) => again(&app, &caller, head, Priority::Bulk).await.map(Some),
                None => Ok(None),
            }
        });
        items.extend(try_join_all(repeated).await?.into_iter().flatten());
    }
    Ok((
        StatusCode::ACCEPTED,
        Json(BulkRepeated { items, next_cursor: found.next.as_deref().map(|next| pages.encode(next)) }),
    ))
}

/// How a run is repeated.
struct Repeating<'a> {
    kind: Repeat,
    key: &'a str,
    priority: Priority,
}

async fn repeat(
    app: &App,
    caller: &Caller,
    head: &Head,
    plan: &Plan,
    mut kept: Kept,
    repeating: Repeating<'_>,
) -> ApiResult<Repeated> {
    let Repeating { kind, key, priority } = repeating;
    let org = caller.org_key();
    let request = StartRequest {
        org,
        workflow: &head.workflow,
        version: head.version,
        plan,
        trigger: &head.trigger,
        key,
        input: head.input.clone().unwrap_or_default(),
        depth: head.depth,
        priority: Some(priority),
        now: app.now(),
    };
    app.starter.may_start(&request).await?;
    let (run, limit) = (request.run_id(), plan.definition().timeout);
    for (_, entry) in &mut kept {
        // What the new run takes over is kept for as long as the new run.
        if let Mark::Spilled(blob) = &mut entry.mark {
            let taken = BlobRef { run: run.clone(), name: blob.name.taken_over(limit), bytes: blob.bytes };
            app.blobs.copy(&blob.key(org.org()), &taken.key(org.org())).await?;
            *blob = taken;
        }
    }
    let action = match kind {
        Repeat::Redrive => Action::RunRedriven,
        Repeat::Replay => Action::RunReplayed,
    };
    let from = kept.last().map(|(_, entry)| entry.path.as_str());
    let record = caller.record(action, app.now()).on("run", &head.id);
    app.store.record(org, &record.after(json!({"run": run, "takes_over_up_to": from}))).await?;
    let origin = Origin { run: head.id.clone(), kind };
    let started: Started = app.starter.start_from(request, origin, head.epoch + 1, kept).await?;
    tracing::info!(run.id = %started.run(), run.origin = %head.id, "a run repeats another");
    Ok(Repeated { id: started.run().to_string(), origin: head.id.to_string() })
}
