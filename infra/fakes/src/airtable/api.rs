//! The routes below `/v0`, with what each asks of a token.

use super::access::{Caller, Permission};
use super::cells;
use super::change::Change;
use super::hooks::{self, Action};
use super::list::{self, Asked};
use super::model::{Base, Kind, Person, is_id};
use super::read::{Form, Row};
use super::refusal::Refusal;
use super::schema;
use super::state::State;
use super::write::{self, Done, Writer};
use crate::call::Call;
use crate::desk::Desk;
use crate::path::{first, segments};
use crate::rate::Rule;
use crate::reply;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::time::Duration;

const PENALTY: Duration = Duration::from_secs(30);
const CALLS_OF_USER: u32 = 50;
const LARGEST_UPLOAD: usize = 5 * 1024 * 1024;
/// Longer addresses are refused: that is what `listRecords` is for.
const LONGEST_ADDRESS: usize = 16_000;

type Answered = Result<Option<Response>, Refusal>;

/// Which records a request writes.
enum Target<'a> {
    New,
    /// Those that the body names.
    Named,
    One(&'a str),
}

/// One request.
struct Asking<'a> {
    call: &'a Call,
    query: Vec<(String, String)>,
    caller: Caller,
    origin: String,
}

/// Answers a request; nothing, if there is no such route.
pub(crate) fn answer(state: &mut State, desk: &Desk, call: &Call) -> Answered {
    if call.path.len() + call.query.len() >= LONGEST_ADDRESS {
        return Err(Refusal::too_long());
    }
    let path = segments(&call.path);
    let path: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
    let base = match path.as_slice() {
        ["meta", "bases", base, ..] | ["bases", base, ..] => Some(*base),
        ["meta", ..] => None,
        [base, ..] => Some(*base),
        [] => return Ok(None),
    };
    // A malformed id is not found before anybody asks who is there.
    if base.is_some_and(|base| !is_id(base, "app")) {
        return Err(Refusal::not_found());
    }
    let caller = state.caller(call.bearer(), call.now)?;
    let limited = |key: &str, calls: u32| {
        desk.take(key, Rule::per_second(calls).with_penalty(PENALTY)).map_err(|_| Refusal::too_many(false))
    };
    if let Some(base) = base {
        limited(base, state.calls_per_second)?;
    }
    if !caller.token.oauth {
        limited(&caller.user().id, CALLS_OF_USER)?;
    }
    let origin = format!("http://{}", call.host);
    let asking = Asking { call, query: call.query_pairs(), caller, origin };
    match (call.method.as_str(), path.as_slice()) {
        ("GET", ["meta", "whoami"]) => Ok(Some(asking.whoami())),
        ("GET", ["meta", "bases"]) => asking.bases(state).map(Some),
        ("POST", ["meta", "bases"]) => asking.create_base(state).map(Some),
        (method, ["meta", "bases", base, "tables", rest @ ..]) => asking.schema(state, base, method, rest),
        (method, ["bases", base, "webhooks", rest @ ..]) => asking.hooks(state, base, method, rest),
        (_, ["meta" | "bases", ..]) => Ok(None),
        ("GET", [base, table]) => asking.list(state, base, table, &Map::new()).map(Some),
        ("POST", [base, table, "listRecords"]) => {
            let body = asking.body()?;
            asking.list(state, base, table, &body).map(Some)
        }
        ("GET", [base, table, record]) => asking.get(state, base, table, record).map(Some),
        ("POST", [base, table]) => asking.write(state, base, table, &Target::New).map(Some),
        ("PATCH" | "PUT", [base, table]) => asking.write(state, base, table, &Target::Named).map(Some),
        ("PATCH" | "PUT", [base, table, record]) => {
            asking.write(state, base, table, &Target::One(record)).map(Some)
        }
        ("DELETE", [base, table]) => asking.delete(state, base, table, None).map(Some),
        ("DELETE", [base, table, record]) => asking.delete(state, base, table, Some(record)).map(Some),
        ("POST", [base, record, field, "uploadAttachment"]) => {
            asking.upload(state, base, record, field).map(Some)
        }
        _ => Ok(None),
    }
}

fn ok(body: &Value) -> Response {
    reply::json(StatusCode::OK, body)
}

