//! Notion's API as of version 2025-09-03: users, search, pages, databases and their data sources, blocks.

mod blocks;
mod query;
mod values;

use self::blocks::{append, block, children};
use self::values::{rich, rich_texts, shown};
use crate::call::Call;
use crate::desk::Desk;
use crate::rate::{Rule, whole_seconds};
use crate::reply;
use crate::vendor::Vendor;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const TOKEN: &str = "ntn_fake_all";
const VERSION: &str = "2025-09-03";
const OLD_VERSIONS: [&str; 3] = ["2022-06-28", "2022-02-22", "2026-03-11"];
const DATABASE: &str = "11111111-1111-4111-8111-111111111111";
const SOURCE: &str = "22222222-2222-4222-8222-222222222222";
const ROOT_PAGE: &str = "33333333-3333-4333-8333-333333333333";
const BOT: &str = "44444444-4444-4444-8444-444444444444";
const PEOPLE: [(&str, &str); 3] = [
    ("55555555-5555-4555-8555-555555555501", "Ada"),
    ("55555555-5555-4555-8555-555555555502", "Grace"),
    ("55555555-5555-4555-8555-555555555503", "Alan"),
];
/// Three a second on average: so many may come at once.
const RATE: Rule =
    Rule { calls: 30, per: std::time::Duration::from_secs(10), penalty: std::time::Duration::ZERO };
const LONGEST_TEXT: usize = 2_000;
const LONGEST_ARRAY: usize = 100;

#[derive(Debug)]
pub(crate) struct Notion {
    desk: Arc<Desk>,
    state: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    made: u64,
    /// In the order in which they were made.
    pages: Vec<Value>,
    /// Children of pages and blocks.
    children: BTreeMap<String, Vec<Value>>,
    schema: Value,
}

type Answer = Result<Value, Response>;

impl Kept {
    fn seeded() -> Self {
        let property = |id: &str, name: &str, kind: &str, options: Value| {
            (name.to_owned(), json!({ "id": id, "name": name, "type": kind, kind: options }))
        };
        let option = |name: &str| json!({ "id": format!("opt-{name}"), "name": name, "color": "default" });
        let schema: Map<String, Value> = [
            property("title", "Name", "title", json!({})),
            property("stat", "Status", "select", json!({ "options": [option("Open"), option("Done")] })),
            property("numb", "Points", "number", json!({ "format": "number" })),
            property("done", "Checked", "checkbox", json!({})),
            property("date", "Due", "date", json!({})),
            property("note", "Notes", "rich_text", json!({})),
            property("tags", "Tags", "multi_select", json!({ "options": [option("red"), option("blue")] })),
            property("link", "Link", "url", json!({})),
        ]
        .into_iter()
        .collect();
        let mut kept = Self { made: 0, pages: Vec::new(), children: BTreeMap::new(), schema: schema.into() };
        let root = json!({ "title": { "id": "title", "type": "title", "title": rich("Fake pages") } });
        kept.pages.push(page(
            ROOT_PAGE,
            &json!({ "type": "workspace", "workspace": true }),
            root,
            "2026-01-01T00:00:00.000Z",
        ));
        for number in 1..=5 {
            let id = kept.id();
            let given = json!({
                "Name": { "title": [{ "text": { "content": format!("Task {number}") } }] },
                "Status": { "select": { "name": if number % 2 == 0 { "Done" } else { "Open" } } },
                "Points": { "number": number }, "Checked": { "checkbox": number > 3 }
            });
            let properties = kept.properties(&given, Value::Null).unwrap_or_default();
            let parent =
                json!({ "type": "data_source_id", "data_source_id": SOURCE, "database_id": DATABASE });
            kept.pages.push(page(&id, &parent, properties, &format!("2026-01-0{number}T00:00:00.000Z")));
        }
        kept
    }

    fn id(&mut self) -> String {
        self.made += 1;
        format!("66666666-6666-4666-8666-{:012x}", self.made)
    }

