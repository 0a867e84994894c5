//! Trying expressions out.

use crate::App;
use crate::body::JsonBody;
use crate::error::{ApiError, ApiResult};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::id::digest16;
use expr::{Seed, Template};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvaluateRequest {
    /// JSONata, with or without `{{ }}`; or any text that holds such expressions.
    #[schema(example = "$uppercase(trigger.body.name)")]
    expression: String,
    /// The whole scope.
    #[serde(default)]
    #[schema(required = false, example = json!({"trigger": {"body": {"name": "Ada"}}}))]
    input: Value,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvaluateResult {
    /// `null` when the expression gives nothing.
    result: Value,
}

/// Evaluates an expression, exactly as a step would.
#[utoipa::path(post, path = "/v1/expressions/evaluate", tag = "expressions", request_body = EvaluateRequest,
    security(("token" = [])), responses(
    (status = 200, body = EvaluateResult),
    (status = 422, description = "the expression is not valid, failed, or took too much time or memory", body = ProblemView),
))]
pub(crate) async fn evaluate(
    State(app): State<App>,
    caller: Can<permit::ExpressionsEvaluate>,
    JsonBody(request): JsonBody<EvaluateRequest>,
) -> ApiResult<Json<EvaluateResult>> {
    let text = if request.expression.contains("{{") {
        request.expression
    } else {
        format!("{{{{ {} }}}}", request.expression)
    };
    let template = Template::parse(&Value::String(text)).map_err(|faults| {
        let first = faults.first();
        let (code, message) = first.map_or(("expression_syntax", ""), |f| (f.code, f.message.as_str()));
        ApiError::new(422, code, message)
    })?;
    let digest = digest16(&["evaluate", caller.org().as_str()]);
    let mut random = [0; 8];
    random.copy_from_slice(&digest[..8]);
    let seed = Seed { now_ms: app.now().0, random: u64::from_be_bytes(random) };
    let guard = app.guard.lane(caller.org().as_str());
    let result = guard.render(&template, &request.input, &seed).await.map_err(|failure| {
        let status = if failure.code == expr::codes::GUARD_UNAVAILABLE { 503 } else { 422 };
        ApiError::new(status, failure.code, failure.message)
    })?;
    Ok(Json(EvaluateResult { result }))
}
