//! A connection: an organisation's access to an app.

use crate::{ConnectionId, Millis};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is kept of a connection beside its credentials, which the vault keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// What people call it.
    pub name: String,
    /// The connector whose app it leads to.
    pub connector: String,
    /// Which of the connector's ways to sign in.
    pub auth: String,
    /// What is not secret, such as a subdomain or a user name.
    pub fields: Map<String, Value>,
    pub status: ConnectionStatus,
    /// Why it needs to be made anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub created_at: Millis,
    pub created_by: String,
    pub changed_at: Millis,
    /// The address of whoever agreed last, who is told when that no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized_by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionStatus {
    Ready,
    /// The user has not agreed yet.
    Pending,
    /// The app refuses the credentials for good.
    NeedsReconnect,
}

impl ConnectionStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Pending => "pending",
            Self::NeedsReconnect => "needs_reconnect",
        }
    }
}

/// The secrets of a connection by their names: what is kept as JSON.
pub type Credentials = BTreeMap<String, String>;

/// What a connection's credentials are kept for: they open nowhere else.
pub fn sealed_for(id: &ConnectionId) -> String {
    format!("connection/{id}")
}

/// What a connection's tokens are sealed for.
pub fn tokens_sealed_for(id: &ConnectionId) -> String {
    format!("connection/{id}/tokens")
}

/// What the secret of an organisation's client is kept for.
pub fn oauth_client_sealed_for(connector: &str) -> String {
    format!("oauth-client/{connector}")
}

/// What a server gave (RFC 6749, 5.1). It is sealed as JSON, and never shown.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Tokens {
    pub access_token: String,
    /// What new ones are got with; servers that rotate take each once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Absent where the server named no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Millis>,
}

impl Tokens {
    /// How long the access token was to be good when it came.
    pub fn life(&self) -> Option<Duration> {
        Some(self.issued_at?.until(self.expires_at?))
    }

    /// Whether the access token is good for at least so long.
    pub fn are_good(&self, now: Millis, at_least: Duration) -> bool {
        self.expires_at.is_none_or(|end| end > now.plus(at_least))
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}
