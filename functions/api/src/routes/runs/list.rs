//! The list of runs, newest first.

use crate::App;
use crate::body::QueryOf;
use crate::error::{ApiError, ApiResult};
use crate::page;
use crate::view::{ProblemView, RunView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::WorkflowId;
use domain::run::RunStatus;
use serde::{Deserialize, Serialize};
use store::RunFilter;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunQuery {
    /// Only runs of this workflow.
    workflow: Option<String>,
    /// Only runs with this status.
    status: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// 1 to 100; default 50.
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunList {
    /// May be fewer than `limit` though there are more: go by `next_cursor`.
    items: Vec<RunView>,
    /// Present when there may be more.
    next_cursor: Option<String>,
}

/// Lists runs, newest first.
#[utoipa::path(get, path = "/v1/runs", tag = "runs", params(RunQuery), security(("token" = [])), responses(
    (status = 200, body = RunList),
    (status = 422, description = "a parameter that cannot be", body = ProblemView),
))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Can<permit::RunsRead>,
    QueryOf(query): QueryOf<RunQuery>,
) -> ApiResult<Json<RunList>> {
    let limit = page::limit(query.limit)?;
    let pages = app.pages("runs", caller.org_key()).await?;
    let cursor = pages.decode(query.cursor.as_deref())?;
    let workflow = query
        .workflow
        .map(|id| WorkflowId::parse(&id).map_err(|e| ApiError::new(422, "invalid_workflow", e.to_string())))
        .transpose()?;
    let status = query
        .status
        .map(|text| {
            RunStatus::parse(&text).ok_or_else(|| {
                let known = RunStatus::ALL.map(|s| format!("`{s}`")).join(", ");
                ApiError::new(422, "invalid_status", format!("`status` is one of {known}"))
            })
        })
        .transpose()?;
    let now = app.now();
    let filter = RunFilter { workflow, status };
    let found = app.store.list_runs(caller.org_key(), &filter, cursor.as_deref(), limit, now).await?;
    let found = found.ok_or_else(page::invalid)?;
    Ok(Json(RunList {
        items: found.heads.iter().map(|head| RunView::summary(head, now)).collect(),
        next_cursor: found.next.as_deref().map(|next| pages.encode(next)),
    }))
}