    /// Given properties as a page shows them, over what it had; all of the schema are there.
    fn properties(&self, given: &Value, before: Value) -> Answer {
        let mut all = before.as_object().cloned().unwrap_or_default();
        let schema = self.schema.as_object().into_iter().flatten();
        for (name, property) in schema {
            let kind = property["type"].as_str().unwrap_or_default();
            let empty = match kind {
                "title" | "rich_text" | "multi_select" => json!([]),
                "checkbox" => json!(false),
                _ => Value::Null,
            };
            if !all.contains_key(name) {
                all.insert(name.clone(), json!({ "id": property["id"], "type": kind, kind: empty }));
            }
        }
        for (name, value) in given.as_object().into_iter().flatten() {
            let found = self
                .schema
                .as_object()
                .into_iter()
                .flatten()
                .find(|(own, property)| *own == name || property["id"] == name.as_str());
            let Some((own, property)) = found else {
                return Err(invalid(&format!("{name} is not a property that exists.")));
            };
            let kind = property["type"].as_str().unwrap_or_default();
            let Some(new) = value.get(kind) else {
                return Err(invalid(&format!("{own} is expected to be {kind}.")));
            };
            let new = shown(own, kind, new)?;
            all.insert(own.clone(), json!({ "id": property["id"], "type": kind, kind: new }));
        }
        Ok(all.into())
    }

    fn page(&mut self, id: &str) -> Result<&mut Value, Response> {
        self.pages.iter_mut().find(|page| page["id"] == id).ok_or_else(|| not_found("page", id))
    }

    fn database() -> Value {
        json!({
            "object": "database", "id": DATABASE, "title": rich("Tasks"), "description": [], "is_inline": false, "in_trash": false,
            "archived": false, "is_locked": false, "created_time": "2026-01-01T00:00:00.000Z", "last_edited_time": "2026-01-01T00:00:00.000Z",
            "icon": null, "cover": null, "parent": { "type": "page_id", "page_id": ROOT_PAGE }, "url": format!("https://www.notion.so/{}", DATABASE.replace('-', "")),
            "public_url": null, "data_sources": [{ "id": SOURCE, "name": "Tasks" }]
        })
    }

    fn source(&self) -> Value {
        json!({
            "object": "data_source", "id": SOURCE, "title": rich("Tasks"), "description": [], "in_trash": false, "archived": false,
            "created_time": "2026-01-01T00:00:00.000Z", "last_edited_time": "2026-01-01T00:00:00.000Z", "icon": null, "is_inline": false,
            "parent": { "type": "database_id", "database_id": DATABASE }, "database_parent": { "type": "page_id", "page_id": ROOT_PAGE },
            "url": format!("https://www.notion.so/{}", SOURCE.replace('-', "")), "public_url": null, "properties": self.schema
        })
    }
}

fn person(id: &str, name: &str) -> Value {
    json!({ "object": "user", "id": id, "type": "person", "name": name, "avatar_url": null, "person": { "email": format!("{}@example.com", name.to_lowercase()) } })
}

fn bot() -> Value {
    json!({
        "object": "user", "id": BOT, "type": "bot", "name": "Patchbay", "avatar_url": null,
        "bot": { "owner": { "type": "workspace", "workspace": true }, "workspace_name": "Fake Workspace", "workspace_id": "77777777-7777-4777-8777-777777777777" }
    })
}

fn users() -> Vec<Value> {
    PEOPLE.iter().map(|(id, name)| person(id, name)).chain([bot()]).collect()
}

fn page(id: &str, parent: &Value, properties: Value, at: &str) -> Value {
    let by = json!({ "object": "user", "id": BOT });
    json!({
        "object": "page", "id": id, "created_time": at, "last_edited_time": at, "created_by": by, "last_edited_by": by,
        "cover": null, "icon": null, "parent": parent, "archived": false, "in_trash": false, "is_locked": false, "properties": properties,
        "url": format!("https://www.notion.so/{}", id.replace('-', "")), "public_url": null
    })
}

