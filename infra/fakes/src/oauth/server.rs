//! What the authorization server keeps: clients, codes, families of refresh tokens, access tokens.

use super::clients::Client;
use crate::drawn::Drawn;
use crate::path::first;
use crate::{call::Call, reply};
use axum::response::Response;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;

/// How a vendor's server differs from another's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rules {
    pub(crate) code_seconds: i64,
    pub(crate) access_seconds: i64,
    pub(crate) refresh_seconds: i64,
    /// A refresh gives a new refresh token, and the old one is spent.
    pub(crate) rotates: bool,
    /// Codes are given only with a challenge.
    pub(crate) needs_challenge: bool,
    /// A refresh token is given only with `access_type=offline`.
    pub(crate) needs_offline: bool,
    /// A secret is taken in the body, too.
    pub(crate) secret_in_body: bool,
    /// Answers tell how long the refresh token lives.
    pub(crate) tells_refresh_life: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            code_seconds: 60,
            access_seconds: 3600,
            refresh_seconds: 60 * 24 * 3600,
            rotates: true,
            needs_challenge: true,
            needs_offline: false,
            secret_in_body: true,
            tells_refresh_life: false,
        }
    }
}

/// What happened so far.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) authorizations: u64,
    pub(crate) codes_given: u64,
    pub(crate) codes_exchanged: u64,
    pub(crate) client_credentials: u64,
    pub(crate) refreshes_asked: u64,
    pub(crate) refreshes_granted: u64,
    /// Spent refresh tokens that were presented again.
    pub(crate) refreshes_reused: u64,
    pub(crate) families_revoked: u64,
}

/// A valid access token.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) client: String,
    pub(crate) user: String,
    pub(crate) scopes: Vec<String>,
    pub(super) family: Option<usize>,
    pub(super) expires: Timestamp,
}

#[derive(Debug)]
pub(super) struct Code {
    pub(super) client: String,
    pub(super) redirect_uri: Option<String>,
    pub(super) challenge: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) offline: bool,
    pub(super) expires: Timestamp,
    /// The family that it began, once it was exchanged.
    pub(super) spent: Option<usize>,
}

/// All refresh tokens that came from one consent.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) client: String,
    pub(super) scopes: Vec<String>,
    pub(super) revoked: bool,
}

#[derive(Debug)]
pub(super) struct Refresh {
    pub(super) family: usize,
    pub(super) spent: bool,
    pub(super) expires: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) rules: Rules,
    pub(crate) clients: Vec<Client>,
    pub(crate) counts: Counts,
    /// Whether the person who is asked says yes.
    pub(crate) consents: bool,
    pub(super) codes: HashMap<String, Code>,
    pub(super) families: Vec<Family>,
    pub(super) refreshes: HashMap<String, Refresh>,
    pub(super) accesses: HashMap<String, Access>,
    pub(super) drawn: Drawn,
}

/// A refusal of the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) error: &'static str,
    description: &'static str,
    /// The client tried the Authorization header, so it is told to do better there.
    challenge: bool,
}

impl Refused {
    pub(crate) fn of(error: &'static str, description: &'static str) -> Self {
        Self { error, description, challenge: false }
    }

    pub(super) fn request(description: &'static str) -> Self {
        Self::of("invalid_request", description)
    }

    pub(super) fn grant(description: &'static str) -> Self {
        Self::of("invalid_grant", description)
    }

    pub(super) fn client(challenge: bool, description: &'static str) -> Self {
        Self { challenge, ..Self::of("invalid_client", description) }
    }

    pub(crate) fn into_response(self) -> Response {
        let status =
            if self.error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        let response =
            reply::json(status, &json!({"error": self.error, "error_description": self.description}));
        let response = reply::with_header(response, "cache-control", "no-store");
        if self.challenge {
            reply::with_header(response, "www-authenticate", "Basic realm=\"token\"")
        } else {
            response
        }
    }
}

impl Server {
    pub(crate) fn new(rules: Rules, clients: Vec<Client>, seed: u64) -> Self {
        Self {
            rules,
            clients,
            counts: Counts::default(),
            consents: true,
            codes: HashMap::new(),
            families: Vec::new(),
            refreshes: HashMap::new(),
            accesses: HashMap::new(),
            drawn: Drawn::new(seed),
        }
    }

    /// Adds a client, or puts it in the place of the one with its id.
    pub(crate) fn register(&mut self, client: Client) {
        self.clients.retain(|other| other.id != client.id);
        self.clients.push(client);
    }

    /// What an access token stands for, while it is valid.
    pub(crate) fn access(&self, token: &str, now: Timestamp) -> Option<&Access> {
        let access = self.accesses.get(token)?;
        let revoked = access.family.is_some_and(|family| self.families[family].revoked);
        (now < access.expires && !revoked).then_some(access)
    }

    /// Ends a family: none of its tokens is worth anything from now on.
    pub(super) fn revoke_family(&mut self, family: usize) {
        if !self.families[family].revoked {
            self.families[family].revoked = true;
            self.counts.families_revoked += 1;
        }
    }

    pub(crate) fn revoke_all(&mut self) {
        for family in 0..self.families.len() {
            self.revoke_family(family);
        }
    }

    /// RFC 7009: a token that is not known is revoked already.
    pub(crate) fn revoke(&mut self, call: &Call) -> Response {
        let form = call.form_pairs();
        let client = match self.client(call, &form) {
            Ok(client) => client,
            Err(refused) => return refused.into_response(),
        };
        let Some(token) = first(&form, "token") else {
            return Refused::request("token is missing").into_response();
        };
        let of_refresh = self.refreshes.get(token).map(|refresh| refresh.family);
        if let Some(family) = of_refresh.filter(|family| self.families[*family].client == client.id) {
            self.revoke_family(family);
        }
        if self.accesses.get(token).is_some_and(|access| access.client == client.id) {
            self.accesses.remove(token);
        }
        reply::json(StatusCode::OK, &json!({}))
    }

    pub(super) fn until(now: Timestamp, seconds: i64) -> Timestamp {
        now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
    }
}
