//! What is kept beside a run: outputs that are too large for its history, and files.

use crate::App;
use crate::body::IdOf;
use crate::error::{ApiError, ApiResult};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::{Path, State};
use domain::RunId;
use domain::run::BlobName;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How long an address can be used.
const VALID: Duration = Duration::from_mins(5);

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileAddress {
    /// Where it can be fetched, without signing in: whoever has the address has the file.
    url: String,
    /// Until when.
    expires_at: String,
}

/// The address of a kept output or file, good for five minutes. Its name is in the run's history: a step's `large.name`, or the
/// `name` of a `$file`.
#[utoipa::path(get, path = "/v1/runs/{id}/files/{name}", tag = "runs", params(("id" = String, Path), ("name" = String, Path)),
    security(("token" = [])), responses(
    (status = 200, body = FileAddress),
    (status = 404, description = "`run_not_found` or `file_not_found`", body = ProblemView),
))]
pub(crate) async fn file(
    State(app): State<App>,
    caller: Can<permit::RunsRead>,
    Path((id, name)): Path<(String, String)>,
) -> ApiResult<Json<FileAddress>> {
    let org = caller.org_key();
    let id = RunId::parse(&id).map_err(|_| IdOf::<RunId>::not_found())?;
    let head = app.runs.head(org, &id, false).await?.ok_or_else(IdOf::<RunId>::not_found)?;
    let name = BlobName::parse(&name).ok_or_else(|| {
        ApiError::new(404, "file_not_found", "no file has this name; take it from the run's history")
    })?;
    let url = app.blobs.address(&name.key(org.org(), &head.id), VALID)?;
    Ok(Json(FileAddress { url, expires_at: app.now().plus(VALID).rfc3339() }))
}
