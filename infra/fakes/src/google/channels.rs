//! Drive's channels: pings without a body that say that something changed.

use super::refusal::Refusal;
use crate::deliver::is_of_this_machine;
use crate::moment;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

const DEFAULT: SignedDuration = SignedDuration::from_hours(1);

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) id: String,
    pub(crate) resource: String,
    /// The file that is watched; all of them, if there is none.
    file: Option<String>,
    address: String,
    token: Option<String>,
    uri: String,
    expires: Timestamp,
    messages: u64,
}

/// A ping, ready to be sent.
#[derive(Debug)]
pub(crate) struct Ping {
    pub(crate) address: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Channel {
    /// Opens a channel as a body asks for it.
    pub(crate) fn open(
        body: &Map<String, Value>,
        file: Option<&str>,
        resource: String,
        uri: String,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let need = |name: &str| text(name).ok_or_else(|| Refusal::argument(format!("Required: {name}")));
        if !matches!(need("type")?, "web_hook" | "webhook") {
            return Err(Refusal::argument("Invalid value for: type"));
        }
        let (id, address) = (need("id")?, need("address")?);
        if !is_of_this_machine(address) {
            return Err(Refusal::not_modelled("pings to other machines"));
        }
        let longest = SignedDuration::from_hours(if file.is_some() { 24 } else { 7 * 24 });
        let asked = body.get("expiration").and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_i64(),
        });
        let asked = asked.and_then(|at| Timestamp::from_millisecond(at).ok());
        Ok(Self {
            id: id.to_owned(),
            resource,
            file: file.map(str::to_owned),
            address: address.to_owned(),
            token: text("token").map(str::to_owned),
            uri,
            expires: asked.unwrap_or(now + DEFAULT).min(now + longest),
            messages: 0,
        })
    }

    pub(crate) fn answer(&self) -> Value {
        let mut answer = json!({
            "kind": "api#channel", "id": self.id, "resourceId": self.resource, "resourceUri": self.uri,
            "expiration": self.expires.as_millisecond().to_string(),
        });
        if let Some(token) = &self.token {
            answer["token"] = json!(token);
        }
        answer
    }

    /// The ping that a changed file brings about, if this channel watches it.
    pub(crate) fn about(&mut self, file: &str, now: Timestamp) -> Option<Ping> {
        let watches = self.file.as_deref().is_none_or(|watched| watched == file);
        let state = if self.file.is_some() { "update" } else { "change" };
        (watches && now < self.expires).then(|| self.ping(state))
    }

    /// The next ping: the first one says `sync`.
    pub(crate) fn ping(&mut self, state: &str) -> Ping {
        self.messages += 1;
        let mut headers = vec![
            ("x-goog-channel-id", self.id.clone()),
            ("x-goog-message-number", self.messages.to_string()),
            ("x-goog-resource-id", self.resource.clone()),
            ("x-goog-resource-state", state.to_owned()),
            ("x-goog-resource-uri", self.uri.clone()),
            ("x-goog-channel-expiration", moment::of_http(self.expires)),
        ];
        if let Some(token) = &self.token {
            headers.push(("x-goog-channel-token", token.clone()));
        }
        if state == "update" {
            headers.push(("x-goog-changed", "content".to_owned()));
        }
        Ping { address: self.address.clone(), headers }
    }
}
