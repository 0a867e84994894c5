//! Where a request comes from, and its id.

use axum::extract::Request;
use axum::http::header::USER_AGENT;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use domain::audit::{AGENT_CHARS, RequestOrigin};
use lambda_http::request::RequestContext;
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Notes the origin for those who ask for it, and tells the request's id in the answer and in every line of the log.
pub(super) async fn noted(mut request: Request, next: Next) -> Response {
    let (ip, id) = match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => (
            context.http.source_ip.clone().unwrap_or_default(),
            context.request_id.clone().unwrap_or_default(),
        ),
        _ => Default::default(),
    };
    let agent = request.headers().get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let agent = agent.unwrap_or_default().chars().filter(|c| !c.is_control()).take(AGENT_CHARS).collect();
    let span = tracing::info_span!("request", request.id = %id);
    let header = HeaderValue::try_from(id.as_str()).ok();
    request.extensions_mut().insert(RequestOrigin { ip, agent, request: id });
    let mut response = next.run(request).instrument(span).await;
    if let Some(id) = header {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
