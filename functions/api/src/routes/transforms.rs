//! The transforms that expressions have beside JSONata's own functions.

use auth::{Can, permit};
use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Transforms {
    /// In the order of their names: `name`, `category`, `signature`, `description`, and `examples` with `expression`, `input` and
    /// `output` (both JSON as text).
    #[schema(value_type = Vec<Object>)]
    items: &'static [expr::Transform],
}

/// Every transform, with its signature and examples.
#[utoipa::path(get, path = "/v1/transforms", tag = "expressions", security(("token" = [])),
    responses((status = 200, body = Transforms)))]
pub(crate) async fn transforms(_: Can<permit::WorkflowsRead>) -> Json<Transforms> {
    Json(Transforms { items: expr::transforms() })
}
