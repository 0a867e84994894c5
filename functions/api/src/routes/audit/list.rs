//! The ledger, newest first.

use super::RecordView;
use super::search::{Search, Wanted, query};
use crate::App;
use crate::body::QueryOf;
use crate::error::ApiResult;
use crate::page;
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

query! {
    /// Which records, and which page.
    AuditQuery {
        /// `next_cursor` of the page before.
        cursor: Option<String>,
        /// 1 to 100; default 50.
        limit: Option<u32>,
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditList {
    /// May be fewer than `limit` though there are more: go by `next_cursor`.
    items: Vec<RecordView>,
    /// Present when there may be more.
    next_cursor: Option<String>,
}

/// Lists what was done in the organisation, newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", params(AuditQuery), security(("token" = [])), responses(
    (status = 200, body = AuditList),
    (status = 422, description = "a parameter that cannot be", body = ProblemView)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Can<permit::AuditRead>,
    QueryOf(mut query): QueryOf<AuditQuery>,
) -> ApiResult<Json<AuditList>> {
    let limit = page::limit(query.limit)?;
    let search = Search::of(&query.wanted(), app.now())?;
    let pages = app.pages("audit", caller.org_key()).await?;
    let after = pages.decode(query.cursor.as_deref())?;
    let found = search.find(&app, &caller, after, limit).await?;
    Ok(Json(AuditList {
        items: found.records.into_iter().map(Into::into).collect(),
        next_cursor: found.next.as_deref().map(|next| pages.encode(next)),
    }))
}
