//! Messages.

use super::state::{APP, BOT, BOT_USER, Channel, Kind, State, TEAM};
use super::{Answer, Args, Refused, Request, unmodelled};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Longer texts are cut.
const LONGEST_TEXT: usize = 40_000;
/// An update refuses longer texts.
const LONGEST_UPDATE: usize = 4_000;
const MOST_BLOCKS: usize = 50;
const MOST_ATTACHMENTS: usize = 100;
const BLOCKS: [&str; 12] = [
    "actions",
    "context",
    "divider",
    "file",
    "header",
    "image",
    "input",
    "markdown",
    "rich_text",
    "section",
    "table",
    "video",
];

/// What a message says: fields of its JSON.
struct Content {
    text: String,
    blocks: Option<Value>,
    attachments: Option<Value>,
    metadata: Option<Value>,
}

fn content(args: &Args) -> Result<Content, Refused> {
    if args.text("markdown_text").is_some() {
        return Err(unmodelled("`markdown_text`"));
    }
    let blocks = args.json("blocks").map_err(|_| Refused::code("invalid_blocks_format"))?;
    if let Some(blocks) = &blocks {
        check_blocks(blocks)?;
    }
    let attachments = args.json("attachments").map_err(|_| Refused::code("invalid_attachments"))?;
    if let Some(attachments) = &attachments {
        let items = attachments.as_array().ok_or_else(|| Refused::code("invalid_attachments"))?;
        if items.len() > MOST_ATTACHMENTS {
            return Err(Refused::code("too_many_attachments"));
        }
    }
    let metadata = args.json("metadata").map_err(|_| Refused::code("invalid_metadata_format"))?;
    if let Some(metadata) = &metadata
        && !(metadata["event_type"].is_string() && metadata["event_payload"].is_object())
    {
        return Err(Refused::code("invalid_metadata_format"));
    }
    let text = args.text("text").unwrap_or_default();
    let empty = |list: &Option<Value>| list.as_ref().and_then(Value::as_array).is_none_or(Vec::is_empty);
    if text.is_empty() && empty(&blocks) && empty(&attachments) {
        return Err(Refused::code("no_text"));
    }
    Ok(Content { text, blocks, attachments, metadata })
}

fn check_blocks(blocks: &Value) -> Result<(), Refused> {
    let bad = |message: &str, pointer: &str| {
        let message = format!("{message} [json-pointer:{pointer}]");
        Refused(json!({
            "ok": false, "error": "invalid_blocks", "errors": [message],
            "response_metadata": { "messages": [format!("[ERROR] {message}")] }
        }))
    };
    let items = blocks.as_array().ok_or_else(|| Refused::code("invalid_blocks_format"))?;
    if items.len() > MOST_BLOCKS {
        return Err(bad("no more than 50 items allowed", "/blocks"));
    }
    let mut ids = BTreeSet::new();
    for (at, block) in items.iter().enumerate() {
        let kind = block["type"]
            .as_str()
            .ok_or_else(|| bad("missing required field: type", &format!("/blocks/{at}")))?;
        if !BLOCKS.contains(&kind) {
            return Err(bad(&format!("unsupported type: {kind}"), &format!("/blocks/{at}/type")));
        }
        if let Some(id) = block["block_id"].as_str()
            && (id.chars().count() > 255 || !ids.insert(id))
        {
            return Err(bad("invalid block_id", &format!("/blocks/{at}/block_id")));
        }
        let most = match kind {
            "section" => 3_000,
            "header" => 150,
            _ => continue,
        };
        let text = block["text"]["text"].as_str();
        if text.is_none() && (kind == "header" || block.get("fields").is_none()) {
            return Err(bad("missing required field: text", &format!("/blocks/{at}")));
        }
        if text.is_some_and(|text| text.chars().count() > most) {
            return Err(bad(
                &format!("must be less than {} characters", most + 1),
                &format!("/blocks/{at}/text/text"),
            ));
        }
    }
    Ok(())
}

/// The channel that is meant: by id, by name, or a person.
fn target(request: &mut Request<'_>) -> Result<String, Refused> {
    let wanted = request.args.needed("channel")?;
    if request.state.user(&wanted).is_some() {
        let members = BTreeSet::from([wanted, BOT_USER.to_owned()]);
        return Ok(request.state.conversation(members, request.now).0);
    }
    let name = wanted.trim_start_matches('#');
    if let Some(channel) = request.state.channels.iter().find(|channel| channel.name == name) {
        return Ok(channel.id.clone());
    }
    Ok(wanted)
}

/// The channel, if this caller may write there.
fn writable<'a>(state: &'a mut State, id: &str, without_joining: bool) -> Result<&'a mut Channel, Refused> {
    let channel = state.channel(id)?;
    if channel.archived {
        return Err(Refused::code("is_archived"));
    }
    let open = without_joining && channel.kind == Kind::Public;
    if !channel.has(BOT_USER) && !open {
        return Err(Refused::code("not_in_channel"));
    }
    Ok(channel)
}

