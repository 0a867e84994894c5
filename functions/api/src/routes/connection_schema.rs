//! What an action or a trigger takes and gives by a connection: with the columns of the table that is filled in.

use super::connections::{TestError, ask, find};
use super::connectors::unknown;
use crate::App;
use crate::body::{IdOf, JsonBody};
use crate::error::{ApiError, ApiResult};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use connectors::Manifest;
use connectors::dynamic::{Columns, Shape, Source};
use domain::run::StepError;
use domain::{ConnectionId, OrgKey, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;

/// Whose schemas are asked for: an action's or a trigger's.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchemaRequest {
    #[schema(example = "create_record")]
    action: Option<String>,
    #[schema(example = "new_record")]
    trigger: Option<String>,
    /// Which version of the connector; without it the newest.
    #[schema(minimum = 1)]
    version: Option<u32>,
    /// What is filled in so far: it says of which table.
    #[schema(value_type = Option<Object>)]
    input: Option<Value>,
}

/// What an action or a trigger takes and gives.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectionSchema)]
pub(crate) struct SchemaView {
    /// A JSON Schema of the whole input; `#/schemas/…` leads to its own `schemas`.
    #[schema(value_type = Object)]
    input: Value,
    /// A JSON Schema of the output, or of a trigger's record.
    #[schema(value_type = Object)]
    output: Value,
    /// Whether the table has more columns than are in them.
    more: bool,
    /// Why columns are not in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<TestError>,
}

/// Tells what an action or a trigger takes and gives, with the columns of the user's own table where it has any. Where the app refuses to
/// tell them, the schemas are those of the connector, and `error` says why.
#[utoipa::path(post, path = "/v1/connections/{id}/schema", tag = "connections", params(("id" = String, Path)),
    request_body = SchemaRequest, security(("token" = [])), responses(
    (status = 200, body = SchemaView),
    (status = 404, description = "`connection_not_found`, `connector_unknown`, `action_unknown` or `trigger_unknown`", body = ProblemView),
    (status = 422, description = "`fields_needed`: the columns depend on fields that are not filled in; `errors` says on which", body = ProblemView)))]
pub(crate) async fn schema(
    State(app): State<App>,
    caller: Can<permit::ConnectionsWrite>,
    IdOf(id): IdOf<ConnectionId>,
    JsonBody(request): JsonBody<SchemaRequest>,
) -> ApiResult<Json<SchemaView>> {
    let org = caller.org_key();
    let kept = find(&app, org, &id).await?;
    let connector = &kept.connection.connector;
    let manifest = app.connector(org, connector, request.version).await?.ok_or_else(unknown)?;
    let mut shape = shape_of(&manifest, &request)?;
    let filled = request.input.unwrap_or_else(|| json!({}));
    let missing = shape.missing(&filled);
    if !missing.is_empty() {
        let detail = "the columns depend on fields that are not filled in; `errors` says on which";
        return Err(Problem::new(422, "fields_needed", detail).with_errors(missing).into());
    }
    let (mut more, mut error) = (false, None);
    for (name, source) in shape.sources().collect::<Vec<_>>() {
        match columns(&app, org, &id, &manifest, source, &filled).await {
            Ok(columns) => {
                more |= columns.more;
                shape.put(name, &columns);
            }
            Err(StepError { code, message, .. }) => error = error.or(Some(TestError { code, message })),
        }
    }
    let (input, output) = shape.schemas();
    Ok(Json(SchemaView { input, output, more, error }))
}

fn shape_of<'m>(manifest: &'m Manifest, request: &SchemaRequest) -> ApiResult<Shape<'m>> {
    let title = &manifest.title;
    match (&request.action, &request.trigger) {
        (Some(name), None) => manifest
            .shape_of_action(name)
            .ok_or_else(|| ApiError::new(404, "action_unknown", format!("{title} has no action `{name}`"))),
        (None, Some(name)) => manifest
            .shape_of_trigger(name)
            .ok_or_else(|| ApiError::new(404, "trigger_unknown", format!("{title} has no trigger `{name}`"))),
        (Some(_), Some(_)) | (None, None) => {
            Err(ApiError::new(422, "invalid_body", "give one of `action` and `trigger`"))
        }
    }
}

/// Asks the app for the columns of a table.
async fn columns(
    app: &App,
    org: &OrgKey,
    id: &ConnectionId,
    manifest: &Arc<Manifest>,
    source: &Source,
    filled: &Value,
) -> Result<Columns, StepError> {
    let question = source.question(manifest, filled, app.now().0)?;
    let output = ask(app, org, id, manifest.clone(), &source.action, question).await?;
    let columns = source.columns(output, filled, app.now().0)?;
    if columns.is_empty() {
        return Err(StepError::fatal("no_columns", "the app knows no such table, or none of its columns"));
    }
    Ok(columns)
}
