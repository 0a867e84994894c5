//! The versions of a workflow.

use super::find;
use crate::App;
use crate::body::{IdOf, QueryOf};
use crate::error::ApiResult;
use crate::page;
use crate::view::{ProblemView, VersionView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::WorkflowId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionsQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 100; default 50.
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionList {
    /// Without definitions.
    items: Vec<VersionView>,
    /// Present when there are more.
    next_cursor: Option<String>,
}

/// Lists a workflow's versions, newest first, with what traffic they take.
#[utoipa::path(get, path = "/v1/workflows/{id}/versions", tag = "workflows", params(("id" = String, Path), VersionsQuery),
    security(("token" = [])), responses(
    (status = 200, body = VersionList),
    (status = 404, description = "`workflow_not_found`", body = ProblemView),
    (status = 422, description = "a parameter that cannot be", body = ProblemView),
))]
pub(crate) async fn versions(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRead>,
    IdOf(id): IdOf<WorkflowId>,
    QueryOf(query): QueryOf<VersionsQuery>,
) -> ApiResult<Json<VersionList>> {
    let limit = page::limit(query.limit)?;
    let pages = app.pages(&format!("versions {id}"), caller.org_key()).await?;
    let before = pages
        .decode(query.cursor.as_deref())?
        .map(|text| text.parse::<u32>().map_err(|_| page::invalid()))
        .transpose()?;
    let meta = find(&app, caller.org_key(), &id).await?;
    let mut found = app.store.list_versions(caller.org_key(), &id, before, limit + 1).await?;
    let next_cursor = pages.cut(&mut found, limit, |version| version.version.to_string());
    let items = found.iter().map(|entry| VersionView::summary(&meta, entry.version, entry.created_at));
    Ok(Json(VersionList { items: items.collect(), next_cursor }))
}
