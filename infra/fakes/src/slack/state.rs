//! A workspace: people, channels, messages, files, tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use super::Refused;

pub(super) const TEAM: &str = "T0FAKE00001";
pub(super) const TEAM_NAME: &str = "Fake Workspace";
pub(super) const APP: &str = "A0FAKE00001";
pub(super) const BOT: &str = "B0FAKE00001";
/// The user that the bot's tokens act as.
pub(super) const BOT_USER: &str = "U0FAKEBOT01";
pub(super) const TOKEN: &str = "xoxb-fake-all-scopes";
pub(super) const NARROW_TOKEN: &str = "xoxb-fake-few-scopes";
pub(super) const REVOKED_TOKEN: &str = "xoxb-fake-revoked";

pub(super) const SCOPES: [&str; 20] = [
    "channels:history",
    "channels:join",
    "channels:manage",
    "channels:read",
    "chat:write",
    "chat:write.public",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "groups:write",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "mpim:write",
    "reactions:write",
    "users:read",
    "users:read.email",
];

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) scopes: Vec<String>,
    pub(super) expires: Option<Timestamp>,
    pub(super) revoked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Public,
    Private,
    Direct,
    Group,
}

impl Kind {
    /// As `types` names it.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "public_channel" => Self::Public,
            "private_channel" => Self::Private,
            "im" => Self::Direct,
            "mpim" => Self::Group,
            _ => return None,
        })
    }

    /// The start of the scopes of this kind.
    pub(super) fn scope(self, what: &str) -> String {
        let kind = match self {
            Self::Public => "channels",
            Self::Private => "groups",
            Self::Direct => "im",
            Self::Group => "mpim",
        };
        format!("{kind}:{what}")
    }
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) created: i64,
    pub(super) archived: bool,
    pub(super) members: BTreeSet<String>,
    /// By timestamp, which is a text of fixed width and so in order.
    pub(super) messages: BTreeMap<String, Value>,
}

impl Channel {
    pub(super) fn has(&self, user: &str) -> bool {
        self.members.contains(user)
    }

    pub(super) fn json(&self) -> Value {
        let mut value = json!({
            "id": self.id, "created": self.created, "creator": "U0FAKE00001", "is_archived": self.archived,
            "is_channel": self.kind == Kind::Public, "is_group": self.kind == Kind::Private,
            "is_im": self.kind == Kind::Direct, "is_mpim": self.kind == Kind::Group,
            "is_private": self.kind != Kind::Public, "context_team_id": TEAM, "updated": self.created * 1_000,
        });
        if self.kind == Kind::Direct {
            let other = self.members.iter().find(|member| *member != BOT_USER);
            value["user"] = json!(other);
            value["is_user_deleted"] = false.into();
        } else {
            value["name"] = json!(self.name);
            value["name_normalized"] = json!(self.name);
            value["is_general"] = json!(self.name == "general");
            value["is_member"] = json!(self.has(BOT_USER));
            value["is_shared"] = false.into();
            value["is_ext_shared"] = false.into();
            value["is_org_shared"] = false.into();
            value["num_members"] = json!(self.members.len());
            let none = json!({ "value": "", "creator": "", "last_set": 0 });
            value["topic"] = none.clone();
            value["purpose"] = none;
            value["previous_names"] = json!([]);
        }
        value
    }
}

#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) real_name: String,
    pub(super) email: Option<String>,
    pub(super) bot: bool,
    pub(super) deleted: bool,
}

#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) length: u64,
    pub(super) upload_key: String,
    pub(super) bytes: Option<Bytes>,
    pub(super) complete: bool,
}

/// A code of the authorization page, not yet exchanged.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) scopes: Vec<String>,
    pub(super) redirect_uri: Option<String>,
    pub(super) challenge: Option<String>,
    pub(super) expires: Timestamp,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) users: Vec<User>,
    pub(super) channels: Vec<Channel>,
    pub(super) files: BTreeMap<String, File>,
    pub(super) tokens: BTreeMap<String, Token>,
    pub(super) codes: BTreeMap<String, Code>,
    pub(super) refresh_tokens: BTreeMap<String, Vec<String>>,
    made: u64,
    last_ts: (i64, u32),
}

