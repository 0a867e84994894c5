//! Everything that the fake of Google keeps.

use super::channels::{Channel, Ping};
use super::refusal::Refusal;
use super::sheet::Sheet;
use crate::call::Call;
use crate::desk::Desk;
use crate::drawn::Drawn;
use crate::oauth::{Client, Rules, Server};
use crate::rate::Rule;
use jiff::Timestamp;
use std::collections::HashMap;

/// The spreadsheet of the start.
pub(crate) const SPREADSHEET: &str = "1PatchbayFakeSpreadsheet0000000000000000000";

#[derive(Debug)]
pub(crate) struct Spreadsheet {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) sheets: Vec<Sheet>,
    /// Who may write, by address. Nobody else sees it; with an empty list everybody may.
    pub(crate) writers: Vec<String>,
    pub(crate) readers: Vec<String>,
}

/// A service account, by its public key.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) email: String,
    pub(crate) key_id: Option<String>,
    /// SubjectPublicKeyInfo.
    pub(crate) public_key: Vec<u8>,
}

/// A token of a service account.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) email: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires: Timestamp,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) spreadsheets: Vec<Spreadsheet>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) tokens: HashMap<String, Given>,
    pub(crate) oauth: Server,
    /// Files that changed, in order.
    pub(crate) changes: Vec<(Timestamp, String)>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) pings: Vec<Ping>,
    pub(crate) drawn: Drawn,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) email: String,
    scopes: Vec<String>,
}

const PREFIX: &str = "https://www.googleapis.com/auth/";

impl Caller {
    /// Refuses a token that has none of these scopes.
    pub(crate) fn needs(&self, any: &[&str]) -> Result<(), Refusal> {
        let held = |scope: &&str| self.scopes.iter().any(|held| held.strip_prefix(PREFIX) == Some(*scope));
        if any.iter().any(held) { Ok(()) } else { Err(Refusal::scope()) }
    }
}

impl State {
    pub(crate) fn at_start() -> Self {
        let rules = Rules {
            rotates: false,
            needs_challenge: false,
            needs_offline: true,
            access_seconds: 3599,
            ..Rules::default()
        };
        let scopes = [
            "spreadsheets",
            "spreadsheets.readonly",
            "drive",
            "drive.readonly",
            "drive.file",
            "drive.metadata.readonly",
        ];
        let client = Client {
            id: "patchbay-fake.apps.googleusercontent.com".into(),
            secret: Some("google-secret".into()),
            redirect_uris: vec!["http://127.0.0.1/".into(), "http://localhost/".into()],
            scopes: scopes.map(|scope| format!("{PREFIX}{scope}")).to_vec(),
        };
        Self {
            spreadsheets: vec![Spreadsheet {
                id: SPREADSHEET.into(),
                title: "Leads".into(),
                sheets: vec![Sheet::new(0, "Sheet1"), Sheet::new(7, "My sheet")],
                writers: Vec::new(),
                readers: Vec::new(),
            }],
            accounts: Vec::new(),
            tokens: HashMap::new(),
            oauth: Server::new(rules, vec![client], 4),
            changes: Vec::new(),
            channels: Vec::new(),
            pings: Vec::new(),
            drawn: Drawn::new(5),
        }
    }

    /// Who asks, by the token of a service account or of a person.
    pub(crate) fn caller(&self, call: &Call) -> Result<Caller, Refusal> {
        let token = call.bearer().ok_or_else(Refusal::unauthenticated)?;
        if let Some(given) = self.tokens.get(token).filter(|given| call.now < given.expires) {
            return Ok(Caller { email: given.email.clone(), scopes: given.scopes.clone() });
        }
        let access = self.oauth.access(token, call.now).ok_or_else(Refusal::unauthenticated)?;
        Ok(Caller { email: access.user.clone(), scopes: access.scopes.clone() })
    }

    /// A spreadsheet that the caller sees, and may change if that is asked for.
    pub(crate) fn spreadsheet(
        &mut self,
        id: &str,
        caller: &Caller,
        writes: bool,
    ) -> Result<&mut Spreadsheet, Refusal> {
        let found =
            self.spreadsheets.iter_mut().find(|other| other.id == id).ok_or_else(Refusal::not_found)?;
        if found.is_open_to(&caller.email, writes) { Ok(found) } else { Err(Refusal::permission()) }
    }

    /// A file changed: it is written down, and channels that watch it are told.
    pub(crate) fn changed(&mut self, id: &str, now: Timestamp) {
        self.changes.push((now, id.to_owned()));
        for channel in &mut self.channels {
            self.pings.extend(channel.about(id, now));
        }
    }
}

impl Spreadsheet {
    pub(crate) fn is_open_to(&self, email: &str, writes: bool) -> bool {
        let named = |list: &[String]| list.iter().any(|other| other == email);
        (self.writers.is_empty() && self.readers.is_empty())
            || named(&self.writers)
            || (!writes && named(&self.readers))
    }
}

/// Counts a call: sixty a minute for each user and three hundred for the project, reads and writes apart.
pub(crate) fn counted(desk: &Desk, caller: &Caller, writes: bool) -> Result<(), Refusal> {
    let kind = if writes { "Write" } else { "Read" };
    desk.take(&format!("{kind} {}", caller.email), Rule::per_minute(60))
        .map_err(|_| Refusal::quota(kind, " per user"))?;
    desk.take(kind, Rule::per_minute(300)).map_err(|_| Refusal::quota(kind, ""))?;
    Ok(())
}
