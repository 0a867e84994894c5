//! Trying one step with data of one's choice: what its expressions give, and nothing is sent.

use super::find;
use super::test::head;
use super::uses::Known;
use crate::App;
use crate::body::{IdOf, JsonBody};
use crate::error::{ApiError, ApiResult};
use crate::trial::{Pinned, tried};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::{Path, State};
use domain::run::{Mark, StepError};
use domain::{OrgKey, RunId, WorkflowId, limits};
use engine::{Context, Plan};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TryBody {
    /// The version whose step it is; without it, the newest.
    version: Option<u32>,
    /// A definition that is not saved: a step of it is tried instead.
    #[schema(value_type = Option<Object>)]
    definition: Option<Value>,
    /// A run whose trigger and outputs are pinned.
    run: Option<String>,
    /// What expressions read as `trigger`.
    trigger: Option<Value>,
    /// What they read as `steps.<id>`, by the steps' ids; before what `run` gave.
    #[serde(default)]
    #[schema(value_type = Object)]
    steps: BTreeMap<String, Value>,
    /// What they read as `item`, `index` and `error`.
    item: Option<Value>,
    index: Option<Value>,
    error: Option<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tried {
    /// What a step with an effect would be called with; it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Value>,
    /// What a step without effects gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    error: Option<StepError>,
}

/// Evaluates a step's expressions with pinned data: what a step without effects gives, or what one with an effect would be called
/// with. Nothing is sent.
#[utoipa::path(post, path = "/v1/workflows/{id}/steps/{step}/try", tag = "workflows", request_body = TryBody,
    params(("id" = String, Path), ("step" = String, Path)), security(("token" = [])), responses(
    (status = 200, body = Tried),
    (status = 404, description = "`workflow_not_found`, `version_not_found`, `step_not_found` or `run_not_found`", body = ProblemView),
    (status = 422, description = "`invalid_definition`", body = ProblemView),
))]
pub(crate) async fn try_step(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRead>,
    Path((id, step)): Path<(String, String)>,
    JsonBody(body): JsonBody<TryBody>,
) -> ApiResult<Json<Tried>> {
    let org = caller.org_key();
    let id = WorkflowId::parse(&id).map_err(|_| IdOf::<WorkflowId>::not_found())?;
    let meta = find(&app, org, &id).await?;
    let version = body.version.unwrap_or(meta.version);
    let plan = match &body.definition {
        Some(definition) => {
            let known = Known::of(&app, org, definition).await?;
            Arc::new(super::compile(definition, &known)?)
        }
        None => app.plans.get(org, &id, version).await?,
    };
    let node = plan.nodes().iter().find(|node| node.id == step).ok_or_else(|| {
        ApiError::new(404, "step_not_found", format!("the definition has no step with the id `{step}`"))
    })?;
    let ix = plan.by_path(&node.path).ok_or_else(|| ApiError::new(404, "step_not_found", "no such step"))?;
    let head = head(org, &id, version, &plan, app.now());
    let (trigger, recorded) = match &body.run {
        Some(run) => of_run(&app, org, run, &plan).await?,
        None => (Value::Null, Vec::new()),
    };
    let mut context = Context::begin(&head, body.trigger.unwrap_or(trigger));
    for (id, output) in recorded.into_iter().chain(body.steps) {
        context.set(&id, output);
    }
    for (name, value) in [("item", body.item), ("index", body.index), ("error", body.error)] {
        if let Some(value) = value {
            context.set_name(name, value);
        }
    }
    let guard = app.guard.lane(org.org().as_str());
    let variables = app.variables_of(org, &plan).await?;
    let pinned =
        Pinned { ix, plan: &plan, head: &head, context: &context, guard: &guard, variables: &variables };
    let tried = match tried(pinned).await {
        Ok((input, output)) => Tried { input, output, error: None },
        Err(error) => Tried { input: None, output: None, error: Some(error) },
    };
    Ok(Json(tried))
}

/// The trigger of a run, and what its steps gave, by their ids; of iterations the last.
async fn of_run(app: &App, org: &OrgKey, run: &str, plan: &Plan) -> ApiResult<(Value, Vec<(String, Value)>)> {
    let missing = || ApiError::new(404, "run_not_found", "no run has this id");
    let run = RunId::parse(run).map_err(|_| missing())?;
    let head = app.runs.head(org, &run, true).await?.ok_or_else(missing)?;
    let mut outputs = Vec::new();
    let mut fetched = 0;
    for entry in app.runs.journal(org, &run).await?.entries {
        let Some(ix) = plan.by_instance(&entry.path) else { continue };
        let id = plan.node(ix).id.clone();
        match &entry.mark {
            Mark::Spilled(blob) => {
                fetched += blob.bytes;
                if fetched <= 2 * limits::MAX_OUTPUT_BYTES as u64 {
                    let bytes = app.blobs.get(&blob.key(org.org()), blob.bytes).await?;
                    outputs.push((id, serde_json::from_slice(&bytes).unwrap_or_default()));
                }
            }
            Mark::Retrying { .. } | Mark::Awaiting { .. } | Mark::Started { .. } | Mark::Forked { .. } => {}
            mark => outputs.push((id, crate::trial::given(mark))),
        }
    }
    Ok((head.input.unwrap_or_default(), outputs))
}
