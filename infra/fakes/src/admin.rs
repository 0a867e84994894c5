//! `/_admin`: what a fake was asked, and what a test wants of it.

use crate::desk::Desk;
use crate::faults::Plan;
use crate::reply;
use crate::vendor::{Vendor, described};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;

#[derive(Debug, Clone)]
struct Admin {
    vendor: Arc<dyn Vendor>,
    desk: Arc<Desk>,
}

/// The routes below `/_admin`, the vendor's own among them.
pub(crate) fn router(vendor: Arc<dyn Vendor>, desk: Arc<Desk>) -> Router {
    let own = vendor.clone().admin();
    Router::new()
        .route("/_admin", get(page))
        .route("/_admin/about", get(about))
        .route("/_admin/requests", get(requests))
        .route("/_admin/reset", post(reset))
        .route("/_admin/faults", get(faults).post(plan).delete(forget))
        .route("/_admin/clock", get(time).post(advance))
        .route("/_admin/rates", post(rates))
        .with_state(Admin { vendor, desk })
        .nest("/_admin", own)
        .fallback(|| async { refused("there is nothing like that below /_admin", StatusCode::NOT_FOUND) })
}

fn refused(message: &str, status: StatusCode) -> Response {
    reply::json(status, &json!({ "error": "admin", "message": message }))
}

/// Reads what a test sent; a misspelt name is refused, not passed over.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Response> {
    serde_json::from_slice(body).map_err(|error| refused(&error.to_string(), StatusCode::BAD_REQUEST))
}

fn ok(value: &Value) -> Response {
    reply::json(StatusCode::OK, value)
}

async fn about(State(admin): State<Admin>) -> Response {
    ok(&described(&*admin.vendor))
}

async fn requests(State(admin): State<Admin>) -> Response {
    ok(&json!({ "requests": admin.desk.received.all() }))
}

async fn reset(State(admin): State<Admin>) -> Response {
    admin.desk.reset();
    admin.vendor.reset();
    ok(&json!({}))
}

async fn faults(State(admin): State<Admin>) -> Response {
    ok(&json!({ "faults": admin.desk.faults.planned() }))
}

async fn plan(State(admin): State<Admin>, body: Bytes) -> Response {
    let plan: Plan = match read(&body) {
        Ok(plan) => plan,
        Err(refusal) => return refusal,
    };
    match admin.desk.faults.plan(plan, admin.vendor.faults()) {
        Ok(()) => faults(State(admin)).await,
        Err(message) => refused(&message, StatusCode::BAD_REQUEST),
    }
}

async fn forget(State(admin): State<Admin>) -> Response {
    admin.desk.faults.reset();
    ok(&json!({}))
}

async fn time(State(admin): State<Admin>) -> Response {
    ok(&json!({ "now": admin.desk.clock.now().to_string() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: u32,
}

async fn advance(State(admin): State<Admin>, body: Bytes) -> Response {
    match read::<Advance>(&body) {
        Ok(by) => {
            admin.desk.clock.advance(SignedDuration::from_secs(by.advance_seconds.into()));
            time(State(admin)).await
        }
        Err(refusal) => refusal,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    enabled: bool,
}

async fn rates(State(admin): State<Admin>, body: Bytes) -> Response {
    match read::<Counted>(&body) {
        Ok(counted) => {
            admin.desk.rates.enable(counted.enabled);
            ok(&json!({ "enabled": counted.enabled }))
        }
        Err(refusal) => refusal,
    }
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}\
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.3rem .6rem;text-align:left;vertical-align:top}\
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font-size:13px}";

async fn page(State(admin): State<Admin>) -> Response {
    let name = admin.vendor.name();
    let about = pretty(&described(&*admin.vendor));
    let mut rows = String::new();
    for request in admin.desk.received.all().into_iter().rev() {
        let status = request.status.map_or_else(|| "–".to_owned(), |status| status.to_string());
        let fault = request.fault.map(|fault| format!(" ({fault})")).unwrap_or_default();
        let details =
            pretty(&json!({ "query": request.query, "headers": request.headers, "body": request.body }));
        // Writing into a text cannot fail.
        let _infallible = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{} {}<details><summary>more</summary><pre>{}</pre></details></td><td>{}</td></tr>",
            request.number,
            escaped(&request.at),
            escaped(&request.method),
            escaped(&request.path),
            escaped(&details),
            escaped(&format!("{status}{fault}")),
        );
    }
    let page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Fake of {name}</title><style>{STYLE}</style>\
         <h1>Fake of {name}</h1><details open><summary>What it is</summary><pre>{}</pre></details>\
         <h2>Requests</h2><table><tr><th>#<th>At<th>Request<th>Answer</tr>{rows}</table>",
        escaped(&about)
    );
    reply::typed(StatusCode::OK, "text/html; charset=utf-8", page)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// What was received is shown as text, whatever it holds.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
