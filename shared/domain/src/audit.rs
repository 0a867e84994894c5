//! The audit ledger: who did what to what, from where.
//!
//! A record is written with the change that it tells of, or before the act; it is never changed afterwards. Secrets are left out
//! where a record is made: nothing here could tell them from other values.

use crate::{ApiKeyId, Millis, RecordId, ServiceId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Who acts in an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Actor {
    /// A person.
    User(UserId),
    /// A program.
    Service(ServiceId),
    /// Patchbay itself.
    Platform,
}

/// What Patchbay itself is called where it acts.
pub const PLATFORM: &str = "patchbay";

impl Actor {
    pub fn as_str(&self) -> &str {
        match self {
            Self::User(id) => id.as_str(),
            Self::Service(id) => id.as_str(),
            Self::Platform => PLATFORM,
        }
    }

    /// Reads `usr_…`, `sa_…` or `patchbay`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == PLATFORM {
            return Some(Self::Platform);
        }
        let user = UserId::parse(text).map(Self::User);
        user.or_else(|_| ServiceId::parse(text).map(Self::Service)).ok()
    }

    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(id) => Some(id),
            Self::Service(_) | Self::Platform => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Actor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or(text)
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.as_str().to_owned()
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestOrigin {
    /// The address that API Gateway saw, which may be that of a proxy.
    pub ip: String,
    /// What the other side calls itself, cut to [`AGENT_CHARS`].
    pub agent: String,
    /// The id of the request, as its answer's header `x-request-id` tells it.
    pub request: String,
}

/// How much is kept of what a program calls itself.
pub const AGENT_CHARS: usize = 200;

/// What something was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// `workflow`, `run`, `member`, …
    pub kind: String,
    pub id: String,
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: RecordId,
    pub at: Millis,
    pub action: Action,
    pub actor: Actor,
    /// What the actor was called then: an e-mail address, or a service account's name.
    pub actor_name: String,
    /// The API key that the request was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<ApiKeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What was there before, without secrets.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// What is there now, without secrets.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
    pub origin: RequestOrigin,
}

impl Record {
    #[must_use]
    pub fn on(mut self, kind: &str, id: impl fmt::Display) -> Self {
        self.target = Some(Target { kind: kind.to_owned(), id: id.to_string() });
        self
    }

    #[must_use]
    pub fn before(mut self, before: Value) -> Self {
        self.before = before;
        self
    }

    #[must_use]
    pub fn after(mut self, after: Value) -> Self {
        self.after = after;
        self
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Action {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable name that users see.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

actions! {
    /// The first owner made the organisation.
    OrgCreated = "org.created";
    /// Its name or settings were changed.
    OrgChanged = "org.changed";
    /// What it may use was changed, by whoever holds the set-up token.
    QuotasChanged = "org.quotas_changed";
    /// A schedule or an event started no run, since the quota of the day was used up. Told once a day.
    QuotaReached = "org.quota_reached";
    /// Everything that it has was exported.
    OrgExported = "org.exported";
    /// Its erasure began.
    OrgErased = "org.erased";
    /// Somebody signed in.
    SignedIn = "sign_in.succeeded";
    /// A wrong password was given for a member's account.
    SignInFailed = "sign_in.failed";
    /// A session ended, by its own user or another.
    SessionEnded = "session.ended";
    /// All sessions of a user ended.
    SessionsEnded = "sessions.ended";
    /// A refresh token came a second time: somebody may have stolen it, and the session ended.
    SessionReused = "session.reused";
    /// A user set another password.
    PasswordChanged = "password.changed";
    /// Somebody asked for a link to set a member's password.
    PasswordResetAsked = "password.reset_asked";
    /// An account was tied to an identity at the OpenID provider.
    IdentityLinked = "identity.linked";
    /// The OpenID provider of the deployment was set, or taken away.
    ProviderChanged = "identity_provider.changed";
    /// Somebody was invited.
    InvitationCreated = "invitation.created";
    /// An invitation was withdrawn.
    InvitationDeleted = "invitation.deleted";
    /// Somebody came in.
    MemberAdded = "member.added";
    /// A member's role was changed.
    MemberChanged = "member.changed";
    /// A member was removed, or left.
    MemberRemoved = "member.removed";
    /// A service account was made.
    ServiceCreated = "service_account.created";
    /// A service account's name or role was changed.
    ServiceChanged = "service_account.changed";
    /// A service account was deleted, and its keys with it.
    ServiceDeleted = "service_account.deleted";
    /// An API key was made.
    ApiKeyCreated = "api_key.created";
    /// An API key was deleted.
    ApiKeyDeleted = "api_key.deleted";
    /// An API key was used from an address for the first time in a while.
    ApiKeyUsed = "api_key.used_from_new_address";
    /// A workflow was made.
    WorkflowCreated = "workflow.created";
    /// A workflow got a new version, live or a draft.
    WorkflowChanged = "workflow.changed";
    /// A version was made live.
    WorkflowPublished = "workflow.published";
    /// A workflow was switched on.
    WorkflowEnabled = "workflow.enabled";
    /// Somebody had an app asked for records at once.
    WorkflowPolled = "workflow.polled";
    WorkflowSubscribed = "workflow.subscribed";
    /// A workflow was switched off.
    WorkflowDisabled = "workflow.disabled";
    /// A trigger's runs were shared out among versions.
    WorkflowSplit = "workflow.traffic_changed";
    /// A variable was set.
    VariableSet = "variable.set";
    /// A variable was deleted.
    VariableDeleted = "variable.deleted";
    /// A connector of the organisation's own was made, or changed.
    ConnectorSaved = "connector.saved";
    /// A connector of the organisation's own was deleted, or a version of it.
    ConnectorDeleted = "connector.deleted";
    /// A connection to an app was made.
    ConnectionCreated = "connection.created";
    /// A connection was changed.
    ConnectionChanged = "connection.changed";
    /// A connection was deleted.
    ConnectionDeleted = "connection.deleted";
    /// A connection got tokens: its user agreed.
    ConnectionAuthorized = "connection.authorized";
    /// An app's client was set: as whom tokens are asked for.
    OAuthClientChanged = "oauth_client.changed";
    /// An app's client was deleted.
    OAuthClientDeleted = "oauth_client.deleted";
    /// A run was started by hand.
    RunStarted = "run.started";
    /// A run was cancelled.
    RunCancelled = "run.cancelled";
    /// A run that failed was driven on.
    RunRedriven = "run.redriven";
    /// A run was replayed.
    RunReplayed = "run.replayed";
    /// The ledger itself was exported.
    LedgerExported = "audit.exported";
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_and_actors_are_written_as_they_are_shown() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
            assert_eq!(serde_json::from_value::<Action>(action.as_str().into()).unwrap(), *action);
        }
        for actor in [
            Actor::User(UserId::from_bytes([1; 16])),
            Actor::Service(ServiceId::from_bytes([2; 16])),
            Actor::Platform,
        ] {
            assert_eq!(Actor::parse(actor.as_str()), Some(actor.clone()));
            let json = serde_json::to_value(&actor).unwrap();
            assert_eq!(serde_json::from_value::<Actor>(json).unwrap(), actor);
        }
        assert_eq!(Actor::parse("run_00000000000000000000000000"), None);
    }
}
