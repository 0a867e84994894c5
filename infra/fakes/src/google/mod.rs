//! Google: its token endpoint with service accounts, Sheets and the part of Drive that finds sheets and tells of their changes.

mod a1;
mod admin;
mod channels;
mod drive;
mod fields;
mod refusal;
mod sheet;
mod spreadsheets;
mod state;
#[cfg(test)]
mod tests;
mod token;
mod values;

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

/// How often it is looked whether a channel has something to tell.
const LOOKS: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Google {
    desk: Arc<Desk>,
    state: Mutex<State>,
}

impl Google {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, state: Mutex::new(State::at_start()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what channels have to tell, for as long as the fake is there. A ping that fails is not sent again.
async fn tell_on(fake: Weak<Google>) {
    loop {
        tokio::time::sleep(LOOKS).await;
        let Some(fake) = fake.upgrade() else { return };
        let pings = std::mem::take(&mut fake.state().pings);
        for ping in pings {
            let headers: Vec<(&str, String)> =
                ping.headers.iter().map(|(name, value)| (*name, value.clone())).collect();
            if let Err(error) = deliver::post(&ping.address, &headers, Vec::new()).await {
                tracing::debug!(error, "a channel's ping was not taken");
            }
        }
    }
}

impl Vendor for Google {
    fn name(&self) -> &'static str {
        "google"
    }

    fn about(&self) -> Value {
        let state = self.state();
        let url = &self.desk.url;
        json!({
            "sheets_endpoint": format!("{url}/"),
            "drive_endpoint": format!("{url}/drive/v3/"),
            "authorize_url": format!("{url}/o/oauth2/v2/auth"),
            "token_url": format!("{url}/token"),
            "clients": state.oauth.clients,
            "spreadsheets": state.spreadsheets.iter().map(|s| json!({"id": s.id, "title": s.title})).collect::<Vec<_>>(),
            "service_account": format!("{url}/_admin/service-account"),
        })
    }

    fn stands_for(&self) -> &'static [&'static str] {
        &[
            "https://sheets.googleapis.com",
            "https://www.googleapis.com",
            "https://oauth2.googleapis.com",
            "https://accounts.google.com",
        ]
    }

    fn router(self: Arc<Self>) -> Router {
        tokio::spawn(tell_on(Arc::downgrade(&self)));
        Router::new()
            .route("/o/oauth2/v2/auth", get(authorize))
            .route("/token", post(give_token))
            .route("/v4/{*rest}", any(answer))
            .route("/drive/v3/{*rest}", any(answer))
            .with_state(self)
    }

    fn admin(self: Arc<Self>) -> Router {
        admin::router(self)
    }

    fn reset(&self) {
        *self.state() = State::at_start();
    }

    fn refusal(&self, status: StatusCode) -> Response {
        Refusal::asked_for(status).into_response()
    }

    fn faults(&self) -> &'static [&'static str] {
        &["invalid_grant"]
    }
}

async fn authorize(Shared(fake): Shared<Arc<Google>>, call: Call) -> Response {
    fake.state().oauth.authorize(&call)
}

async fn give_token(Shared(fake): Shared<Arc<Google>>, call: Call) -> Response {
    token::answer(&mut fake.state(), &call)
}

async fn answer(Shared(fake): Shared<Arc<Google>>, call: Call) -> Response {
    let answered = if call.path.starts_with("/v4/") {
        spreadsheets::answer(&mut fake.state(), &fake.desk, &call)
    } else {
        drive::answer(&mut fake.state(), &fake.desk, &call)
    };
    match answered {
        Ok(Some(body)) => match call.query_value("fields") {
            None => reply::json(StatusCode::OK, &body),
            Some(text) => match fields::parse(&text) {
                Some(mask) => reply::json(StatusCode::OK, &mask.apply(&body)),
                None => Refusal::argument(format!("Request contains an invalid argument: fields {text}"))
                    .into_response(),
            },
        },
        Ok(None) => fake.not_modelled(call.method.as_str(), &call.path),
        Err(refusal) => refusal.into_response(),
    }
}
