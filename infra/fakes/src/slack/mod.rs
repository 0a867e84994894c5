//! Slack's Web API: methods below `/api/`, files by way of an upload address, OAuth with rotating tokens, signed events.

mod args;
mod chat;
mod conversations;
mod events;
mod files;
mod oauth;
mod state;
mod users;

use crate::call::Call;
use crate::desk::Desk;
use crate::rate::{Rule, whole_seconds};
use crate::reply;
use crate::vendor::Vendor;
use args::Args;
use axum::Router;
use axum::extract::{Path, State as Extension};
use axum::response::Response;
use axum::routing::{any, get, post};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Signs events. Slack shows it on an app's page.
const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

#[derive(Debug)]
pub(crate) struct Slack {
    desk: Arc<Desk>,
    state: Mutex<State>,
}

/// A failure as Slack says it: `ok: false` and a code, with status 200.
#[derive(Debug)]
struct Refused(Value);

impl Refused {
    fn code(code: &str) -> Self {
        Self(json!({ "ok": false, "error": code }))
    }

    /// With what is wrong about an argument.
    fn because(code: &str, message: &str) -> Self {
        Self(json!({
            "ok": false, "error": code,
            "response_metadata": { "messages": [format!("[ERROR] {message}")] }
        }))
    }
}

type Answer = Result<Value, Refused>;

/// Who calls: what a token stands for.
#[derive(Debug, Clone)]
struct Caller {
    scopes: Vec<String>,
}

impl Caller {
    fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    fn needs(&self, scope: &str) -> Result<(), Refused> {
        if self.has(scope) {
            return Ok(());
        }
        Err(Refused(json!({
            "ok": false, "error": "missing_scope", "needed": scope, "provided": self.scopes.join(",")
        })))
    }
}

/// What a method is given.
struct Request<'a> {
    args: &'a Args,
    caller: &'a Caller,
    state: &'a mut State,
    now: Timestamp,
    /// Where the client reached this fake.
    url: String,
}

