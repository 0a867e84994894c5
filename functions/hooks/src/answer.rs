//! What the sender of a webhook is answered.

use crate::App;
use crate::handle::run_body;
use domain::run::Answer;
use domain::{Millis, OrgKey, Problem, RunId, limits};
use lambda_http::{Body, Response};
use serde_json::Value;
use std::time::Duration;
use tracing::warn;

/// Headers that frame the answer and so are not the workflow's to choose.
const FRAMING: [&str; 4] = ["content-length", "transfer-encoding", "connection", "set-cookie"];

pub(crate) fn accepted(run: &RunId) -> Response<Body> {
    json(202, "application/json", &run_body(run))
}

/// To an app that told what starts nothing: it must not send it again.
pub(crate) fn passed_over() -> Response<Body> {
    ok(&serde_json::json!({"started": false}))
}

pub(crate) fn ok(body: &Value) -> Response<Body> {
    json(200, "application/json", body)
}

/// A page that loads nothing, is framed by nobody and tells nobody where it was.
pub(crate) fn html(status: u16, document: &str) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "text/html; charset=utf-8")
        .header(
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        )
        .header("referrer-policy", "no-referrer")
        .header("cache-control", "no-store")
        .body(Body::Text(document.to_owned()))
        .expect("status and headers are valid")
}

pub(crate) fn problem(problem: &Problem) -> Response<Body> {
    let body = serde_json::to_value(problem).unwrap_or_default();
    json(problem.status, "application/problem+json", &body)
}

/// Says after how long it may be tried again.
pub(crate) fn retry_after(mut response: Response<Body>, left: Duration) -> Response<Body> {
    response.headers_mut().insert("retry-after", left.as_secs().max(1).into());
    response
}

/// Waits for the workflow's own answer to a request that came at `arrived`.
pub(crate) async fn of_workflow(app: &App, org: &OrgKey, run: &RunId, arrived: Millis) -> Response<Body> {
    let mut pause = Duration::from_millis(15);
    let until = arrived.plus(limits::RESPOND_WITHIN);
    while app.clock.now() < until {
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_millis(250));
        match app.runs.peek_answer(org, run).await {
            Ok((Some(answer), _)) => return of(&answer),
            Ok((None, Some(head))) if head.status.is_terminal() => {
                // The head may be newer than the answer in a read that is not strong: look once more.
                if let Ok((Some(answer), _)) = app.runs.peek_answer(org, run).await {
                    return of(&answer);
                }
                let detail = format!("run `{run}` ended as {} before it answered", head.status);
                return problem(&Problem::new(502, "no_answer", detail));
            }
            Ok(_) => {}
            Err(error) => warn!(run.id = %run, %error, "the answer could not be read; trying again"),
        }
    }
    let detail =
        format!("run `{run}` goes on, but did not answer within {} s", limits::RESPOND_WITHIN.as_secs());
    problem(&Problem::new(504, "answer_timeout", detail))
}

fn of(answer: &Answer) -> Response<Body> {
    let mut builder = Response::builder().status(answer.status);
    let mut typed = false;
    for (name, value) in answer.headers.iter().filter(|(name, _)| !FRAMING.contains(&name.as_str())) {
        typed |= name == "content-type";
        builder = builder.header(name, value);
    }
    let (body, content_type) = match &answer.body {
        Value::Null => (Body::Empty, None),
        Value::String(text) => (Body::Text(text.clone()), Some("text/plain; charset=utf-8")),
        json => (Body::Text(json.to_string()), Some("application/json")),
    };
    if let Some(content_type) = content_type.filter(|_| !typed) {
        builder = builder.header("content-type", content_type);
    }
    builder.body(body).unwrap_or_else(|_| {
        problem(&Problem::new(502, "invalid_answer", "the workflow's answer cannot be sent"))
    })
}

fn json(status: u16, content_type: &str, body: &Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(Body::Text(body.to_string()))
        .expect("status and header are valid")
}
