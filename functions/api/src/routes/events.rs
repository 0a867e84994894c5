//! Business events.

use crate::App;
use crate::body::JsonBody;
use crate::error::{ApiError, ApiResult};
use crate::view::{FaultView, ProblemView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use dispatch::{BusEvent, SOURCE};
use domain::{Fault, Problem};
use expr::pattern::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventRequest {
    /// Who says so, such as `shop`. `patchbay` and `aws.…` are taken.
    #[schema(example = "shop")]
    source: String,
    /// What happened.
    #[serde(alias = "detail-type")]
    #[schema(example = "Order placed")]
    detail_type: String,
    #[schema(value_type = Object)]
    detail: Value,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventTaken {
    /// The event's id on the bus.
    id: String,
}

/// Puts an event on the bus, where event triggers of this organisation see it.
#[utoipa::path(post, path = "/v1/events", tag = "events", request_body = EventRequest, security(("token" = [])), responses(
    (status = 202, body = EventTaken),
    (status = 422, description = "`invalid_event`", body = ProblemView),
))]
pub(crate) async fn put(
    State(app): State<App>,
    caller: Can<permit::EventsPut>,
    JsonBody(request): JsonBody<EventRequest>,
) -> ApiResult<(StatusCode, Json<EventTaken>)> {
    let refuse = |detail: &str| Err(ApiError::new(422, "invalid_event", detail));
    if request.source.is_empty() || request.source.len() > 256 || request.source.starts_with("aws.") {
        return refuse("`source` must be a name of 1 to 256 characters that does not begin with `aws.`");
    }
    if request.source == SOURCE {
        return refuse("`patchbay` is the source of Patchbay's own events; choose another");
    }
    if request.detail_type.is_empty() || request.detail_type.len() > 128 {
        return refuse("`detail_type` must be a name of 1 to 128 characters");
    }
    if !request.detail.is_object() {
        return refuse("`detail` must be an object");
    }
    if domain::nests_too_deep(&request.detail) {
        return refuse("`detail` nests deeper than 100 levels");
    }
    if request.detail.to_string().len() > domain::limits::MAX_BODY_BYTES - 4096 {
        return refuse("`detail` is too large: an event may have 256 KB in all");
    }
    let event = BusEvent {
        chain: None,
        org: caller.org().clone(),
        source: request.source,
        detail_type: request.detail_type,
        detail: request.detail,
    };
    let ids = app.bus.put(&[event]).await?;
    let id = ids.into_iter().next().unwrap_or_default();
    Ok((StatusCode::ACCEPTED, Json(EventTaken { id })))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatternRequest {
    #[schema(value_type = Object)]
    pattern: Value,
    #[schema(value_type = Object)]
    event: Value,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PatternResult {
    matches: bool,
    /// What is wrong with the pattern.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FaultView>,
}

/// Whether a pattern matches an event.
#[utoipa::path(post, path = "/v1/events/test-pattern", tag = "events", request_body = PatternRequest,
    security(("token" = [])), responses(
    (status = 200, body = PatternResult),
    (status = 422, description = "`invalid_pattern`, with every fault", body = ProblemView),
))]
pub(crate) async fn test_pattern(
    State(_app): State<App>,
    _caller: Can<permit::ExpressionsEvaluate>,
    JsonBody(request): JsonBody<PatternRequest>,
) -> ApiResult<Json<PatternResult>> {
    let pattern = Pattern::parse(&request.pattern).map_err(|faults| {
        let faults = faults.into_iter().map(|f| Fault::new(f.pointer, f.code, f.message)).collect();
        Problem::new(422, "invalid_pattern", "the pattern has faults; `errors` lists them")
            .with_errors(faults)
    })?;
    Ok(Json(PatternResult { matches: pattern.matches(&request.event), errors: Vec::new() }))
}
