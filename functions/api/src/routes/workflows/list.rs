//! The list of workflows.

use crate::App;
use crate::body::QueryOf;
use crate::error::ApiResult;
use crate::page;
use crate::view::{ProblemView, WorkflowView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::WorkflowId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkflowQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 100; default 50.
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkflowList {
    /// Without definitions and triggers.
    items: Vec<WorkflowView>,
    /// Present when there are more.
    next_cursor: Option<String>,
}

/// Lists workflows, oldest first.
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
    let pages = app.pages("workflows", caller.org_key()).await?;
    let after = pages
        .decode(query.cursor.as_deref())?
        .map(|text| WorkflowId::parse(&text).map_err(|_| page::invalid()))
        .transpose()?;
    let mut found = app.store.list_workflows(caller.org_key(), after.as_ref(), limit + 1).await?;
    let next_cursor = pages.cut(&mut found, limit, |meta| meta.id.to_string());
    Ok(Json(WorkflowList { items: found.iter().map(WorkflowView::summary).collect(), next_cursor }))
}