type Method = fn(Request<'_>) -> Answer;

/// What the published tiers allow a minute.
const fn tier(number: u8) -> Rule {
    Rule::per_minute(match number {
        1 => 1,
        2 => 20,
        3 => 50,
        _ => 100,
    })
}

/// The methods that are modelled, each with its tier.
fn method(name: &str) -> Option<(Method, u8)> {
    Some(match name {
        "api.test" => (users::api_test, 4),
        "auth.test" => (users::auth_test, 4),
        "chat.postMessage" => (chat::post, 4),
        "chat.postEphemeral" => (chat::post_ephemeral, 4),
        "chat.update" => (chat::update, 3),
        "chat.delete" => (chat::delete, 3),
        "reactions.add" => (chat::react, 3),
        "conversations.list" => (conversations::list, 2),
        "conversations.history" => (conversations::history, 3),
        "conversations.replies" => (conversations::replies, 3),
        "conversations.create" => (conversations::create, 2),
        "conversations.info" => (conversations::info, 3),
        "conversations.open" => (conversations::open, 3),
        "conversations.join" => (conversations::join, 3),
        "conversations.invite" => (conversations::invite, 3),
        "conversations.members" => (conversations::members, 4),
        "users.list" => (users::list, 2),
        "users.info" => (users::info, 4),
        "users.lookupByEmail" => (users::lookup, 3),
        "files.getUploadURLExternal" => (files::upload_url, 4),
        "files.completeUploadExternal" => (files::complete, 4),
        _ => return None,
    })
}

impl Slack {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, state: Mutex::new(State::seeded()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller by the token, in the header or among the arguments.
    fn caller(&self, call: &Call, args: &Args) -> Result<Caller, Refused> {
        let token = match call.bearer() {
            Some(token) => token.to_owned(),
            None => args.text("token").ok_or_else(|| Refused::code("not_authed"))?,
        };
        let state = self.state();
        let token = state.tokens.get(&token).ok_or_else(|| Refused::code("invalid_auth"))?;
        if token.revoked {
            return Err(Refused::code("token_revoked"));
        }
        if token.expires.is_some_and(|expires| call.now >= expires) {
            return Err(Refused::code("token_expired"));
        }
        Ok(Caller { scopes: token.scopes.clone() })
    }

    fn limited(wait: Duration) -> Response {
        let body =
            reply::json(StatusCode::TOO_MANY_REQUESTS, &json!({ "ok": false, "error": "ratelimited" }));
        reply::with_header(body, "retry-after", whole_seconds(wait))
    }

    fn answer(&self, name: &str, call: &Call) -> Response {
        if name == "oauth.v2.access" {
            return said(oauth::access(self, call));
        }
        let Some((method, number)) = method(name) else {
            return self.not_modelled(call.method.as_str(), &call.path);
        };
        if let Some(fault) = &call.fault {
            return said(Err(Refused::code(fault)));
        }
        let args = match Args::of(name, call) {
            Ok(args) => args,
            Err(refused) => return said(Err(refused)),
        };
        if name == "api.test" {
            return said(users::echo(&args));
        }
        let caller = match self.caller(call, &args) {
            Ok(caller) => caller,
            Err(refused) => return said(Err(refused)),
        };
        if let Err(wait) = self.desk.take(name, tier(number)) {
            return Self::limited(wait);
        }
        if name == "chat.postMessage" {
            // One message a second and channel. Slack lets bursts pass that it does not measure out; nobody may count on them.
            let channel = args.text("channel").unwrap_or_default();
            if let Err(wait) = self.desk.take(&format!("post {channel}"), Rule::per_second(1)) {
                return Self::limited(wait);
            }
        }
        let mut state = self.state();
        let request = Request {
            args: &args,
            caller: &caller,
            state: &mut state,
            now: call.now,
            url: format!("http://{}", call.host),
        };
        let response = said(method(request));
        reply::with_header(response, "x-oauth-scopes", caller.scopes.join(","))
    }
}

fn said(answer: Answer) -> Response {
    let mut value = match answer {
        Ok(value) => value,
        Err(Refused(value)) => {
            // Not modelled is said with a status of its own, not in Slack's voice.
            if value["error"] == "not_modelled" {
                return reply::json(StatusCode::NOT_IMPLEMENTED, &value);
            }
            value
        }
    };
    if value.get("ok").is_none()
        && let Some(map) = value.as_object_mut()
    {
        map.insert("ok".into(), true.into());
    }
    reply::json(StatusCode::OK, &value)
}

/// What of a method is not modelled.
fn unmodelled(what: &str) -> Refused {
    Refused(
        json!({ "ok": false, "error": "not_modelled", "message": format!("The fake of slack does not model {what}.") }),
    )
}

async fn api(Extension(slack): Extension<Arc<Slack>>, Path(name): Path<String>, call: Call) -> Response {
    slack.answer(&name, &call)
}

impl Vendor for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn about(&self) -> Value {
        json!({
            "base_url": format!("{}/api/", self.desk.url),
            "authorize_url": format!("{}/oauth/v2/authorize", self.desk.url),
            "token": state::TOKEN,
            "token_with_few_scopes": state::NARROW_TOKEN,
            "token_that_is_revoked": state::REVOKED_TOKEN,
            "client_id": oauth::CLIENT_ID,
            "client_secret": oauth::CLIENT_SECRET,
            "signing_secret": SIGNING_SECRET,
            "bot_user_id": state::BOT_USER,
            "channels": { "member": "C0FAKE00001", "not_a_member": "C0FAKE00002", "archived": "C0FAKE00003" },
            "admin": { "POST /_admin/events": "{url, event, event_id?, retry?, seconds_ago?, forged?}: a signed event",
                       "POST /_admin/verification": "{url}: asks a receiver for its challenge",
                       "POST /_admin/commands": "{url, command, text?}: a slash command" },
        })
    }

    fn stands_for(&self) -> &'static [&'static str] {
        &["https://slack.com"]
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/api/{method}", any(api))
            .route("/upload/v1/{key}", post(files::upload))
            .route("/files-pri/{file}/download/{name}", get(files::download))
            .route("/oauth/v2/authorize", get(oauth::authorize))
            .with_state(self)
    }

    fn admin(self: Arc<Self>) -> Router {
        events::router(self)
    }

    fn reset(&self) {
        *self.state() = State::seeded();
    }

    fn refusal(&self, status: StatusCode) -> Response {
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Self::limited(Duration::from_secs(1));
        }
        let code =
            if status == StatusCode::SERVICE_UNAVAILABLE { "service_unavailable" } else { "internal_error" };
        reply::json(status, &json!({ "ok": false, "error": code }))
    }

    fn faults(&self) -> &'static [&'static str] {
        &[
            "token_expired",
            "token_revoked",
            "account_inactive",
            "internal_error",
            "fatal_error",
            "service_unavailable",
        ]
    }
}
