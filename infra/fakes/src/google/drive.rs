//! Drive: files that are spreadsheets, and how one learns that they changed.

use super::channels::Channel;
use super::refusal::Refusal;
use super::spreadsheets::body;
use super::state::{Spreadsheet, State};
use crate::call::Call;
use crate::desk::Desk;
use crate::moment::moment;
use crate::path::segments;
use crate::rate::Rule;
use serde_json::{Value, json};

const SHEET: &str = "application/vnd.google-apps.spreadsheet";
const SCOPES: [&str; 4] = ["drive", "drive.readonly", "drive.file", "drive.metadata.readonly"];

pub(super) fn answer(state: &mut State, desk: &Desk, call: &Call) -> Result<Option<Value>, Refusal> {
    let caller = state.caller(call)?;
    caller.needs(&SCOPES)?;
    // Drive counts queries in all, many more than Sheets.
    desk.take(&format!("Drive {}", caller.email), Rule::per_minute(12_000))
        .map_err(|_| Refusal::quota("Queries", " per user"))?;
    let path = segments(&call.path);
    let path: Vec<&str> = path.iter().skip(2).map(String::as_str).collect();
    let seen = |state: &State, id: &str| {
        state.spreadsheets.iter().any(|file| file.id == id && file.is_open_to(&caller.email, false))
    };
    Ok(Some(match (call.method.as_str(), path.as_slice()) {
        ("GET", ["files"]) => {
            let files = state.spreadsheets.iter().filter(|file| file.is_open_to(&caller.email, false));
            let query = call.query_value("q").unwrap_or_default();
            let mut found = Vec::new();
            for file in files {
                if matches(file, &query)? {
                    found.push(described(file));
                }
            }
            paged(found, "drive#fileList", "files", call)?
        }
        ("GET", ["files", id]) => {
            let file = state.spreadsheets.iter().find(|file| file.id == *id).filter(|_| seen(state, id));
            described(file.ok_or_else(|| Refusal::no_file(id))?)
        }
        ("POST", ["files", id, "watch"]) => {
            if !seen(state, id) {
                return Err(Refusal::no_file(id));
            }
            open(state, desk, call, Some(id))?
        }
        ("GET", ["changes", "startPageToken"]) => {
            json!({"kind": "drive#startPageToken", "startPageToken": (state.changes.len() + 1).to_string()})
        }
        ("GET", ["changes"]) => changes(state, call, &caller.email)?,
        ("POST", ["changes", "watch"]) => {
            cursor(state, call)?;
            open(state, desk, call, None)?
        }
        ("POST", ["channels", "stop"]) => {
            let body = body(call)?;
            let (id, resource) = (body.get("id"), body.get("resourceId"));
            let is_it = |c: &Channel| id == Some(&json!(c.id)) && resource == Some(&json!(c.resource));
            let at = state.channels.iter().position(is_it);
            state.channels.remove(at.ok_or_else(Refusal::not_found)?);
            json!({})
        }
        _ => return Ok(None),
    }))
}

fn described(file: &Spreadsheet) -> Value {
    json!({"kind": "drive#file", "id": file.id, "name": file.title, "mimeType": SHEET})
}

/// The conditions that are modelled, joined by `and`.
fn matches(file: &Spreadsheet, query: &str) -> Result<bool, Refusal> {
    for condition in query.split(" and ").map(str::trim).filter(|condition| !condition.is_empty()) {
        let value = |rest: &str| -> Result<String, Refusal> {
            let quoted = rest.trim().strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            Ok(quoted.ok_or_else(|| Refusal::argument("Invalid Value"))?.replace("\\'", "'"))
        };
        let words: Vec<&str> = condition.splitn(2, ['=', ' ']).map(str::trim).collect();
        let rest = words.get(1).map_or("", |rest| rest.trim_start_matches('=').trim());
        let holds = match (words[0], rest) {
            ("mimeType", rest) => value(rest)? == SHEET,
            ("trashed", "false") => true,
            ("trashed", "true") => false,
            ("name", rest) => match rest.strip_prefix("contains") {
                // Of names the beginnings of words are searched.
                Some(part) => {
                    let part = value(part)?.to_lowercase();
                    file.title.to_lowercase().split_whitespace().any(|word| word.starts_with(&part))
                }
                None => value(rest)? == file.title,
            },
            _ => return Err(Refusal::not_modelled(format_args!("the condition `{condition}`"))),
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn page_size(call: &Call) -> Result<usize, Refusal> {
    match call.query_value("pageSize") {
        None => Ok(100),
        Some(text) => {
            let size = text.parse().ok().filter(|size| (1..=1_000).contains(size));
            size.ok_or_else(|| Refusal::argument("Invalid value for: pageSize"))
        }
    }
}

fn paged(found: Vec<Value>, kind: &str, name: &str, call: &Call) -> Result<Value, Refusal> {
    let size = page_size(call)?;
    let from: usize = match call.query_value("pageToken") {
        None => 0,
        Some(token) => {
            let at = token.strip_prefix("~!!~").and_then(|at| at.parse().ok());
            at.ok_or_else(|| Refusal::argument("Invalid Value"))?
        }
    };
    let mut page = json!({"kind": kind, "incompleteSearch": false});
    page[name] = found.iter().skip(from).take(size).cloned().collect();
    if found.len() > from + size {
        page["nextPageToken"] = json!(format!("~!!~{}", from + size));
    }
    Ok(page)
}

/// The number of the first change that is asked for, counted from one.
fn cursor(state: &State, call: &Call) -> Result<usize, Refusal> {
    let token =
        call.query_value("pageToken").ok_or_else(|| Refusal::argument("Required parameter: pageToken"))?;
    let at = token.parse().ok().filter(|at| (1..=state.changes.len() + 1).contains(at));
    at.ok_or_else(|| Refusal::argument("Invalid Value"))
}

fn changes(state: &State, call: &Call, email: &str) -> Result<Value, Refusal> {
    let from = cursor(state, call)? - 1;
    let size = page_size(call)?;
    let to = state.changes.len().min(from + size);
    let list = state.changes[from..to].iter().filter_map(|(at, id)| {
        let file = state.spreadsheets.iter().find(|file| file.id == *id && file.is_open_to(email, false))?;
        Some(json!({
            "kind": "drive#change", "changeType": "file", "fileId": id, "removed": false, "time": moment(*at),
            "file": described(file),
        }))
    });
    let mut answer = json!({"kind": "drive#changeList", "changes": list.collect::<Vec<_>>()});
    let next = (to + 1).to_string();
    answer[if to < state.changes.len() { "nextPageToken" } else { "newStartPageToken" }] = json!(next);
    Ok(answer)
}

fn open(state: &mut State, desk: &Desk, call: &Call, file: Option<&str>) -> Result<Value, Refusal> {
    let uri = match file {
        Some(id) => format!("{}/drive/v3/files/{id}?alt=json", desk.url),
        None => format!("{}/drive/v3/changes?alt=json", desk.url),
    };
    let resource = state.drawn.text("", 27);
    let mut channel = Channel::open(&body(call)?, file, resource, uri, call.now)?;
    if state.channels.iter().any(|other| other.id == channel.id) {
        return Err(Refusal::argument(format!("Channel id {} not unique", channel.id)));
    }
    let answer = channel.answer();
    state.pings.push(channel.ping("sync"));
    state.channels.push(channel);
    Ok(answer)
}
