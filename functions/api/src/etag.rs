//! Entity tags: what a change says it is a change of.

use crate::error::{ApiError, ApiResult};
use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use domain::Problem;

/// The tag of the resource as it is now, from the number that grows with each change.
pub(crate) fn etag(revision: u32) -> String {
    format!("\"{revision}\"")
}

/// The header that tells it.
pub(crate) fn tagged(revision: u32) -> [(HeaderName, HeaderValue); 1] {
    [(ETAG, HeaderValue::try_from(etag(revision)).unwrap_or_else(|_| HeaderValue::from_static("\"\"")))]
}

/// What `if-match` asks for, if anything.
pub(crate) struct IfMatch(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut all = Vec::new();
        for value in parts.headers.get_all(IF_MATCH) {
            let text = value.to_str().map_err(|_| {
                ApiError::new(422, "invalid_etag", "`if-match` must be an entity tag such as `\"3\"`, or `*`")
            })?;
            all.push(text);
        }
        Ok(Self((!all.is_empty()).then(|| all.join(","))))
    }
}

impl IfMatch {
    /// Refuses a change of something else than what is there: 412 with the tag that it has now.
    pub(crate) fn check(&self, revision: u32) -> ApiResult<()> {
        let Some(wanted) = &self.0 else { return Ok(()) };
        let now = etag(revision);
        // Weak tags never match (RFC 9110, 13.1.1).
        if wanted.split(',').any(|tag| tag.trim() == "*" || tag.trim() == now) {
            return Ok(());
        }
        let detail =
            format!("it was changed meanwhile and is {now} now; read it again and repeat the change");
        let mut problem = Problem::new(412, "precondition_failed", detail);
        problem.current = Some(now);
        Err(problem.into())
    }
}
