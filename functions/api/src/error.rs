//! What a handler refuses with.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, ETAG, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use blobs::BlobError;
use dispatch::{BusError, PlanError, StartError, UsedUp};
use domain::Problem;
use store::StoreError;
use tracing::error;

/// A refusal as problem+json.
#[derive(Debug)]
pub(crate) struct ApiError {
    problem: Problem,
    /// In seconds.
    retry_after: Option<i64>,
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn new(status: u16, code: &str, detail: impl Into<String>) -> Self {
        Self { problem: Problem::new(status, code, detail), retry_after: None }
    }

    /// Tells after how many seconds it may be tried again.
    pub(crate) fn retry_after(mut self, seconds: i64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self { problem, retry_after: None }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self.problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(current) = self.problem.current.and_then(|tag| HeaderValue::try_from(tag).ok()) {
            headers.insert(ETAG, current);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(cause: StoreError) -> Self {
        match cause {
            StoreError::Conflict { .. } => Self::new(
                409,
                "conflict",
                "somebody changed this at the same moment; read it again and repeat the change",
            ),
            StoreError::Throttled { .. } => {
                Self::new(503, "busy", "the tables are busy; try again in a moment")
            }
            StoreError::Unavailable { .. } => unavailable(&cause),
            StoreError::Corrupt(_) => internal(&cause),
        }
    }
}

impl From<StartError> for ApiError {
    fn from(cause: StartError) -> Self {
        match cause {
            StartError::Store(cause) => cause.into(),
            StartError::Plan(cause) => cause.into(),
            StartError::QuotaUsedUp(used_up) => quota_used_up(used_up),
            StartError::Queue(_) | StartError::Bus(_) | StartError::Randomness => unavailable(&cause),
        }
    }
}

/// No more runs today.
fn quota_used_up(used_up: UsedUp) -> ApiError {
    ApiError::new(429, "quota_exceeded", used_up.to_string())
        .retry_after(used_up.left.as_secs().max(1).cast_signed())
}

impl From<PlanError> for ApiError {
    fn from(cause: PlanError) -> Self {
        match cause {
            PlanError::Store(cause) => cause.into(),
            PlanError::Missing { .. } => Self::new(404, "version_not_found", format!("{cause}")),
            PlanError::Broken { .. } => internal(&cause),
        }
    }
}

impl From<BlobError> for ApiError {
    fn from(cause: BlobError) -> Self {
        match cause {
            BlobError::Unavailable { .. } | BlobError::File(_) => unavailable(&cause),
            BlobError::Gone => Self::new(
                409,
                "output_gone",
                "an output that the run needs is no longer kept; replay it from the step that gave it",
            ),
            BlobError::TooLarge { .. } | BlobError::Refused { .. } => internal(&cause),
        }
    }
}

impl From<BusError> for ApiError {
    fn from(cause: BusError) -> Self {
        unavailable(&cause)
    }
}

/// A failure that may pass. Its cause is for the log: it may name tables and endpoints.
pub(crate) fn unavailable(cause: &dyn std::error::Error) -> ApiError {
    error!(error = %cause, "a request could not be served");
    ApiError::new(503, "unavailable", "this could not be done just now; try again in a moment")
}

/// A failure of ours.
pub(crate) fn internal(cause: &dyn std::error::Error) -> ApiError {
    error!(error = %cause, "a request failed");
    ApiError::new(500, "internal", "something went wrong here; the log of the `api` function says what")
}

pub(crate) async fn not_found() -> ApiError {
    ApiError::new(
        404,
        "route_not_found",
        "there is nothing at this address; `/v1/openapi.json` lists what there is",
    )
}

pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::new(
        405,
        "method_not_allowed",
        "this address does not take this method; `/v1/openapi.json` lists what it takes",
    )
}
