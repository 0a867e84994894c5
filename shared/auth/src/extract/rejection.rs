//! What a caller who may not is told: problem+json with a stable code.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::Problem;
use thiserror::Error;

use super::AuthUnavailable;
use crate::permission::Permission;
use crate::role::Role;

/// Why a request was not let through. Handlers of other crates may turn it into an answer of their own.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthRejection {
    #[error("the request has no access token; send one as `authorization: Bearer …`")]
    MissingToken,
    /// The reason is for the log, not for the caller.
    #[error("the access token is not valid; sign in again")]
    InvalidToken { reason: &'static str },
    #[error("the access token has expired; sign in again")]
    ExpiredToken,
    #[error("this needs the permission `{permission}`, which the role `{role}` does not have")]
    Forbidden { permission: Permission, role: Role },
    #[error("this needs the permission `{permission}`, which is not among the API key's scopes")]
    OutOfScope { permission: Permission },
    #[error("the API key is not valid: it was deleted, or is not complete")]
    InvalidKey,
    #[error("the API key has expired; make another")]
    ExpiredKey,
    #[error("this organisation is being erased; nothing in it can be done any more")]
    Erased,
    #[error("who asks cannot be found out at the moment; try again")]
    Unavailable(#[from] AuthUnavailable),
}

impl AuthRejection {
    /// The stable code that users see.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingToken => "token_missing",
            Self::InvalidToken { .. } => "token_invalid",
            Self::ExpiredToken => "token_expired",
            Self::Forbidden { .. } | Self::OutOfScope { .. } => "permission_denied",
            Self::InvalidKey => "api_key_invalid",
            Self::ExpiredKey => "api_key_expired",
            Self::Erased => "organization_erased",
            Self::Unavailable(_) => "auth_unavailable",
        }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Self::MissingToken
            | Self::InvalidToken { .. }
            | Self::ExpiredToken
            | Self::InvalidKey
            | Self::ExpiredKey => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } | Self::OutOfScope { .. } | Self::Erased => StatusCode::FORBIDDEN,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub fn problem(&self) -> Problem {
        Problem::new(self.status().as_u16(), self.code(), self.to_string())
    }

    /// The challenge of RFC 6750. A request without a token is told no error.
    fn challenge(&self) -> Option<String> {
        let realm = "Bearer realm=\"patchbay\"";
        match self {
            Self::MissingToken => Some(realm.to_owned()),
            Self::InvalidToken { .. } | Self::ExpiredToken | Self::InvalidKey | Self::ExpiredKey => {
                Some(format!("{realm}, error=\"invalid_token\""))
            }
            Self::Forbidden { permission, .. } | Self::OutOfScope { permission } => {
                Some(format!("{realm}, error=\"insufficient_scope\", scope=\"{permission}\""))
            }
            Self::Erased | Self::Unavailable(_) => None,
        }
    }
}

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(challenge) = self.challenge().and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