impl State {
    pub(super) fn seeded() -> Self {
        let user = |number: u32, name: &str, real_name: &str| User {
            id: format!("U0FAKE{number:05}"),
            name: name.to_owned(),
            real_name: real_name.to_owned(),
            email: Some(format!("{name}@example.com")),
            bot: false,
            deleted: false,
        };
        let mut users = vec![
            user(1, "ada", "Ada Lovelace"),
            user(2, "grace", "Grace Hopper"),
            user(3, "alan", "Alan Turing"),
            user(4, "edsger", "Edsger Dijkstra"),
            user(5, "barbara", "Barbara Liskov"),
        ];
        users[3].deleted = true;
        users.push(User {
            id: BOT_USER.to_owned(),
            name: "patchbay".to_owned(),
            real_name: "Patchbay".to_owned(),
            email: None,
            bot: true,
            deleted: false,
        });
        let mut channels = Vec::new();
        for (number, name) in (1..).zip([
            "general",
            "random",
            "old-project",
            "orders",
            "alerts",
            "support",
            "sales",
            "design",
            "billing",
            "hiring",
            "incidents",
            "releases",
        ]) {
            let mut members: BTreeSet<String> =
                ["U0FAKE00001", "U0FAKE00002", "U0FAKE00003"].map(str::to_owned).into();
            if name != "random" {
                members.insert(BOT_USER.to_owned());
            }
            channels.push(Channel {
                id: format!("C0FAKE{number:05}"),
                name: name.to_owned(),
                kind: if name == "hiring" { Kind::Private } else { Kind::Public },
                created: 1_700_000_000 + number,
                archived: name == "old-project",
                members,
                messages: BTreeMap::new(),
            });
        }
        let token = |scopes: &[&str], revoked| Token {
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            expires: None,
            revoked,
        };
        let narrow = ["chat:write"];
        let tokens = [
            (TOKEN.to_owned(), token(&SCOPES, false)),
            (NARROW_TOKEN.to_owned(), token(&narrow, false)),
            (REVOKED_TOKEN.to_owned(), token(&SCOPES, true)),
        ];
        Self {
            users,
            channels,
            files: BTreeMap::new(),
            tokens: tokens.into(),
            codes: BTreeMap::new(),
            refresh_tokens: BTreeMap::new(),
            made: 0,
            last_ts: (0, 0),
        }
    }

    /// A new id: a letter, then what was never given before.
    pub(super) fn id(&mut self, letter: &str) -> String {
        self.made += 1;
        format!("{letter}0MADE{:05}", self.made)
    }

    /// A timestamp that is also a message's id: later than all before it.
    pub(super) fn ts(&mut self, now: Timestamp) -> String {
        let seconds = now.as_second();
        self.last_ts =
            if seconds > self.last_ts.0 { (seconds, 100) } else { (self.last_ts.0, self.last_ts.1 + 100) };
        format!("{:010}.{:06}", self.last_ts.0, self.last_ts.1)
    }

    pub(super) fn channel(&mut self, id: &str) -> Result<&mut Channel, Refused> {
        self.channels
            .iter_mut()
            .find(|channel| channel.id == id && (channel.kind == Kind::Public || channel.has(BOT_USER)))
            .ok_or_else(|| Refused::code("channel_not_found"))
    }

    pub(super) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// The conversation of exactly these members, made if there is none.
    pub(super) fn conversation(&mut self, members: BTreeSet<String>, now: Timestamp) -> (String, bool) {
        let kind = if members.len() == 2 { Kind::Direct } else { Kind::Group };
        if let Some(found) = self.channels.iter().find(|c| c.kind == kind && c.members == members) {
            return (found.id.clone(), true);
        }
        let id = self.id(if kind == Kind::Direct { "D" } else { "G" });
        let names: Vec<_> = members.iter().filter_map(|id| Some(self.user(id)?.name.clone())).collect();
        self.channels.push(Channel {
            id: id.clone(),
            name: format!("mpdm-{}-1", names.join("--")),
            kind,
            created: now.as_second(),
            archived: false,
            members,
            messages: BTreeMap::new(),
        });
        (id, false)
    }
}

/// One page of a list: the items, and the cursor of the next page, empty at the end.
pub(super) fn page<T: Clone>(
    items: &[T],
    args: &super::Args,
    usual: usize,
    most: usize,
) -> Result<(Vec<T>, String), Refused> {
    let limit = match args.text("limit") {
        None => usual,
        Some(text) => match text.parse::<usize>() {
            Ok(0) => usual,
            Ok(limit) if limit <= most => limit,
            _ => return Err(Refused::code("invalid_limit")),
        },
    };
    let from = match args.text("cursor") {
        None => 0,
        Some(cursor) => read_cursor(&cursor)
            .filter(|at| *at <= items.len())
            .ok_or_else(|| Refused::code("invalid_cursor"))?,
    };
    let end = (from + limit).min(items.len());
    let next = if end < items.len() { BASE64.encode(format!("next:{end}")) } else { String::new() };
    Ok((items[from..end].to_vec(), next))
}

fn read_cursor(cursor: &str) -> Option<usize> {
    String::from_utf8(BASE64.decode(cursor).ok()?).ok()?.strip_prefix("next:")?.parse().ok()
}

pub(super) fn with_cursor(mut value: Value, next: &str) -> Value {
    value["response_metadata"] = json!({ "next_cursor": next });
    value
}
