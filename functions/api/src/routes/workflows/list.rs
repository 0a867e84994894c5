//! The list of workflows.

use crate::App;
use crate::body::QueryOf;
use crate::error::{ApiError, ApiResult};
use crate::page;
use crate::view::{ProblemView, WorkflowView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::WorkflowId;
use serde::{Deserialize, Serialize};
use store::WorkflowFilter;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkflowQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 100; default 50.
    limit: Option<u32>,
    /// `created_at` (the default): oldest first; `-created_at`: newest first.
    #[param(example = "-created_at")]
    sort: Option<String>,
    /// Only workflows that are switched on, or off.
    enabled: Option<bool>,
    /// Only workflows whose names contain this, whatever its case.
    #[param(example = "order")]
    name: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkflowList {
    /// Without definitions and triggers. May be fewer than `limit` though there are more: go by `next_cursor`.
    items: Vec<WorkflowView>,
    /// Present when there are more.
    next_cursor: Option<String>,
}

/// Lists workflows, oldest first unless `sort` says otherwise.
#[utoipa::path(get, path = "/v1/workflows", tag = "workflows", params(WorkflowQuery), security(("token" = [])), responses(
    (status = 200, body = WorkflowList),
    (status = 422, description = "a parameter that cannot be", body = ProblemView),
))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRead>,
    QueryOf(query): QueryOf<WorkflowQuery>,
) -> ApiResult<Json<WorkflowList>> {
    let limit = page::limit(query.limit)?;
    let newest_first = match query.sort.as_deref() {
        None | Some("created_at") => false,
        Some("-created_at") => true,
        Some(_) => {
            return Err(ApiError::new(422, "invalid_query", "`sort` is `created_at` or `-created_at`"));
        }
    };
    // A cursor of one order would lead astray in the other.
    let list = if newest_first { "workflows, newest first" } else { "workflows" };
    let pages = app.pages(list, caller.org_key()).await?;
    let after = pages
        .decode(query.cursor.as_deref())?
        .map(|text| WorkflowId::parse(&text).map_err(|_| page::invalid()))
        .transpose()?;
    let filter = WorkflowFilter { enabled: query.enabled, name: query.name, newest_first };
    let (found, next) = app.store.list_workflows(caller.org_key(), &filter, after.as_ref(), limit).await?;
    let next_cursor = next.map(|id| pages.encode(id.as_str()));
    Ok(Json(WorkflowList { items: found.iter().map(WorkflowView::summary).collect(), next_cursor }))
}
