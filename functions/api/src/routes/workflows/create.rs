//! A new workflow.

use super::{Tagged, change, compile_for, shown, tagged};
use crate::App;
use crate::body::JsonBody;
use crate::error::ApiResult;
use crate::routes::usage::within;
use crate::view::{ProblemView, WorkflowView};
use auth::{Can, permit};
use axum::extract::State;
use axum::http::StatusCode;
use domain::WorkflowId;
use domain::audit::Action;
use serde_json::Value;
use std::collections::BTreeMap;
use store::WorkflowMeta;
use uuid::Uuid;

/// Makes a workflow of a definition. It is disabled until it is enabled.
#[utoipa::path(post, path = "/v1/workflows", tag = "workflows", request_body = Object, security(("token" = [])), responses(
    (status = 201, body = WorkflowView),
    (status = 409, description = "`quota_exceeded`: the organisation has as many workflows as it may", body = ProblemView),
    (status = 422, description = "`invalid_definition`, with every fault", body = ProblemView),
))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Can<permit::WorkflowsWrite>,
    JsonBody(document): JsonBody<Value>,
) -> ApiResult<(StatusCode, Tagged)> {
    let org = caller.org_key();
    let plan = compile_for(&app, org, document).await?;
    if let Some(quota) = app.store.quotas(org).await?.workflows {
        within("workflows", Some(quota), app.store.count_workflows(org).await?)?;
    }
    let now = app.now();
    let meta = WorkflowMeta {
        id: WorkflowId::from_bytes(*Uuid::now_v7().as_bytes()),
        name: String::new(),
        version: 0,
        live: 0,
        enabled: false,
        hooks: BTreeMap::new(),
        rules: Vec::new(),
        splits: BTreeMap::new(),
        created_at: now,
        updated_at: now,
        revision: 0,
    };
    let (meta, change) = change::save(caller.org_key(), meta, &plan, now);
    let record = caller.record(Action::WorkflowCreated, now).on("workflow", &meta.id).after(shown(&meta));
    app.store.save_workflow(caller.org_key(), &meta, &change, &record).await?;
    Ok((StatusCode::CREATED, tagged(&meta, meta.live, &plan, &app)))
}