fn refused(status: u16, code: &str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let id = uuid::Uuid::new_v4().to_string();
    reply::json(
        status,
        &json!({ "object": "error", "status": status.as_u16(), "code": code, "message": message, "request_id": id }),
    )
}

fn invalid(message: &str) -> Response {
    refused(400, "validation_error", message)
}

fn not_found(kind: &str, id: &str) -> Response {
    refused(
        404,
        "object_not_found",
        &format!(
            "Could not find {kind} with ID: {id}. Make sure the relevant pages and databases are shared with your integration."
        ),
    )
}

fn unmodelled(call: &Call, what: &str) -> Response {
    reply::not_modelled("notion", call.method.as_str(), &call.path, Some(what))
}

/// An id in its long form, whichever was given.
fn id(given: &str) -> Result<String, Response> {
    let plain = given.replace('-', "").to_lowercase();
    if plain.len() != 32 || !plain.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(invalid(&format!(
            "path failed validation: path.id should be a valid uuid, instead was `\"{given}\"`."
        )));
    }
    Ok([&plain[..8], &plain[8..12], &plain[12..16], &plain[16..20], &plain[20..]].join("-"))
}

/// One page of a list; size and cursor are in the body or in the query.
fn list(kind: &str, items: &[Value], asked: &Value) -> Answer {
    let size = match &asked["page_size"] {
        Value::Null => 100,
        Value::String(text) => text.parse().unwrap_or(0),
        size => size.as_u64().unwrap_or(0),
    };
    if !(1..=100).contains(&size) {
        return Err(invalid(&format!(
            "body failed validation: body.page_size should be between `1` and `100`, instead was `{size}`."
        )));
    }
    let from = match &asked["start_cursor"] {
        Value::Null => 0,
        cursor => {
            let at = cursor
                .as_str()
                .and_then(|cursor| id(cursor).ok())
                .and_then(|cursor| items.iter().position(|item| item["id"] == cursor.as_str()));
            at.ok_or_else(|| invalid("The start_cursor provided is invalid."))?
        }
    };
    let end = (from + size as usize).min(items.len());
    let next = items.get(end).map(|item| item["id"].clone());
    Ok(
        json!({ "object": "list", "results": items[from..end], "next_cursor": next, "has_more": end < items.len(), "type": kind, kind: {} }),
    )
}

impl Notion {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, state: Mutex::new(Kept::seeded()) }
    }

    fn state(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers whoever has a token and names a version.
    fn enter(&self, call: &Call, work: impl FnOnce(&mut Kept, &Value) -> Answer) -> Response {
        if call.bearer() != Some(TOKEN) {
            return refused(401, "unauthorized", "API token is invalid.");
        }
        match call.header("notion-version") {
            None => {
                return refused(
                    400,
                    "missing_version",
                    "Notion-Version header failed validation: Notion-Version header should be defined, instead was `undefined`.",
                );
            }
            Some(VERSION) => {}
            Some(other) if OLD_VERSIONS.contains(&other) => {
                return unmodelled(call, &format!("version {other}"));
            }
            Some(other) => {
                return invalid(&format!(
                    "Notion-Version header failed validation: `{other}` is no version."
                ));
            }
        }
        if let Some(fault) = call.fault.as_deref() {
            return match fault {
                "restricted_resource" => refused(403, fault, "Insufficient permissions for this endpoint."),
                _ => refused(409, "conflict_error", "Conflict occurred while saving. Please try again."),
            };
        }
        if let Err(wait) = self.desk.take("requests", RATE) {
            return reply::with_header(limited(), "retry-after", whole_seconds(wait));
        }
        let body = if matches!(call.method.as_str(), "GET" | "DELETE") || call.body.is_empty() {
            call.query_pairs().into_iter().map(|(name, value)| (name, json!(value))).collect()
        } else {
            match call.json() {
                Ok(body @ Value::Object(_)) => body,
                _ => return refused(400, "invalid_json", "Error parsing JSON body."),
            }
        };
        work(&mut self.state(), &body)
            .map_or_else(|refusal| refusal, |value| reply::json(StatusCode::OK, &value))
    }
}

