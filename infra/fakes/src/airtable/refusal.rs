//! How Airtable refuses: an object with a type and a sentence, or the bare word `NOT_FOUND`.

use super::formula::Fault;
use crate::reply;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    body: Value,
}

impl Refusal {
    fn of(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        Self { status, body: json!({"error": {"type": kind, "message": message.into()}}) }
    }

    pub(crate) fn into_response(self) -> Response {
        reply::json(self.status, &self.body)
    }

    /// A request that names what this fake has not, or what nobody outside Airtable knows. An answer would be a guess.
    pub(crate) fn not_modelled(what: impl std::fmt::Display) -> Self {
        Self::of(StatusCode::NOT_IMPLEMENTED, "NOT_MODELLED", format!("this fake does not model {what}"))
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::of(StatusCode::UNAUTHORIZED, "AUTHENTICATION_REQUIRED", "Authentication required")
    }

    /// No right, no such base and no such table look the same.
    pub(crate) fn no_access() -> Self {
        Self::of(
            StatusCode::FORBIDDEN,
            "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
            "Invalid permissions, or the requested model was not found. Check that both your user and your token \
             have the required permissions, and that the model names and/or ids are correct.",
        )
    }

    pub(crate) fn not_permitted(to: impl std::fmt::Display) -> Self {
        Self::of(StatusCode::FORBIDDEN, "INVALID_PERMISSIONS", format!("You are not permitted to {to}"))
    }

    /// The bare form, for a path in which an id is malformed.
    pub(crate) fn not_found() -> Self {
        Self { status: StatusCode::NOT_FOUND, body: json!({"error": "NOT_FOUND"}) }
    }

    pub(crate) fn no_record() -> Self {
        Self::of(StatusCode::NOT_FOUND, "MODEL_ID_NOT_FOUND", "Record not found")
    }

    fn unprocessable(kind: &str, message: impl Into<String>) -> Self {
        Self::of(StatusCode::UNPROCESSABLE_ENTITY, kind, message)
    }

    pub(crate) fn body() -> Self {
        Self::of(StatusCode::BAD_REQUEST, "INVALID_REQUEST_BODY", "Could not parse request body")
    }

    pub(crate) fn parameters() -> Self {
        Self::unprocessable(
            "INVALID_REQUEST_UNKNOWN",
            "Invalid request: parameter validation failed. Check your request data.",
        )
    }

    pub(crate) fn missing_fields() -> Self {
        Self::unprocessable(
            "INVALID_REQUEST_MISSING_FIELDS",
            "Could not find field \"fields\" in the request body",
        )
    }

    pub(crate) fn records() -> Self {
        Self::unprocessable(
            "INVALID_RECORDS",
            "You must provide an array of up to 10 record objects, each with an \"id\" ID field and a \"fields\" \
             object for cell values.",
        )
    }

    pub(crate) fn unknown_field(name: &str) -> Self {
        Self::unprocessable("UNKNOWN_FIELD_NAME", format!("Unknown field name: \"{name}\""))
    }

    pub(crate) fn value(field: &str) -> Self {
        Self::unprocessable(
            "INVALID_VALUE_FOR_COLUMN",
            format!("Field \"{field}\" cannot accept the provided value"),
        )
    }

    pub(crate) fn computed(field: &str) -> Self {
        Self::unprocessable(
            "INVALID_VALUE_FOR_COLUMN",
            format!("Field \"{field}\" cannot accept a value because the field is computed"),
        )
    }

    pub(crate) fn option(name: &str) -> Self {
        Self::unprocessable(
            "INVALID_MULTIPLE_CHOICE_OPTIONS",
            format!("Insufficient permissions to create new select option \"\"{name}\"\""),
        )
    }

    pub(crate) fn no_row(id: &str) -> Self {
        Self::unprocessable("ROW_DOES_NOT_EXIST", format!("Record ID {id} does not exist in this table"))
    }

    pub(crate) fn view(name: &str) -> Self {
        let kind = if name.starts_with("viw") { "VIEW_ID_NOT_FOUND" } else { "VIEW_NAME_NOT_FOUND" };
        Self::unprocessable(kind, format!("View {name} not found"))
    }

    pub(crate) fn offset() -> Self {
        Self::unprocessable("INVALID_OFFSET_VALUE", "The value of offset is invalid")
    }

    pub(crate) fn iterator() -> Self {
        Self::unprocessable(
            "LIST_RECORDS_ITERATOR_NOT_AVAILABLE",
            "The iterator of this offset is no longer available: start again without an offset",
        )
    }

    pub(crate) fn formula(fault: Fault) -> Self {
        let reason = match fault {
            Fault::Invalid => "Invalid formula. Please check your formula text.".to_owned(),
            Fault::UnknownFields(names) => format!("Unknown field names: {}", names.join(", ")),
            Fault::NotModelled(what) => return Self::not_modelled(what),
        };
        Self::unprocessable(
            "INVALID_FILTER_BY_FORMULA",
            format!("The formula for filtering records is invalid: {reason}"),
        )
    }

    pub(crate) fn too_large() -> Self {
        Self::of(StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_BODY_TOO_LARGE", "Request body is too large")
    }

    pub(crate) fn too_long() -> Self {
        Self::of(StatusCode::URI_TOO_LONG, "REQUEST_URI_TOO_LONG", "The request's URL is too long")
    }

    /// A failure that a test asked for, in the words that Airtable has for it.
    pub(crate) fn asked_for(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::unauthenticated(),
            403 => Self::no_access(),
            404 => Self::not_found(),
            413 => Self::too_large(),
            422 => Self::parameters(),
            429 => Self::too_many(false),
            503 => Self::of(
                status,
                "RETRIABLE_ERROR",
                "Server encountered an error while processing your request, and it is safe to retry the request",
            ),
            _ => Self::of(status, "SERVER_ERROR", status.canonical_reason().unwrap_or_default()),
        }
    }

    /// Too many requests, in the one form or the other: both have been seen.
    pub(crate) fn too_many(several: bool) -> Self {
        let message = "Rate limit exceeded. Please try again later";
        let body = if several {
            json!({"errors": [{"error": "RATE_LIMIT_REACHED", "message": message}]})
        } else {
            json!({"error": {"type": "RATE_LIMIT_REACHED", "message": message}})
        };
        Self { status: StatusCode::TOO_MANY_REQUESTS, body }
    }
}
