//! One version of a workflow.

use super::{find, find_version};
use crate::App;
use crate::body::VersionPath;
use crate::error::ApiResult;
use crate::view::{ProblemView, VersionView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;

/// A version with its definition.
#[utoipa::path(get, path = "/v1/workflows/{id}/versions/{version}", tag = "workflows",
    params(("id" = String, Path), ("version" = u32, Path)), security(("token" = [])), responses(
    (status = 200, body = VersionView),
    (status = 404, description = "`workflow_not_found` or `version_not_found`", body = ProblemView),
))]
pub(crate) async fn version(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRead>,
    path: VersionPath,
) -> ApiResult<Json<VersionView>> {
    let meta = find(&app, caller.org_key(), &path.workflow).await?;
    let version = find_version(&app, caller.org_key(), &path.workflow, path.version).await?;
    let view = VersionView::summary(&meta, version.version, version.created_at);
    Ok(Json(VersionView { definition: Some(version.document), ..view }))
}