/// An answer without a body, where what Airtable puts there is not documented.
fn nothing() -> Response {
    Response::new(Body::empty())
}

/// A base that the token reaches.
fn reached<'a>(state: &'a mut State, caller: &Caller, base: &str) -> Result<&'a mut Base, Refusal> {
    let found = state.bases.iter_mut().find(|other| other.id == base && caller.reaches(base));
    found.ok_or_else(Refusal::no_access)
}

impl Asking<'_> {
    fn body(&self) -> Result<Map<String, Value>, Refusal> {
        match self.call.json() {
            Ok(Value::Object(body)) => Ok(body),
            Ok(_) => Err(Refusal::parameters()),
            Err(_) => Err(Refusal::body()),
        }
    }

    fn may(&self, permission: Permission, to: impl std::fmt::Display) -> Result<(), Refusal> {
        if self.caller.may(permission) { Ok(()) } else { Err(Refusal::not_permitted(to)) }
    }

    fn whoami(&self) -> Response {
        let user = self.caller.user();
        let mut answer = json!({"id": user.id});
        if self.caller.has("user.email:read") {
            answer["email"] = json!(user.email);
        }
        if self.caller.token.oauth {
            answer["scopes"] = json!(self.caller.token.scopes);
        }
        ok(&answer)
    }

    fn bases(&self, state: &State) -> Result<Response, Refusal> {
        self.caller.needs("schema.bases:read")?;
        let from: usize = match first(&self.query, "offset") {
            None => 0,
            Some(offset) => {
                offset.strip_prefix("itr").and_then(|n| n.parse().ok()).ok_or_else(Refusal::offset)?
            }
        };
        let seen: Vec<&Base> = state.bases.iter().filter(|base| self.caller.reaches(&base.id)).collect();
        let page = seen.iter().skip(from).take(1_000).map(
            |base| json!({"id": base.id, "name": base.name, "permissionLevel": self.caller.token.permission}),
        );
        let mut answer = json!({"bases": page.collect::<Vec<_>>()});
        if seen.len() > from + 1_000 {
            answer["offset"] = json!(format!("itr{}", from + 1_000));
        }
        Ok(ok(&answer))
    }

    fn create_base(&self, state: &mut State) -> Result<Response, Refusal> {
        self.caller.needs("schema.bases:write")?;
        self.may(Permission::Create, "perform this operation")?;
        let body = self.body()?;
        let text = |key: &str| body.get(key).and_then(Value::as_str).ok_or_else(Refusal::parameters);
        let (name, workspace) = (text("name")?, text("workspaceId")?);
        if !workspace.starts_with("wsp") {
            return Err(Refusal::parameters());
        }
        let mut base = Base {
            id: state.drawn.text("app", 14),
            name: name.to_owned(),
            tables: Vec::new(),
            hooks: Vec::new(),
            transactions: 0,
            people: vec![self.caller.user()],
        };
        let tables = body.get("tables").and_then(Value::as_array).filter(|all| !all.is_empty());
        for described in tables.ok_or_else(Refusal::parameters)? {
            let table = schema::table(&base, described, false, &mut state.drawn)?;
            base.tables.push(table);
        }
        let tables: Vec<Value> = base.tables.iter().map(|table| table.schema(false)).collect();
        let answer = json!({"id": base.id, "tables": tables});
        state.bases.push(base);
        Ok(ok(&answer))
    }

    fn schema(&self, state: &mut State, base: &str, method: &str, rest: &[&str]) -> Answered {
        let reads = method == "GET";
        self.caller.needs(if reads { "schema.bases:read" } else { "schema.bases:write" })?;
        if let ("GET", []) = (method, rest) {
            let base = reached(state, &self.caller, base)?;
            let visible = self.query.iter().any(|(key, value)| {
                matches!(key.as_str(), "include" | "include[]") && value == "visibleFieldIds"
            });
            let tables: Vec<Value> = base.tables.iter().map(|table| table.schema(visible)).collect();
            return Ok(Some(ok(&json!({"tables": tables}))));
        }
        reached(state, &self.caller, base)?;
        self.may(Permission::Create, "perform this operation")?;
        let mut change = Change::default();
        let Some(at) = state.bases.iter().position(|other| other.id == base) else {
            return Err(Refusal::no_access());
        };
        let State { bases, drawn, .. } = state;
        let base = &mut bases[at];
        let answer = match (method, rest) {
            ("POST", []) => {
                let table = schema::table(base, &Value::Object(self.body()?), false, drawn)?;
                let answer = table.schema(false);
                change.created_tables.push(table.id.clone());
                base.tables.push(table);
                answer
            }
            ("PATCH", [table]) => {
                let table = base.position(table)?;
                schema::change_table(base, table, &self.body()?, &mut change)?
            }
            ("POST", [table, "fields"]) => {
                let table = base.position(table)?;
                schema::add_field(base, table, &Value::Object(self.body()?), drawn, &mut change)?
            }
            ("PATCH", [table, "fields", field]) => {
                let table = base.position(table)?;
                schema::change_field(base, table, field, &self.body()?, &mut change)?
            }
            _ => return Ok(None),
        };
        self.tell(base, &change);
        Ok(Some(ok(&answer)))
    }

    fn list(
        &self,
        state: &mut State,
        base: &str,
        table: &str,
        body: &Map<String, Value>,
    ) -> Result<Response, Refusal> {
        self.caller.needs("data.records:read")?;
        reached(state, &self.caller, base)?;
        if self.call.fault.as_deref() == Some("expired_iterator") {
            state.iterators.forget();
        }
        let asked = Asked::read(&self.query, body)?;
        let State { bases, iterators, drawn, .. } = state;
        let base = bases.iter().find(|other| other.id == base).ok_or_else(Refusal::no_access)?;
        let table = base.table(table)?;
        list::list(base, table, &asked, iterators, drawn, (self.call.now, &self.origin)).map(|page| ok(&page))
    }

    fn by_id(&self, body: &Map<String, Value>) -> Result<bool, Refusal> {
        match (body.get("returnFieldsByFieldId"), first(&self.query, "returnFieldsByFieldId")) {
            (Some(Value::Bool(by_id)), _) => Ok(*by_id),
            (Some(_), _) => Err(Refusal::parameters()),
            (None, Some(text)) => list::truth(text),
            (None, None) => Ok(false),
        }
    }

    fn get(&self, state: &mut State, base: &str, table: &str, record: &str) -> Result<Response, Refusal> {
        self.caller.needs("data.records:read")?;
        if !is_id(record, "rec") {
            return Err(Refusal::not_found());
        }
        let form = Form { by_id: self.by_id(&Map::new())?, ..Form::default() };
        if first(&self.query, "cellFormat").is_some_and(|format| format != "json") {
            return Err(Refusal::not_modelled("cells as a person's locale writes them"));
        }
        let base = reached(state, &self.caller, base)?;
        let table = base.table(table)?;
        // A record of another table of the base is found, too.
        let mut tables = std::iter::once(table).chain(&base.tables);
        let found = tables.find_map(|table| Some((table, table.record(record)?)));
        let (table, record) = found.ok_or_else(Refusal::no_record)?;
        Ok(ok(&Row::new(base, table, record, self.call.now, &self.origin).answer(&form)))
    }

    /// Makes records, or changes some, or changes one.
    fn write(
        &self,
        state: &mut State,
        base: &str,
        table: &str,
        target: &Target<'_>,
    ) -> Result<Response, Refusal> {
        self.caller.needs("data.records:write")?;
        let at = reached(state, &self.caller, base)?.position(table)?;
        let State { bases, drawn, .. } = state;
        let base = bases.iter_mut().find(|other| other.id == base).ok_or_else(Refusal::no_access)?;
        let named = format!("{} ({})", base.tables[at].name, base.tables[at].id);
        let what = if matches!(target, Target::New) { "create" } else { "update" };
        self.may(Permission::Edit, format_args!("{what} records in table {named}"))?;
        let body = self.body()?;
        let typecast = match body.get("typecast") {
            None => false,
            Some(Value::Bool(typecast)) => *typecast,
            Some(_) => return Err(Refusal::parameters()),
        };
        let merge = match (body.get("performUpsert"), target) {
            (None, _) => None,
            (Some(asked), Target::Named) => {
                let keys = asked["fieldsToMergeOn"].as_array().ok_or_else(Refusal::parameters)?;
                let keys: Option<Vec<&str>> = keys.iter().map(Value::as_str).collect();
                Some(keys.ok_or_else(Refusal::parameters)?)
            }
            (Some(_), _) => return Err(Refusal::parameters()),
        };
        let single = !body.contains_key("records");
        let mut items = write::items(&body, matches!(target, Target::New), merge.is_some())?;
        match target {
            // A batch must be one: each with the id of its record.
            Target::Named if single => return Err(Refusal::records()),
            Target::One(_) if !single => return Err(Refusal::missing_fields()),
            Target::One(record) => {
                if !is_id(record, "rec") {
                    return Err(Refusal::not_found());
                }
                base.tables[at].record(record).ok_or_else(Refusal::no_record)?;
                items[0].id = Some(record);
            }
            _ => {}
        }
        let writer = Writer {
            user: self.caller.user(),
            permission: self.caller.token.permission,
            now: self.call.now,
            typecast,
            replace: self.call.method == "PUT",
        };
        let form = Form { by_id: self.by_id(&body)?, ..Form::default() };
        let mut change = Change::default();
        let done = write::write(base, at, &items, merge.as_deref(), &writer, drawn, &mut change)?;
        self.tell(base, &change);
        let table = &base.tables[at];
        let mut records: Vec<Value> = done
            .iter()
            .filter_map(|done| table.record(&done.id))
            .map(|record| Row::new(base, table, record, self.call.now, &self.origin).answer(&form))
            .collect();
        if single {
            return Ok(ok(&records.remove(0)));
        }
        let mut answer = json!({"records": records});
        if merge.is_some() {
            let ids = |created: bool| -> Vec<&str> {
                done.iter()
                    .filter(|done: &&Done| done.created == created)
                    .map(|done| done.id.as_str())
                    .collect()
            };
            answer["createdRecords"] = json!(ids(true));
            answer["updatedRecords"] = json!(ids(false));
        }
        Ok(ok(&answer))
    }

    fn delete(
        &self,
        state: &mut State,
        base: &str,
        table: &str,
        record: Option<&str>,
    ) -> Result<Response, Refusal> {
        self.caller.needs("data.records:write")?;
        let base = reached(state, &self.caller, base)?;
        let at = base.position(table)?;
        let named = format!("{} ({})", base.tables[at].name, base.tables[at].id);
        self.may(Permission::Edit, format_args!("delete records in table {named}"))?;
        let mut change = Change::default();
        let answer = match record {
            Some(record) if !is_id(record, "rec") => return Err(Refusal::not_found()),
            Some(record) => {
                base.tables[at].record(record).ok_or_else(Refusal::no_record)?;
                write::delete(base, at, &[record], self.call.now, &mut change)?["records"][0].take()
            }
            None => {
                let names = ["records", "records[]"];
                let ids = self
                    .query
                    .iter()
                    .filter(|(key, _)| names.contains(&key.as_str()) || key.starts_with("records["));
                let ids: Vec<&str> = ids.map(|(_, id)| id.as_str()).collect();
                write::delete(base, at, &ids, self.call.now, &mut change)?
            }
        };
        self.tell(base, &change);
        Ok(ok(&answer))
    }

    /// Adds a file to a cell. The answer has the fields by their ids.
    fn upload(&self, state: &mut State, base: &str, record: &str, key: &str) -> Result<Response, Refusal> {
        self.caller.needs("data.records:write")?;
        self.may(Permission::Edit, "perform this operation")?;
        reached(state, &self.caller, base)?;
        let State { bases, drawn, files, .. } = state;
        let base = bases.iter_mut().find(|other| other.id == base).ok_or_else(Refusal::no_access)?;
        let at = base
            .tables
            .iter()
            .position(|table| table.record(record).is_some())
            .ok_or_else(Refusal::no_record)?;
        let field = base.tables[at].field(key).ok_or_else(|| Refusal::unknown_field(key))?.clone();
        if field.kind != Kind::MultipleAttachments {
            return Err(Refusal::value(&field.name));
        }
        let body = self.body()?;
        let text = |key: &str| body.get(key).and_then(Value::as_str).ok_or_else(Refusal::parameters);
        let (kind, name) = (text("contentType")?, text("filename")?);
        // pyairtable breaks the lines of what it sends.
        let encoded: String = text("file")?.split_whitespace().collect();
        let bytes = STANDARD.decode(encoded).map_err(|_| Refusal::parameters())?;
        if bytes.len() > LARGEST_UPLOAD {
            return Err(Refusal::too_large());
        }
        let file = cells::attachment(name, kind, bytes.len(), drawn);
        files.insert(file["id"].as_str().unwrap_or_default().to_owned(), bytes.into());
        let mut change = Change::default();
        let table = &mut base.tables[at];
        let table_id = table.id.clone();
        if let Some(row) = table.records.iter_mut().find(|row| row.id == record) {
            change.touch(&table_id, record, Some(row.cells.clone()));
            let cell = row.cells.entry(field.id.clone()).or_insert_with(|| json!([]));
            if let Value::Array(items) = cell {
                items.push(file);
            }
            row.written.insert(field.id.clone(), self.call.now);
        }
        self.tell(base, &change);
        let table = &base.tables[at];
        let row = table.record(record).ok_or_else(Refusal::no_record)?;
        let form = Form { fields: vec![field.id], by_id: true, comment_count: false };
        Ok(ok(&Row::new(base, table, row, self.call.now, &self.origin).answer(&form)))
    }

    fn hooks(&self, state: &mut State, base: &str, method: &str, rest: &[&str]) -> Answered {
        self.caller.needs("webhook:manage")?;
        let (integration, now) = (self.caller.token.oauth, self.call.now);
        reached(state, &self.caller, base)?;
        self.may(Permission::Create, "perform this operation")?;
        let State { bases, drawn, .. } = state;
        let base = bases.iter_mut().find(|other| other.id == base).ok_or_else(Refusal::no_access)?;
        let (hook, action) = match (method, rest) {
            ("GET", []) => {
                let seen = base.hooks.iter().filter(|hook| hook.is_seen_by(integration));
                let seen: Vec<Value> = seen.map(|hook| hook.answer(now)).collect();
                return Ok(Some(ok(&json!({"webhooks": seen}))));
            }
            ("POST", []) => {
                return hooks::create(base, &self.body()?, integration, now, drawn)
                    .map(|made| Some(ok(&made)));
            }
            (_, [hook]) => (*hook, ""),
            (_, [hook, action]) => (*hook, *action),
            _ => return Ok(None),
        };
        let at = base.hooks.iter().position(|other| other.id == hook && other.is_seen_by(integration));
        let at = at.ok_or_else(Refusal::no_access)?;
        match (method, action) {
            ("DELETE", "") => {
                base.hooks.remove(at);
                Ok(Some(nothing()))
            }
            ("POST", "refresh") => Ok(Some(ok(&base.hooks[at].refresh(now)))),
            ("POST", "enableNotifications") => {
                let body = self.body()?;
                let enable = body.get("enable").and_then(Value::as_bool).ok_or_else(Refusal::parameters)?;
                base.hooks[at].enable_notifications(enable);
                Ok(Some(nothing()))
            }
            ("GET", "payloads") => {
                let number = |name: &str| match first(&self.query, name) {
                    None => Ok(None),
                    Some(text) => text.parse::<u64>().map(Some).map_err(|_| Refusal::parameters()),
                };
                let limit = number("limit")?.unwrap_or(50);
                if limit == 0 || limit > 50 {
                    return Err(Refusal::parameters());
                }
                self.caller.needs("data.records:read")?;
                base.hooks[at].payloads(number("cursor")?, limit as usize, now).map(|page| Some(ok(&page)))
            }
            _ => Ok(None),
        }
    }

    /// Tells the base's webhooks. A test says with a header that the change came from elsewhere, such as from a person: `client`.
    fn tell(&self, base: &mut Base, change: &Change) {
        let user: Person = self.caller.user();
        let action = Action {
            source: self.call.header("x-fake-source").unwrap_or("publicApi"),
            user: &user,
            permission: json!(self.caller.token.permission),
            now: self.call.now,
            copies: if self.call.fault.as_deref() == Some("duplicate_ping") { 2 } else { 1 },
        };
        hooks::tell(base, change, &action);
    }
}
