//! One workflow.

use super::{Tagged, find, tagged};
use crate::App;
use crate::body::{IdOf, QueryOf};
use crate::error::ApiResult;
use crate::view::{ProblemView, WorkflowView};
use auth::{Can, permit};
use axum::extract::State;
use domain::WorkflowId;
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionQuery {
    /// The version whose definition is wanted; default the newest.
    version: Option<u32>,
}

/// A workflow with its definition and the addresses of its webhooks.
#[utoipa::path(get, path = "/v1/workflows/{id}", tag = "workflows", params(("id" = String, Path), VersionQuery),
    security(("token" = [])), responses(
    (status = 200, body = WorkflowView),
    (status = 404, description = "`workflow_not_found` or `version_not_found`", body = ProblemView),
))]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRead>,
    IdOf(id): IdOf<WorkflowId>,
    QueryOf(query): QueryOf<VersionQuery>,
) -> ApiResult<Tagged> {
    let meta = find(&app, caller.org_key(), &id).await?;
    let version = query.version.unwrap_or(meta.version);
    let plan = app.plans.get(caller.org_key(), &id, version).await?;
    Ok(tagged(&meta, version, &plan, &app))
}
