//! Airtable: records, schemas, webhooks with signed pings, uploads, OAuth and the limits, as its own clients meet them.

mod access;
mod admin;
mod api;
mod cells;
mod change;
mod formula;
mod hooks;
mod list;
mod model;
mod read;
mod refusal;
mod schema;
mod seed;
mod state;
#[cfg(test)]
mod tests;
mod write;

use crate::call::Call;
use crate::deliver;
use crate::desk::Desk;
use crate::reply;
use crate::vendor::Vendor;
use axum::Router;
use axum::extract::State as Shared;
use axum::response::Response;
use axum::routing::{any, get, post};
use http::StatusCode;
use refusal::Refusal;
use serde_json::{Value, json};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// How often it is looked whether a ping is due.
const LOOKS: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Airtable {
    desk: Arc<Desk>,
    state: Mutex<State>,
}

impl Airtable {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        let state = Mutex::new(State::at_start(desk.clock.now()));
        Self { desk, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the pings that are due.
    async fn ping(&self) {
        let now = self.desk.clock.now();
        let pings: Vec<hooks::Ping> =
            self.state().bases.iter_mut().flat_map(|base| hooks::due(base, now)).collect();
        for ping in pings {
            let mut answered = Err("it was not sent".to_owned());
            for _ in 0..ping.copies {
                let headers = [
                    ("content-type", "application/json".to_owned()),
                    ("x-airtable-content-mac", ping.signature.clone()),
                ];
                let sent = deliver::post(&ping.url, &headers, ping.body.clone()).await;
                answered = sent.map(|(status, _)| status);
            }
            let now = self.desk.clock.now();
            if let Some(base) = self.state().bases.iter_mut().find(|base| base.id == ping.base) {
                hooks::settle(base, &ping.hook, answered, now);
            }
        }
    }
}

/// Sends pings for as long as the fake is there.
async fn ping_on(fake: Weak<Airtable>) {
    loop {
        tokio::time::sleep(LOOKS).await;
        let Some(fake) = fake.upgrade() else { return };
        fake.ping().await;
    }
}

impl Vendor for Airtable {
    fn name(&self) -> &'static str {
        "airtable"
    }

    fn about(&self) -> Value {
        let state = self.state();
        let bases: Vec<Value> = state
            .bases
            .iter()
            .map(|base| {
                let tables: Vec<Value> =
                    base.tables.iter().map(|table| json!({"id": table.id, "name": table.name})).collect();
                json!({"id": base.id, "name": base.name, "tables": tables})
            })
            .collect();
        json!({
            "endpoint_url": self.desk.url,
            "tokens": state.tokens.iter().map(|token| &token.secret).collect::<Vec<_>>(),
            "bases": bases,
            "authorize_url": format!("{}/oauth2/v1/authorize", self.desk.url),
            "token_url": format!("{}/oauth2/v1/token", self.desk.url),
            "clients": state.oauth.clients,
        })
    }

    fn stands_for(&self) -> &'static [&'static str] {
        &["https://api.airtable.com", "https://content.airtable.com", "https://airtable.com"]
    }

    fn router(self: Arc<Self>) -> Router {
        tokio::spawn(ping_on(Arc::downgrade(&self)));
        Router::new()
            .route("/oauth2/v1/authorize", get(authorize))
            .route("/oauth2/v1/token", post(token))
            .route("/airtableusercontent/{until}/{id}", get(content))
            .route("/v0/{*rest}", any(answer))
            .with_state(self)
    }

    fn admin(self: Arc<Self>) -> Router {
        admin::router(self)
    }

    fn reset(&self) {
        *self.state() = State::at_start(self.desk.clock.now());
    }

    fn refusal(&self, status: StatusCode) -> Response {
        Refusal::asked_for(status).into_response()
    }

    fn faults(&self) -> &'static [&'static str] {
        // 429 in the other form; a list that is no longer known; a ping that comes twice.
        &["rate_limit_errors", "expired_iterator", "duplicate_ping"]
    }
}

async fn answer(Shared(fake): Shared<Arc<Airtable>>, call: Call) -> Response {
    if call.fault.as_deref() == Some("rate_limit_errors") {
        return Refusal::too_many(true).into_response();
    }
    let answered = api::answer(&mut fake.state(), &fake.desk, &call);
    match answered {
        Ok(Some(response)) => response,
        Ok(None) => fake.not_modelled(call.method.as_str(), &call.path),
        Err(refusal) => refusal.into_response(),
    }
}

async fn authorize(Shared(fake): Shared<Arc<Airtable>>, call: Call) -> Response {
    fake.state().oauth.authorize(&call)
}

async fn token(Shared(fake): Shared<Arc<Airtable>>, call: Call) -> Response {
    fake.state().oauth.token(&call)
}

/// A file that was uploaded, for two hours after its address was told.
async fn content(Shared(fake): Shared<Arc<Airtable>>, call: Call) -> Response {
    let parts = crate::path::segments(&call.path);
    let [_, until, id] = parts.as_slice() else { return Refusal::not_found().into_response() };
    let is_open = until.parse().is_ok_and(|until: i64| call.now.as_millisecond() < until);
    match fake.state().files.get(id).filter(|_| is_open) {
        Some(bytes) => reply::typed(StatusCode::OK, "application/octet-stream", bytes.clone()),
        None => reply::typed(StatusCode::GONE, "text/plain", "The address of this file has expired."),
    }
}
