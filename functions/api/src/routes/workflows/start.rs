//! Starting a workflow by hand.

use super::find;
use crate::App;
use crate::body::{IdOf, JsonBody};
use crate::error::{ApiError, ApiResult};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use dispatch::StartRequest;
use domain::WorkflowId;
use domain::audit::Action;
use domain::run::Priority;
use domain::workflow::TriggerKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartBody {
    /// What expressions read as `trigger.input`.
    #[serde(default)]
    #[schema(required = false, example = json!({"name": "Ada"}))]
    input: Value,
    /// The version to run, live or not; without it the trigger's split decides, or else the live version runs.
    version: Option<u32>,
    /// `interactive` or `bulk`: which queue carries the run; without it, the definition says.
    #[schema(example = "bulk")]
    priority: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunStarted {
    id: String,
}

/// Starts a run. With an `idempotency-key`, a repeat finds the run that the first request started.
#[utoipa::path(post, path = "/v1/workflows/{id}/runs", tag = "workflows", request_body = StartBody,
    params(("id" = String, Path), ("idempotency-key" = Option<String>, Header)), security(("token" = [])), responses(
    (status = 202, body = RunStarted),
    (status = 404, description = "`workflow_not_found` or `version_not_found`", body = ProblemView),
    (status = 409, description = "`workflow_disabled` or `no_manual_trigger`", body = ProblemView),
    (status = 429, description = "`quota_exceeded`: the day's runs are used up", body = ProblemView),
))]
pub(crate) async fn start(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRun>,
    IdOf(id): IdOf<WorkflowId>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<StartBody>,
) -> ApiResult<(StatusCode, Json<RunStarted>)> {
    let org = caller.org_key();
    let meta = find(&app, org, &id).await?;
    if !meta.enabled {
        let detail = "the workflow is disabled; enable it with `POST /v1/workflows/{id}/enable`";
        return Err(ApiError::new(409, "workflow_disabled", detail));
    }
    if body.input.to_string().len() > domain::limits::MAX_BODY_BYTES {
        let detail = format!("`input` may have {} bytes", domain::limits::MAX_BODY_BYTES);
        return Err(ApiError::new(413, "body_too_large", detail));
    }
    if domain::nests_too_deep(&body.input) {
        return Err(ApiError::new(422, "input_too_deep", "`input` nests deeper than 100 levels"));
    }
    let priority = match body.priority.as_deref().map(Priority::parse) {
        None => None,
        Some(Some(priority)) => Some(priority),
        Some(None) => {
            return Err(ApiError::new(422, "invalid_query", "`priority` is `interactive` or `bulk`"));
        }
    };
    let mut version = body.version.unwrap_or(meta.live);
    let mut plan = app.plans.get(org, &id, version).await?;
    let triggers = &plan.definition().triggers;
    let trigger = triggers.iter().find(|t| matches!(t.kind, TriggerKind::Manual)).ok_or_else(|| {
        let detail =
            format!("version {version} has no `manual` trigger; add one to start the workflow by hand");
        ApiError::new(409, "no_manual_trigger", detail)
    })?;
    let trigger = trigger.id.clone();
    let key = match headers.get("idempotency-key").map(|v| v.to_str()) {
        None => format!("once:{}", Uuid::new_v4()),
        Some(Ok(key)) if (1..=255).contains(&key.len()) => format!("key:{key}"),
        Some(_) => {
            let detail = "`idempotency-key` must have 1 to 255 visible ASCII characters";
            return Err(ApiError::new(422, "invalid_idempotency_key", detail));
        }
    };
    if let Some(split) = meta.splits.get(&trigger).filter(|_| body.version.is_none()) {
        version = split.choose(meta.live, &id, &trigger, &key);
        plan = app.plans.get(org, &id, version).await?;
    }
    let request = StartRequest {
        org,
        workflow: &id,
        version,
        plan: &plan,
        trigger: &trigger,
        key: &key,
        input: json!({"input": body.input}),
        depth: 0,
        priority,
        now: app.now(),
    };
    app.starter.may_start(&request).await?;
    let record = caller.record(Action::RunStarted, app.now()).on("run", request.run_id());
    app.store.record(org, &record.after(json!({"workflow": id, "version": version}))).await?;
    let started = app.starter.start(request).await?;
    Ok((StatusCode::ACCEPTED, Json(RunStarted { id: started.run().to_string() })))
}
