//! Requests that are repeated with the same `idempotency-key` are carried out once, and answered alike for a day.

use crate::App;
use crate::body::MAX_DOCUMENT_BYTES;
use crate::error::ApiError;
use auth::Caller;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::id::{base32, digest16};
use store::{KeptAnswer, MAX_KEPT_BYTES, Repeatable};

const KEY: &str = "idempotency-key";
/// Says that an answer is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The headers that belong to an answer; the others belong to the request that it answers.
const KEPT: [HeaderName; 3] = [CONTENT_TYPE, ETAG, LOCATION];

/// The header of an answer that holds a secret: nobody keeps it, neither on its way nor here.
pub(crate) fn shown_once() -> [(HeaderName, HeaderValue); 1] {
    [(CACHE_CONTROL, HeaderValue::from_static("no-store"))]
}

/// In the place of an answer that is not kept.
const NOT_KEPT: u16 = 0;

/// Carries a `POST` with an `idempotency-key` out once for each caller and key.
pub(super) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(key) = request.headers().get(KEY).filter(|_| request.method() == Method::POST) else {
        return next.run(request).await;
    };
    let Some(caller) = request.extensions().get::<Caller>().cloned() else { return next.run(request).await };
    let key = match key.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) => {
            key.to_owned()
        }
        _ => {
            let detail = "`idempotency-key` must have 1 to 255 visible ASCII characters";
            return ApiError::new(422, "invalid_idempotency_key", detail).into_response();
        }
    };
    match repeatable(&app, &caller, &key, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn repeatable(
    app: &App,
    caller: &Caller,
    key: &str,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_DOCUMENT_BYTES).await.map_err(|_| {
        let detail = format!("the body may have at most {MAX_DOCUMENT_BYTES} bytes");
        ApiError::new(413, "body_too_large", detail)
    })?;
    let org = caller.org_key();
    let scope = caller.key().map_or_else(|| caller.actor().as_str(), |key| key.as_str());
    let print = print(&parts.uri.to_string(), &body);
    match app.store.begin_repeatable(org, scope, key, &print, app.now()).await? {
        Repeatable::New => {}
        Repeatable::Running => {
            let detail =
                "the first request with this `idempotency-key` is being carried out; ask again in a moment";
            return Err(ApiError::new(409, "idempotency_in_progress", detail));
        }
        Repeatable::Another => {
            let detail =
                "another request had this `idempotency-key` before; take a new one for a new request";
            return Err(ApiError::new(422, "idempotency_key_reused", detail));
        }
        Repeatable::Answered(answer) if answer.status == NOT_KEPT => {
            let detail = "this was carried out, and its answer is not kept: it held a secret that is shown once, or was very large";
            return Err(ApiError::new(409, "answer_shown_once", detail));
        }
        Repeatable::Answered(answer) => return Ok(again(answer)),
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    // What may pass, and what nobody is to blame for, is tried anew.
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        app.store.release_repeatable(org, scope, key).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let kept = |name: &HeaderName| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    };
    let secret = parts.headers.get(CACHE_CONTROL).is_some_and(|value| value == "no-store");
    let answer = if secret || body.len() > MAX_KEPT_BYTES {
        KeptAnswer { status: NOT_KEPT, headers: Vec::new(), body: Vec::new() }
    } else {
        let headers = KEPT.iter().filter_map(kept).collect();
        KeptAnswer { status: status.as_u16(), headers, body: body.to_vec() }
    };
    if let Err(error) = app.store.keep_answer(org, scope, key, &answer).await {
        // Carried out it is: a repetition is told that it runs, and then carried out anew.
        tracing::warn!(%error, "the answer to a repeatable request was not kept");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn again(answer: KeptAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// What tells one request from another.
fn print(uri: &str, body: &Bytes) -> String {
    let body = String::from_utf8_lossy(body);
    base32(digest16(&["request", uri, &body]))
}