fn message(content: &Content, ts: &str, now: i64) -> Value {
    let mut value = json!({
        "type": "message", "text": content.text.chars().take(LONGEST_TEXT).collect::<String>(), "user": BOT_USER,
        "bot_id": BOT, "app_id": APP, "team": TEAM, "ts": ts,
        "bot_profile": { "id": BOT, "deleted": false, "name": "Patchbay", "updated": now, "app_id": APP, "team_id": TEAM }
    });
    for (name, part) in
        [("blocks", &content.blocks), ("attachments", &content.attachments), ("metadata", &content.metadata)]
    {
        if let Some(part) = part {
            value[name] = part.clone();
        }
    }
    value
}

pub(super) fn post(mut request: Request<'_>) -> Answer {
    request.caller.needs("chat:write")?;
    let id = target(&mut request)?;
    let anywhere = request.caller.has("chat:write.public");
    writable(request.state, &id, anywhere)?;
    let content = content(request.args)?;
    let thread = request.args.text("thread_ts");
    if let Some(thread) = &thread
        && !request.state.channel(&id)?.messages.contains_key(thread)
    {
        return Err(unmodelled("a `thread_ts` that names no message"));
    }
    let ts = request.state.ts(request.now);
    let mut message = message(&content, &ts, request.now.as_second());
    let channel = request.state.channel(&id)?;
    if let Some(thread) = thread {
        message["thread_ts"] = json!(thread);
        if let Some(parent) = channel.messages.get_mut(&thread) {
            parent["thread_ts"] = json!(thread);
            parent["reply_count"] = json!(parent["reply_count"].as_u64().unwrap_or(0) + 1);
            parent["latest_reply"] = json!(ts);
        }
    }
    channel.messages.insert(ts.clone(), message.clone());
    Ok(json!({ "channel": id, "ts": ts, "message": message }))
}

pub(super) fn post_ephemeral(mut request: Request<'_>) -> Answer {
    request.caller.needs("chat:write")?;
    let user = request.args.needed("user")?;
    let id = target(&mut request)?;
    let channel = writable(request.state, &id, false)?;
    if !channel.has(&user) {
        return Err(Refused::code("user_not_in_channel"));
    }
    content(request.args)?;
    // Shown once to one person, and nowhere to be read again.
    Ok(json!({ "message_ts": request.state.ts(request.now) }))
}

pub(super) fn update(request: Request<'_>) -> Answer {
    request.caller.needs("chat:write")?;
    let id = request.args.needed("channel")?;
    let ts = request.args.needed("ts")?;
    let content = content(request.args)?;
    if content.text.chars().count() > LONGEST_UPDATE {
        return Err(Refused::code("msg_too_long"));
    }
    let now = request.now.as_second();
    let channel = request.state.channel(&id)?;
    let old = channel.messages.get_mut(&ts).ok_or_else(|| Refused::code("message_not_found"))?;
    if old["user"] != BOT_USER {
        return Err(Refused::code("cant_update_message"));
    }
    let mut new = message(&content, &ts, now);
    for kept in ["thread_ts", "reply_count", "latest_reply", "reactions"] {
        if let Some(value) = old.get(kept) {
            new[kept] = value.clone();
        }
    }
    new["edited"] = json!({ "user": BOT_USER, "ts": format!("{now}.000000") });
    *old = new.clone();
    Ok(json!({ "channel": id, "ts": ts, "text": content.text, "message": new }))
}

pub(super) fn delete(request: Request<'_>) -> Answer {
    request.caller.needs("chat:write")?;
    let id = request.args.needed("channel")?;
    let ts = request.args.needed("ts")?;
    let channel = request.state.channel(&id)?;
    let message = channel.messages.get(&ts).ok_or_else(|| Refused::code("message_not_found"))?;
    if message["user"] != BOT_USER {
        return Err(Refused::code("cant_delete_message"));
    }
    channel.messages.remove(&ts);
    Ok(json!({ "channel": id, "ts": ts }))
}

pub(super) fn react(request: Request<'_>) -> Answer {
    request.caller.needs("reactions:write")?;
    let name = request.args.needed("name")?;
    let id = request.args.needed("channel")?;
    let ts = request.args.text("timestamp").ok_or_else(|| Refused::code("no_item_specified"))?;
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-+':".contains(c))
        || name.starts_with(':')
    {
        return Err(Refused::code("invalid_name"));
    }
    if !ts.split_once('.').is_some_and(|(whole, part)| whole.parse::<u64>().is_ok() && part.len() == 6) {
        return Err(Refused::code("bad_timestamp"));
    }
    let channel = request.state.channel(&id)?;
    if channel.archived {
        return Err(Refused::code("is_archived"));
    }
    let message = channel.messages.get_mut(&ts).ok_or_else(|| Refused::code("message_not_found"))?;
    let mut reactions = message["reactions"].as_array().cloned().unwrap_or_default();
    if reactions.iter().any(|reaction| reaction["name"] == name.as_str()) {
        return Err(Refused::code("already_reacted"));
    }
    reactions.push(json!({ "name": name, "users": [BOT_USER], "count": 1 }));
    message["reactions"] = json!(reactions);
    Ok(json!({}))
}