fn limited() -> Response {
    refused(429, "rate_limited", "You have been rate limited. Please try again in a few minutes.")
}

type Fake = State<Arc<Notion>>;

async fn me(State(fake): Fake, call: Call) -> Response {
    fake.enter(&call, |_, _| Ok(bot()))
}

async fn all_users(State(fake): Fake, call: Call) -> Response {
    fake.enter(&call, |_, asked| list("user", &users(), asked))
}

async fn user(State(fake): Fake, Path(given): Path<String>, call: Call) -> Response {
    fake.enter(&call, |_, _| {
        let id = id(&given)?;
        users().into_iter().find(|user| user["id"] == id.as_str()).ok_or_else(|| not_found("user", &id))
    })
}

async fn search(State(fake): Fake, call: Call) -> Response {
    fake.enter(&call, |kept, asked| {
        let words = asked["query"].as_str().unwrap_or_default().to_lowercase();
        let wanted = asked["filter"]["value"].as_str();
        if wanted.is_some_and(|kind| kind != "page" && kind != "data_source") {
            return Err(invalid(
                "body failed validation: body.filter.value should be `\"page\"` or `\"data_source\"`.",
            ));
        }
        let mut found: Vec<_> = kept.pages.iter().rev().cloned().chain([kept.source()]).collect();
        found.retain(|item| {
            item["in_trash"] == false
                && wanted.is_none_or(|kind| item["object"] == kind)
                && title(item).to_lowercase().contains(&words)
        });
        list("page_or_data_source", &found, asked)
    })
}

fn title(item: &Value) -> String {
    let own = |value: &Value| value[0]["plain_text"].as_str().unwrap_or_default().to_owned();
    if item["object"] == "data_source" {
        return own(&item["title"]);
    }
    let properties = item["properties"].as_object().into_iter().flatten();
    properties
        .map(|(_, property)| property)
        .find(|property| property["type"] == "title")
        .map(|property| own(&property["title"]))
        .unwrap_or_default()
}

async fn create_page(State(fake): Fake, call: Call) -> Response {
    fake.enter(&call, |kept, asked| {
        for name in ["markdown", "template"] {
            if asked.get(name).is_some() {
                return Err(unmodelled(&call, name));
            }
        }
        let parent = &asked["parent"];
        let given = &asked["properties"];
        let (parent, properties) = if let Some(source) =
            parent["data_source_id"].as_str().or_else(|| parent["database_id"].as_str())
        {
            let source = id(source)?;
            if source != SOURCE && source != DATABASE {
                return Err(not_found("data_source", &source));
            }
            let parent =
                json!({ "type": "data_source_id", "data_source_id": SOURCE, "database_id": DATABASE });
            (parent, kept.properties(given, Value::Null)?)
        } else if let Some(above) = parent["page_id"].as_str() {
            let above = id(above)?;
            kept.page(&above)?;
            let text = given["title"].get("title").unwrap_or(&given["title"]);
            let text = if text.is_null() { json!([]) } else { rich_texts(text)? };
            (
                json!({ "type": "page_id", "page_id": above }),
                json!({ "title": { "id": "title", "type": "title", "title": text } }),
            )
        } else {
            return Err(invalid(
                "body failed validation: body.parent should be defined, instead was `undefined`.",
            ));
        };
        let new = kept.id();
        if let Some(children) = asked.get("children") {
            append(kept, &call, &new, children)?;
        }
        let page = page(&new, &parent, properties, &at(&call));
        kept.pages.push(page.clone());
        Ok(page)
    })
}

/// Times are shown by the millisecond.
fn at(call: &Call) -> String {
    format!("{:.3}", call.now)
}

