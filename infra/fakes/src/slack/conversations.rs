//! Channels and conversations.

use super::args::missing;
use super::state::{BOT_USER, Channel, Kind, page, with_cursor};
use super::{Answer, Refused, Request};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn list(request: Request<'_>) -> Answer {
    let mut kinds = Vec::new();
    for name in request.args.names("types") {
        kinds.push(Kind::named(&name).ok_or_else(|| Refused::code("invalid_types"))?);
    }
    if kinds.is_empty() {
        kinds.push(Kind::Public);
    }
    for kind in &kinds {
        request.caller.needs(&kind.scope("read"))?;
    }
    let without_archived = request.args.flag("exclude_archived");
    let all: Vec<_> = request
        .state
        .channels
        .iter()
        .filter(|channel| kinds.contains(&channel.kind))
        .filter(|channel| channel.kind == Kind::Public || channel.has(BOT_USER))
        .filter(|channel| !(without_archived && channel.archived))
        .map(Channel::json)
        .collect();
    let (channels, next) = page(&all, request.args, 100, 1_000)?;
    Ok(with_cursor(json!({ "channels": channels }), &next))
}

/// Messages between two times, newest first.
fn between<'a>(
    request: &Request<'_>,
    messages: impl Iterator<Item = &'a Value>,
) -> Result<Vec<Value>, Refused> {
    let bound = |name: &str| match request.args.text(name) {
        None => Ok(None),
        Some(text) => text.parse::<f64>().map(Some).map_err(|_| Refused::code(&format!("invalid_ts_{name}"))),
    };
    let (oldest, latest) = (bound("oldest")?, bound("latest")?);
    let inclusive = request.args.flag("inclusive");
    let within = |message: &&Value| {
        let ts: f64 = message["ts"].as_str().and_then(|ts| ts.parse().ok()).unwrap_or_default();
        oldest.is_none_or(|oldest| ts > oldest || (inclusive && ts >= oldest))
            && latest.is_none_or(|latest| ts < latest || (inclusive && ts <= latest))
    };
    Ok(messages.filter(within).cloned().collect())
}

pub(super) fn history(request: Request<'_>) -> Answer {
    let id = request.args.needed("channel")?;
    let channel = request.state.channel(&id)?;
    request.caller.needs(&channel.kind.scope("history"))?;
    if !channel.has(BOT_USER) {
        return Err(Refused::code("not_in_channel"));
    }
    // What is in a thread only is not in the history.
    let own = |message: &&Value| message.get("thread_ts").is_none_or(|thread| *thread == message["ts"]);
    let messages: Vec<_> = channel.messages.values().rev().cloned().collect();
    let all = between(&request, messages.iter().filter(own))?;
    let (messages, next) = page(&all, request.args, 100, 999)?;
    let more = !next.is_empty();
    let mut value = json!({ "messages": messages, "has_more": more, "pin_count": 0 });
    if more {
        value["response_metadata"] = json!({ "next_cursor": next });
    }
    Ok(value)
}

pub(super) fn replies(request: Request<'_>) -> Answer {
    let id = request.args.needed("channel")?;
    let ts = request.args.needed("ts")?;
    let channel = request.state.channel(&id)?;
    request.caller.needs(&channel.kind.scope("history"))?;
    if !channel.messages.contains_key(&ts) {
        return Err(Refused::code("thread_not_found"));
    }
    let thread: Vec<_> = channel
        .messages
        .values()
        .filter(|message| message["ts"] == ts.as_str() || message["thread_ts"] == ts.as_str())
        .cloned()
        .collect();
    let all = between(&request, thread.iter())?;
    let (messages, next) = page(&all, request.args, 1_000, 1_000)?;
    let more = !next.is_empty();
    Ok(with_cursor(json!({ "messages": messages, "has_more": more }), &next))
}

pub(super) fn create(request: Request<'_>) -> Answer {
    let private = request.args.flag("is_private");
    let kind = if private { Kind::Private } else { Kind::Public };
    request.caller.needs(if private { "groups:write" } else { "channels:manage" })?;
    let name = request.args.text("name").ok_or_else(|| Refused::code("invalid_name_required"))?;
    if name.chars().count() > 80 {
        return Err(Refused::code("invalid_name_maxlength"));
    }
    if name.chars().all(|c| c == '-' || c == '_') {
        return Err(Refused::code("invalid_name_punctuation"));
    }
    if !name.chars().all(|c| (c.is_alphanumeric() && !c.is_uppercase()) || c == '-' || c == '_') {
        return Err(Refused::code("invalid_name_specials"));
    }
    if request.state.channels.iter().any(|channel| channel.name == name) {
        return Err(Refused::code("name_taken"));
    }
    let id = request.state.id("C");
    let channel = Channel {
        id,
        name,
        kind,
        created: request.now.as_second(),
        archived: false,
        members: BTreeSet::from([BOT_USER.to_owned()]),
        messages: BTreeMap::new(),
    };
    let value = json!({ "channel": channel.json() });
    request.state.channels.push(channel);
    Ok(value)
}

