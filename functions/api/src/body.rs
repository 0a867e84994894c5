//! Reading requests: every way in which one can be wrong has its code.

use crate::error::ApiError;
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use domain::{ApiKeyId, ConnectionId, InvitationId, OrgId, RunId, ServiceId, SessionId, UserId, WorkflowId};
use serde::de::DeserializeOwned;

/// The largest request: a definition with room for its envelope, or an expression with its input.
pub(crate) const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// A JSON body.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let content_type =
            request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("application/json");
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media != "application/json" && !media.ends_with("+json") {
            let detail = format!("the body must be `application/json`, not `{media}`");
            return Err(ApiError::new(415, "content_type_unsupported", detail));
        }
        let bytes = to_bytes(request.into_body(), MAX_REQUEST_BYTES).await.map_err(|_| {
            ApiError::new(
                413,
                "body_too_large",
                format!("the body may have at most {MAX_REQUEST_BYTES} bytes"),
            )
        })?;
        let empty = bytes.iter().all(u8::is_ascii_whitespace);
        serde_json::from_slice(if empty { b"{}" } else { &bytes }).map(Self).map_err(|e| match e.classify() {
            serde_json::error::Category::Data => {
                ApiError::new(422, "invalid_body", format!("the body does not fit: {e}"))
            }
            _ => ApiError::new(400, "body_malformed", format!("the body is not JSON: {e}")),
        })
    }
}

/// The largest document that is imported. Lambda takes requests of 6 MB, in which bytes may be written as base64.
pub(crate) const MAX_DOCUMENT_BYTES: usize = 4 * 1024 * 1024;

/// A body that is one text, of whatever type.
pub(crate) struct RawBody(pub(crate) String);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = to_bytes(request.into_body(), MAX_DOCUMENT_BYTES).await.map_err(|_| {
            let detail = format!("the body may have at most {MAX_DOCUMENT_BYTES} bytes");
            ApiError::new(413, "body_too_large", detail)
        })?;
        let text = String::from_utf8(bytes.into());
        text.map(Self).map_err(|_| ApiError::new(400, "body_malformed", "the body is no text in UTF-8"))
    }
}

/// A query string.
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(q)| Self(q)).map_err(|e| ApiError::new(422, "invalid_query", e.body_text()))
    }
}

/// An id in the path. One that cannot exist is one that does not exist.
pub(crate) struct IdOf<T>(pub(crate) T);

/// The id and the number in the path of a version.
pub(crate) struct VersionPath {
    pub(crate) workflow: WorkflowId,
    pub(crate) version: u32,
}

impl<S: Send + Sync> FromRequestParts<S> for VersionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let (id, version) = path.map(|Path(p)| p).unwrap_or_default();
        let workflow = WorkflowId::parse(&id).map_err(|_| IdOf::<WorkflowId>::not_found())?;
        let version = version.parse().map_err(|_| Self::not_found())?;
        Ok(Self { workflow, version })
    }
}

impl VersionPath {
    pub(crate) fn not_found() -> ApiError {
        ApiError::new(404, "version_not_found", "the workflow has no such version")
    }
}

/// The id of a workflow and the name of a trigger in a path.
pub(crate) struct TriggerPath {
    pub(crate) workflow: WorkflowId,
    pub(crate) trigger: String,
}

impl<S: Send + Sync> FromRequestParts<S> for TriggerPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let (id, trigger) = path.map(|Path(p)| p).map_err(|_| Self::not_found())?;
        let workflow = WorkflowId::parse(&id).map_err(|_| IdOf::<WorkflowId>::not_found())?;
        Ok(Self { workflow, trigger })
    }
}

impl TriggerPath {
    pub(crate) fn not_found() -> ApiError {
        ApiError::new(404, "poll_not_found", "the workflow's live version has no poll of this name")
    }
}

macro_rules! path_ids {
    ($($id:ident: $code:literal, $what:literal;)*) => {$(
        impl<S: Send + Sync> FromRequestParts<S> for IdOf<$id> {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
                let text = Path::<String>::from_request_parts(parts, state).await.map(|Path(p)| p).unwrap_or_default();
                $id::parse(&text).map(Self).map_err(|_| Self::not_found())
            }
        }

        impl IdOf<$id> {
            pub(crate) fn not_found() -> ApiError {
                ApiError::new(404, $code, $what)
            }
        }
    )*};
}

path_ids! {
    ApiKeyId: "api_key_not_found", "no API key that you may see has this id";
    ConnectionId: "connection_not_found", "no connection of this organisation has this id";
    InvitationId: "invitation_not_found", "no open invitation of this organisation has this id; it may have been used";
    OrgId: "organization_not_found", "there is no organisation with this id";
    ServiceId: "service_account_not_found", "no service account of this organisation has this id";
    SessionId: "session_not_found", "you have no session with this id; it may have ended";
    UserId: "member_not_found", "nobody with this id belongs to this organisation";
    WorkflowId: "workflow_not_found", "no workflow of this organisation has this id";
    RunId: "run_not_found", "no run of this organisation has this id, or it is no longer kept";
}
