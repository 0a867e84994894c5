//! How Google refuses.

use crate::reply;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    status: StatusCode,
    word: &'static str,
    message: String,
    /// What Drive and the permissions say beside it.
    reason: Option<&'static str>,
    details: Option<Value>,
}

impl Refusal {
    fn of(status: StatusCode, word: &'static str, message: impl Into<String>) -> Self {
        Self { status, word, message: message.into(), reason: None, details: None }
    }

    pub(crate) fn into_response(self) -> Response {
        let mut error = json!({"code": self.status.as_u16(), "message": self.message, "status": self.word});
        if let Some(reason) = self.reason {
            error["errors"] = json!([{"message": self.message, "domain": "global", "reason": reason}]);
        }
        if let Some(details) = self.details {
            error["details"] = details;
        }
        reply::json(self.status, &json!({"error": error}))
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message)
    }

    pub(crate) fn range(text: &str) -> Self {
        Self::argument(format!("Unable to parse range: {text}"))
    }

    /// What a client must not take for an answer of Google.
    pub(crate) fn not_modelled(what: impl std::fmt::Display) -> Self {
        Self::of(StatusCode::NOT_IMPLEMENTED, "UNIMPLEMENTED", format!("this fake does not model {what}"))
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::of(
            StatusCode::UNAUTHORIZED,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
             valid authentication credential. See \
             https://developers.google.com/identity/sign-in/web/devconsole-project.",
        )
    }

    pub(crate) fn scope() -> Self {
        let details = json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "domain": "googleapis.com",
        }]);
        Self {
            details: Some(details),
            ..Self::of(
                StatusCode::FORBIDDEN,
                "PERMISSION_DENIED",
                "Request had insufficient authentication scopes.",
            )
        }
    }

    pub(crate) fn permission() -> Self {
        Self::of(StatusCode::FORBIDDEN, "PERMISSION_DENIED", "The caller does not have permission")
    }

    pub(crate) fn not_found() -> Self {
        Self::of(StatusCode::NOT_FOUND, "NOT_FOUND", "Requested entity was not found.")
    }

    pub(crate) fn no_file(id: &str) -> Self {
        Self {
            reason: Some("notFound"),
            ..Self::of(StatusCode::NOT_FOUND, "NOT_FOUND", format!("File not found: {id}."))
        }
    }

    pub(crate) fn quota(kind: &str, per: &str) -> Self {
        Self::of(
            StatusCode::TOO_MANY_REQUESTS,
            "RESOURCE_EXHAUSTED",
            format!(
                "Quota exceeded for quota metric '{kind} requests' and limit '{kind} requests per minute{per}' of \
                 service 'sheets.googleapis.com' for consumer 'project_number:1'."
            ),
        )
    }

    /// A failure that a test asked for.
    pub(crate) fn asked_for(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::argument("Request contains an invalid argument."),
            401 => Self::unauthenticated(),
            403 => Self::permission(),
            404 => Self::not_found(),
            429 => Self::quota("Read", " per user"),
            503 => Self::of(status, "UNAVAILABLE", "The service is currently unavailable."),
            _ => Self::of(status, "INTERNAL", "Internal error encountered."),
        }
    }
}