pub(super) fn info(request: Request<'_>) -> Answer {
    let id = request.args.needed("channel")?;
    let channel = request.state.channel(&id)?;
    request.caller.needs(&channel.kind.scope("read"))?;
    let mut value = channel.json();
    if !request.args.flag("include_num_members")
        && let Some(map) = value.as_object_mut()
    {
        map.shift_remove("num_members");
    }
    Ok(json!({ "channel": value }))
}

pub(super) fn open(request: Request<'_>) -> Answer {
    if let Some(id) = request.args.text("channel") {
        let channel = request.state.channel(&id)?;
        request.caller.needs(&channel.kind.scope("write"))?;
        if !matches!(channel.kind, Kind::Direct | Kind::Group) {
            return Err(Refused::code("method_not_supported_for_channel_type"));
        }
        return Ok(json!({ "no_op": true, "already_open": true, "channel": { "id": channel.id } }));
    }
    let users = request.args.names("users");
    if users.is_empty() {
        return Err(Refused::code("users_list_not_supplied"));
    }
    if users.len() > 8 {
        return Err(Refused::code("too_many_users"));
    }
    request.caller.needs(if users.len() == 1 { "im:write" } else { "mpim:write" })?;
    for id in &users {
        match request.state.user(id) {
            None => return Err(Refused::code("user_not_found")),
            Some(user) if user.deleted => return Err(Refused::code("user_disabled")),
            Some(_) => {}
        }
    }
    let mut members: BTreeSet<String> = users.into_iter().collect();
    members.insert(BOT_USER.to_owned());
    if members.len() < 2 {
        return Err(Refused::code("not_enough_users"));
    }
    let (id, already) = request.state.conversation(members, request.now);
    let whole = request.args.flag("return_im");
    let channel = request.state.channel(&id)?;
    let channel = if whole { channel.json() } else { json!({ "id": id }) };
    let mut value = json!({ "channel": channel });
    if already {
        value["no_op"] = true.into();
        value["already_open"] = true.into();
    }
    Ok(value)
}

pub(super) fn join(request: Request<'_>) -> Answer {
    request.caller.needs("channels:join")?;
    let id = request.args.needed("channel")?;
    let channel = request.state.channel(&id)?;
    if channel.kind != Kind::Public {
        return Err(Refused::code("method_not_supported_for_channel_type"));
    }
    if channel.archived {
        return Err(Refused::code("is_archived"));
    }
    let joined = channel.members.insert(BOT_USER.to_owned());
    let mut value = json!({ "channel": channel.json() });
    if !joined {
        value["warning"] = json!("already_in_channel");
        value["response_metadata"] = json!({ "warnings": ["already_in_channel"] });
    }
    Ok(value)
}

pub(super) fn invite(request: Request<'_>) -> Answer {
    let id = request.args.needed("channel")?;
    let users = request.args.names("users");
    let known: BTreeSet<String> = request.state.users.iter().map(|user| user.id.clone()).collect();
    let channel = request.state.channel(&id)?;
    request.caller.needs(if channel.kind == Kind::Private { "groups:write" } else { "channels:manage" })?;
    if !matches!(channel.kind, Kind::Public | Kind::Private) {
        return Err(Refused::code("method_not_supported_for_channel_type"));
    }
    if channel.archived {
        return Err(Refused::code("is_archived"));
    }
    if !channel.has(BOT_USER) {
        return Err(Refused::code("not_in_channel"));
    }
    if users.is_empty() {
        return Err(Refused::code("no_user"));
    }
    let mut errors = Vec::new();
    for user in &users {
        let error = if user == BOT_USER {
            "cant_invite_self"
        } else if !known.contains(user) {
            "user_not_found"
        } else if channel.has(user) {
            "already_in_channel"
        } else {
            continue;
        };
        errors.push(json!({ "user": user, "ok": false, "error": error }));
    }
    if let Some(first) = errors.first() {
        return Err(Refused(json!({ "ok": false, "error": first["error"], "errors": errors })));
    }
    channel.members.extend(users);
    Ok(json!({ "channel": channel.json() }))
}

pub(super) fn members(request: Request<'_>) -> Answer {
    let id = request.args.text("channel").ok_or_else(|| missing("channel"))?;
    let channel = request.state.channel(&id)?;
    request.caller.needs(&channel.kind.scope("read"))?;
    let all: Vec<_> = channel.members.iter().cloned().collect();
    let (members, next) = page(&all, request.args, 100, 1_000)?;
    Ok(with_cursor(json!({ "members": members }), &next))
}
