//! What a test can ask of the fake of Airtable, below `/_admin`.

use super::access::Token;
use super::{Airtable, seed};
use crate::oauth::{Client, Rules, told};
use crate::reply;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn router(fake: Arc<Airtable>) -> Router {
    Router::new()
        .route("/bases", post(add_base))
        .route("/tokens", post(add_token))
        .route("/clients", post(add_client))
        .route("/oauth-rules", post(rules))
        .route("/counts", get(counts))
        .route("/limits", post(limits))
        .route("/forget-iterators", post(forget_iterators))
        .with_state(fake)
}

/// A base with tables, fields of any type and records: `{"id", "name", "tables": [{"name", "fields", "views", "records"}]}`.
async fn add_base(State(fake): State<Arc<Airtable>>, body: Bytes) -> Response {
    let added = serde_json::from_slice::<Value>(&body)
        .map_err(|error| error.to_string())
        .and_then(|described| seed::base(&mut fake.state(), &described, fake.desk.clock.now()));
    match added {
        Ok(id) => reply::json(StatusCode::OK, &json!({"id": id})),
        Err(message) => reply::json(StatusCode::BAD_REQUEST, &json!({"error": "admin", "message": message})),
    }
}

async fn add_token(State(fake): State<Arc<Airtable>>, body: Bytes) -> Response {
    told(&body, |token: Token| {
        let mut state = fake.state();
        state.tokens.retain(|other| other.secret != token.secret);
        state.tokens.push(token);
    })
}

async fn add_client(State(fake): State<Arc<Airtable>>, body: Bytes) -> Response {
    told(&body, |client: Client| fake.state().oauth.register(client))
}

async fn rules(State(fake): State<Arc<Airtable>>, body: Bytes) -> Response {
    told(&body, |rules: Rules| fake.state().oauth.rules = rules)
}

async fn counts(State(fake): State<Arc<Airtable>>) -> Response {
    reply::json(StatusCode::OK, &json!(fake.state().oauth.counts))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    calls_per_second: u32,
}

/// How many calls a base takes in a second.
async fn limits(State(fake): State<Arc<Airtable>>, body: Bytes) -> Response {
    told(&body, |limits: Limits| fake.state().calls_per_second = limits.calls_per_second)
}

async fn forget_iterators(State(fake): State<Arc<Airtable>>) -> Response {
    fake.state().iterators.forget();
    reply::json(StatusCode::OK, &json!({}))
}
