//! What differs between two versions.

use super::{find, find_version};
use crate::App;
use crate::body::{IdOf, QueryOf};
use crate::diff::{Change, diff as compare};
use crate::error::ApiResult;
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::WorkflowId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiffQuery {
    /// The version to compare; default the live one.
    from: Option<u32>,
    /// The version to compare it with; default the newest.
    to: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Diff {
    from: u32,
    to: u32,
    /// Empty when the definitions are the same.
    changes: Vec<Change>,
}

/// Tells the differences between two versions. Steps are matched by their id: one that stands elsewhere was moved.
#[utoipa::path(get, path = "/v1/workflows/{id}/diff", tag = "workflows", params(("id" = String, Path), DiffQuery),
    security(("token" = [])), responses(
    (status = 200, body = Diff),
    (status = 404, description = "`workflow_not_found` or `version_not_found`", body = ProblemView),
))]
pub(crate) async fn diff(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRead>,
    IdOf(id): IdOf<WorkflowId>,
    QueryOf(query): QueryOf<DiffQuery>,
) -> ApiResult<Json<Diff>> {
    let org = caller.org_key();
    let meta = find(&app, org, &id).await?;
    let from = find_version(&app, org, &id, query.from.unwrap_or(meta.live)).await?;
    let to = find_version(&app, org, &id, query.to.unwrap_or(meta.version)).await?;
    let changes = compare(&from.document, &to.document);
    Ok(Json(Diff { from: from.version, to: to.version, changes }))
}
