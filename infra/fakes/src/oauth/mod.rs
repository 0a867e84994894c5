//! An OAuth 2 authorization server: codes with PKCE, client credentials, refresh tokens that rotate and whose reuse is noticed.
//!
//! The person who is asked says yes at once, unless a test wants a no. What is counted is at `/_admin/counts`.

mod authorize;
mod clients;
mod grants;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use clients::Client;
pub(crate) use server::{Rules, Server};

use crate::call::Call;
use crate::desk::Desk;
use crate::reply;
use crate::vendor::Vendor;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Router, http::StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The fake of a vendor that has nothing but an authorization server and one resource behind it.
#[derive(Debug)]
pub(crate) struct OAuth {
    desk: Arc<Desk>,
    server: Mutex<Server>,
}

impl OAuth {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, server: Mutex::new(at_start()) }
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client with a secret, one without, and one for programs; redirects go to any path of this machine.
fn at_start() -> Server {
    let client = |id: &str, secret: Option<&str>| Client {
        id: id.into(),
        secret: secret.map(str::to_owned),
        redirect_uris: vec!["http://127.0.0.1/".into(), "http://localhost/".into()],
        scopes: vec!["read".into(), "write".into(), "offline_access".into()],
    };
    let clients = vec![client("confidential", Some("confidential-secret")), client("public", None)];
    Server::new(Rules::default(), clients, 1)
}

impl Vendor for OAuth {
    fn name(&self) -> &'static str {
        "oauth"
    }

    fn about(&self) -> Value {
        let server = self.server();
        json!({
            "authorize_url": format!("{}/authorize", self.desk.url),
            "token_url": format!("{}/token", self.desk.url),
            "resource_url": format!("{}/resource", self.desk.url),
            "clients": server.clients,
            "rules": server.rules,
        })
    }

    fn stands_for(&self) -> &'static [&'static str] {
        &[]
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/authorize", get(authorize_page))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/resource", get(resource))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .with_state(self)
    }

    fn admin(self: Arc<Self>) -> Router {
        Router::new()
            .route("/counts", get(counts))
            .route("/clients", post(add_client))
            .route("/rules", post(rules))
            .route("/consent", post(consent))
            .route("/revoke-all", post(revoke_all))
            .with_state(self)
    }

    fn reset(&self) {
        *self.server() = at_start();
    }

    fn refusal(&self, status: StatusCode) -> Response {
        let error = if status.is_server_error() { "server_error" } else { "temporarily_unavailable" };
        reply::json(status, &json!({"error": error, "error_description": "a fault that was asked for"}))
    }

    fn faults(&self) -> &'static [&'static str] {
        &["invalid_grant"]
    }
}

async fn authorize_page(State(fake): State<Arc<OAuth>>, call: Call) -> Response {
    fake.server().authorize(&call)
}

async fn token(State(fake): State<Arc<OAuth>>, call: Call) -> Response {
    fake.server().token(&call)
}

async fn revoke(State(fake): State<Arc<OAuth>>, call: Call) -> Response {
    fake.server().revoke(&call)
}

/// Something that wants a token.
async fn resource(State(fake): State<Arc<OAuth>>, call: Call) -> Response {
    let server = fake.server();
    match call.bearer().and_then(|token| server.access(token, call.now)) {
        Some(access) => reply::json(
            StatusCode::OK,
            &json!({"client_id": access.client, "sub": access.user, "scope": access.scopes.join(" ")}),
        ),
        None => reply::with_header(
            reply::json(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_token"})),
            "www-authenticate",
            "Bearer error=\"invalid_token\"",
        ),
    }
}

async fn metadata(State(fake): State<Arc<OAuth>>) -> Response {
    let url = &fake.desk.url;
    reply::json(
        StatusCode::OK,
        &json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "revocation_endpoint": format!("{url}/revoke"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        }),
    )
}

async fn counts(State(fake): State<Arc<OAuth>>) -> Response {
    reply::json(StatusCode::OK, &json!(fake.server().counts))
}

/// Reads what a test sent, and does it.
pub(crate) fn told<T: DeserializeOwned>(body: &[u8], act: impl FnOnce(T)) -> Response {
    match serde_json::from_slice(body) {
        Ok(read) => {
            act(read);
            reply::json(StatusCode::OK, &json!({}))
        }
        Err(error) => {
            reply::json(StatusCode::BAD_REQUEST, &json!({"error": "admin", "message": error.to_string()}))
        }
    }
}

async fn add_client(State(fake): State<Arc<OAuth>>, body: Bytes) -> Response {
    told(&body, |client| fake.server().register(client))
}

async fn rules(State(fake): State<Arc<OAuth>>, body: Bytes) -> Response {
    told(&body, |rules| fake.server().rules = rules)
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Consent {
    given: bool,
}

/// What the person answers from now on.
async fn consent(State(fake): State<Arc<OAuth>>, body: Bytes) -> Response {
    told(&body, |consent: Consent| fake.server().consents = consent.given)
}

/// A person takes back whatever they gave.
async fn revoke_all(State(fake): State<Arc<OAuth>>) -> Response {
    fake.server().revoke_all();
    reply::json(StatusCode::OK, &json!({}))
}