async fn one_page(State(fake): Fake, Path(given): Path<String>, call: Call) -> Response {
    fake.enter(&call, |kept, asked| {
        let id = id(&given)?;
        let mut page = kept.page(&id)?.clone();
        if call.method == http::Method::GET {
            return Ok(page);
        }
        if let Some(properties) = asked.get("properties") {
            if page["parent"]["type"] != "data_source_id" {
                return Err(unmodelled(&call, "properties of a page outside a data source"));
            }
            page["properties"] = kept.properties(properties, page["properties"].take())?;
        }
        for name in ["in_trash", "archived"] {
            if let Some(value) = asked.get(name).filter(|value| value.is_boolean()) {
                page["in_trash"] = value.clone();
                page["archived"] = value.clone();
            }
        }
        page["last_edited_time"] = json!(at(&call));
        *kept.page(&id)? = page.clone();
        Ok(page)
    })
}

async fn database(State(fake): Fake, Path(given): Path<String>, call: Call) -> Response {
    fake.enter(&call, |_, _| {
        let id = id(&given)?;
        if id == DATABASE { Ok(Kept::database()) } else { Err(not_found("database", &id)) }
    })
}

async fn source(State(fake): Fake, Path(given): Path<String>, call: Call) -> Response {
    fake.enter(&call, |kept, _| {
        let id = id(&given)?;
        if id == SOURCE { Ok(kept.source()) } else { Err(not_found("data_source", &id)) }
    })
}

async fn query_source(State(fake): Fake, Path(given): Path<String>, call: Call) -> Response {
    fake.enter(&call, |kept, asked| {
        let id = id(&given)?;
        if id != SOURCE {
            return Err(not_found("data_source", &id));
        }
        let trash = asked["in_trash"] == true;
        let mut found: Vec<_> = kept
            .pages
            .iter()
            .filter(|page| page["parent"]["data_source_id"] == SOURCE && page["in_trash"] == trash)
            .cloned()
            .collect();
        query::filter(&mut found, &kept.schema, &asked["filter"]).map_err(|fault| fault.said(&call))?;
        query::sort(&mut found, &asked["sorts"]).map_err(|fault| fault.said(&call))?;
        list("page_or_data_source", &found, asked)
    })
}

impl Vendor for Notion {
    fn name(&self) -> &'static str {
        "notion"
    }

    fn about(&self) -> Value {
        json!({ "base_url": self.desk.url, "token": TOKEN, "version": VERSION, "database_id": DATABASE, "data_source_id": SOURCE, "page_id": ROOT_PAGE })
    }

    fn stands_for(&self) -> &'static [&'static str] {
        &["https://api.notion.com"]
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/v1/users", get(all_users))
            .route("/v1/users/me", get(me))
            .route("/v1/users/{id}", get(user))
            .route("/v1/search", post(search))
            .route("/v1/pages", post(create_page))
            .route("/v1/pages/{id}", get(one_page).patch(one_page))
            .route("/v1/databases/{id}", get(database))
            .route("/v1/data_sources/{id}", get(source))
            .route("/v1/data_sources/{id}/query", post(query_source))
            .route("/v1/blocks/{id}", get(block).delete(block))
            .route("/v1/blocks/{id}/children", get(children).patch(children))
            .with_state(self)
    }

    fn reset(&self) {
        *self.state() = Kept::seeded();
    }

    fn refusal(&self, status: StatusCode) -> Response {
        match status.as_u16() {
            429 => limited(),
            503 => refused(503, "service_unavailable", "Notion is unavailable, please try again later."),
            504 => refused(504, "gateway_timeout", "The request timed out."),
            529 => refused(529, "service_overload", "Notion is overloaded, please try again later."),
            other => refused(other, "internal_server_error", "Unexpected error occurred."),
        }
    }

    fn faults(&self) -> &'static [&'static str] {
        &["restricted_resource", "conflict_error"]
    }
}
