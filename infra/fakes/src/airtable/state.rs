//! Everything that the fake of Airtable keeps.

use super::access::{Caller, Permission, Token};
use super::list::Iterators;
use super::model::Base;
use super::refusal::Refusal;
use crate::drawn::Drawn;
use crate::oauth::{Client, Rules, Server};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::HashMap;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) bases: Vec<Base>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) iterators: Iterators,
    pub(crate) oauth: Server,
    /// Files that were uploaded, by the id of their attachment.
    pub(crate) files: HashMap<String, Bytes>,
    pub(crate) drawn: Drawn,
    /// Calls that a base takes in a second: five, unless a test is in a hurry.
    pub(crate) calls_per_second: u32,
}

/// Every scope that the fake asks for.
pub(crate) const SCOPES: [&str; 6] = [
    "data.records:read",
    "data.records:write",
    "schema.bases:read",
    "schema.bases:write",
    "webhook:manage",
    "user.email:read",
];

impl State {
    pub(crate) fn at_start(now: Timestamp) -> Self {
        let rules = Rules { secret_in_body: false, tells_refresh_life: true, ..Rules::default() };
        let client = |id: &str, secret: Option<&str>| Client {
            id: id.into(),
            secret: secret.map(str::to_owned),
            redirect_uris: vec!["http://127.0.0.1/".into(), "http://localhost/".into()],
            scopes: SCOPES.map(str::to_owned).to_vec(),
        };
        let clients =
            vec![client("airtable-client", Some("airtable-secret")), client("airtable-public", None)];
        let mut state = Self {
            bases: Vec::new(),
            tokens: Vec::new(),
            iterators: Iterators::default(),
            oauth: Server::new(rules, clients, 2),
            files: HashMap::new(),
            drawn: Drawn::new(3),
            calls_per_second: 5,
        };
        super::seed::at_start(&mut state, now);
        state
    }

    /// Who asks: by a personal access token, or by one of OAuth.
    pub(crate) fn caller(&self, bearer: Option<&str>, now: Timestamp) -> Result<Caller, Refusal> {
        if let Some(access) = bearer.and_then(|token| self.oauth.access(token, now)) {
            let token = Token {
                secret: String::new(),
                scopes: access.scopes.clone(),
                bases: Vec::new(),
                permission: Permission::Create,
                user: None,
                oauth: true,
                expires: None,
            };
            return Ok(Caller { token });
        }
        super::access::caller(&self.tokens, bearer, now)
    }
}
