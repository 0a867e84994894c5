//! What a test can ask of the fake of Google, below `/_admin`.

use super::Google;
use super::sheet::Sheet;
use super::state::{Account, Spreadsheet};
use crate::oauth::{Client, Rules, told};
use crate::reply;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn router(fake: Arc<Google>) -> Router {
    Router::new()
        .route("/service-account", get(new_account))
        .route("/service-accounts", post(add_account))
        .route("/spreadsheets", post(add_spreadsheet))
        .route("/clients", post(add_client))
        .route("/oauth-rules", post(rules))
        .route("/counts", get(counts))
        .with_state(fake)
}

fn fault(message: impl ToString) -> Response {
    reply::json(StatusCode::BAD_REQUEST, &json!({"error": "admin", "message": message.to_string()}))
}

/// A new service account with its private key, as Google's console gives it.
async fn new_account(State(fake): State<Arc<Google>>) -> Response {
    match made(&fake) {
        Ok(account) => reply::json(StatusCode::OK, &account),
        Err(aws_lc_rs::error::Unspecified) => fault("no key could be made"),
    }
}

fn made(fake: &Google) -> Result<Value, aws_lc_rs::error::Unspecified> {
    let pair = KeyPair::generate(KeySize::Rsa2048)?;
    let private: Pkcs8V1Der<'_> = pair.as_der()?;
    let mut state = fake.state();
    let number = state.accounts.len() + 1;
    let email = format!("robot-{number}@patchbay-fake.iam.gserviceaccount.com");
    let key_id = state.drawn.text("", 40);
    state.accounts.push(Account {
        email: email.clone(),
        key_id: Some(key_id.clone()),
        public_key: pair.public_key().as_ref().to_vec(),
    });
    Ok(json!({
        "type": "service_account", "project_id": "patchbay-fake", "private_key_id": key_id,
        "private_key": pem("PRIVATE KEY", private.as_ref()), "client_email": email, "client_id": number.to_string(),
        "token_uri": format!("{}/token", fake.desk.url),
    }))
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    client_email: String,
    #[serde(default)]
    private_key_id: Option<String>,
    /// A public key in PEM.
    public_key: String,
}

/// A service account whose private key the test keeps.
async fn add_account(State(fake): State<Arc<Google>>, body: Bytes) -> Response {
    let account: NewAccount = match serde_json::from_slice(&body) {
        Ok(account) => account,
        Err(error) => return fault(error),
    };
    let encoded: String =
        account.public_key.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let Ok(public_key) = STANDARD.decode(encoded) else { return fault("`public_key` is not PEM") };
    let mut state = fake.state();
    state.accounts.retain(|other| other.email != account.client_email);
    state.accounts.push(Account { email: account.client_email, key_id: account.private_key_id, public_key });
    reply::json(StatusCode::OK, &json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSpreadsheet {
    id: String,
    #[serde(default)]
    title: Option<String>,
    /// The titles of its sheets.
    sheets: Vec<String>,
    #[serde(default)]
    writers: Vec<String>,
    #[serde(default)]
    readers: Vec<String>,
}

async fn add_spreadsheet(State(fake): State<Arc<Google>>, body: Bytes) -> Response {
    told(&body, |new: NewSpreadsheet| {
        let mut state = fake.state();
        state.spreadsheets.retain(|other| other.id != new.id);
        let sheets = (0..).zip(&new.sheets).map(|(id, title)| Sheet::new(id, title)).collect();
        let title = new.title.unwrap_or_else(|| "Untitled spreadsheet".into());
        let (writers, readers) = (new.writers, new.readers);
        state.spreadsheets.push(Spreadsheet { id: new.id, title, sheets, writers, readers });
    })
}

async fn add_client(State(fake): State<Arc<Google>>, body: Bytes) -> Response {
    told(&body, |client: Client| fake.state().oauth.register(client))
}

async fn rules(State(fake): State<Arc<Google>>, body: Bytes) -> Response {
    told(&body, |rules: Rules| fake.state().oauth.rules = rules)
}

async fn counts(State(fake): State<Arc<Google>>) -> Response {
    reply::json(StatusCode::OK, &json!(fake.state().oauth.counts))
}
