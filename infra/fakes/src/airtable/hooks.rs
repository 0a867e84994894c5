//! Webhooks: what a base's changes become for those who watch it, and the signed pings that say that there is something to fetch.

use super::change::Change;
use super::model::{Base, Cells, Field, Kind, Person, Table, is_id};
use super::refusal::Refusal;
use crate::deliver::is_of_this_machine;
use crate::drawn::Drawn;
use crate::moment::moment;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// A hook lives for seven days, and so does a payload. Whoever reads payloads prolongs the hook's life.
const LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
const MOST_IN_BASE: usize = 10;
const MOST_OF_INTEGRATION: usize = 2;
/// So often a ping is tried again: first after ten seconds, each time after twice as long.
const RETRIES: u32 = 13;
const FIRST_RETRY_SECONDS: i64 = 10;

#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) id: String,
    secret: Vec<u8>,
    url: Option<String>,
    specification: Value,
    wanted: Options,
    payloads: Vec<(u64, Timestamp, Value)>,
    /// The number of the next payload.
    next: u64,
    expires: Timestamp,
    notifies: bool,
    /// The token's OAuth integration, if it was made by one.
    by_integration: bool,
    due: Option<Due>,
    last_success: Option<Timestamp>,
    last_result: Option<Value>,
}

/// A ping that is to be sent.
#[derive(Clone, Debug)]
struct Due {
    at: Timestamp,
    attempt: u32,
    copies: u32,
    /// Somebody is sending it just now.
    sending: bool,
}

/// A ping as it is sent.
#[derive(Debug)]
pub(crate) struct Ping {
    pub(crate) base: String,
    pub(crate) hook: String,
    pub(crate) url: String,
    pub(crate) body: Vec<u8>,
    pub(crate) signature: String,
    pub(crate) copies: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Specification {
    options: Options,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    filters: Filters,
    #[serde(default)]
    includes: Option<Includes>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Filters {
    data_types: Vec<String>,
    #[serde(default)]
    change_types: Option<Vec<String>>,
    #[serde(default)]
    from_sources: Option<Vec<String>>,
    #[serde(default)]
    record_change_scope: Option<String>,
    #[serde(default)]
    watch_data_in_field_ids: Option<Vec<String>>,
    #[serde(default)]
    watch_schemas_of_field_ids: Option<Vec<String>>,
    #[serde(default)]
    source_options: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Includes {
    #[serde(rename = "includeCellValuesInFieldIds")]
    cells_of: Option<Value>,
    #[serde(rename = "includePreviousCellValues")]
    cells_before: bool,
    #[serde(rename = "includePreviousFieldDefinitions")]
    fields_before: bool,
}

const SOURCES: [&str; 9] = [
    "client",
    "publicApi",
    "formSubmission",
    "formPageSubmission",
    "automation",
    "system",
    "sync",
    "anonymousUser",
    "unknown",
];

/// Makes a hook. Its secret is told this once.
pub(crate) fn create(
    base: &mut Base,
    body: &Map<String, Value>,
    by_integration: bool,
    now: Timestamp,
    drawn: &mut Drawn,
) -> Result<Value, Refusal> {
    let specification = body.get("specification").ok_or_else(Refusal::parameters)?;
    let Specification { options } =
        serde_json::from_value(specification.clone()).map_err(|_| Refusal::parameters())?;
    let filters = &options.filters;
    let all_in = |given: &[String], known: &[&str]| given.iter().all(|name| known.contains(&name.as_str()));
    if filters.data_types.is_empty()
        || !all_in(&filters.data_types, &["tableData", "tableFields", "tableMetadata"])
        || !all_in(filters.change_types.as_deref().unwrap_or_default(), &["add", "remove", "update"])
        || !all_in(filters.from_sources.as_deref().unwrap_or_default(), &SOURCES)
    {
        return Err(Refusal::parameters());
    }
    match filters.record_change_scope.as_deref() {
        Some(scope) if is_id(scope, "viw") => return Err(Refusal::not_modelled("webhooks of a view")),
        Some(scope) if base.tables.iter().all(|table| table.id != scope) => return Err(Refusal::parameters()),
        _ => {}
    }
    if filters.source_options.is_some() {
        return Err(Refusal::not_modelled("sourceOptions"));
    }
    let url = match body.get("notificationUrl") {
        None | Some(Value::Null) => None,
        Some(Value::String(url)) if is_of_this_machine(url) => Some(url.clone()),
        Some(Value::String(_)) => return Err(Refusal::not_modelled("pings to other machines")),
        Some(_) => return Err(Refusal::parameters()),
    };
    let of_integration = base.hooks.iter().filter(|hook| hook.by_integration).count();
    // In which words Airtable says so is not documented.
    if base.hooks.len() >= MOST_IN_BASE || (by_integration && of_integration >= MOST_OF_INTEGRATION) {
        return Err(Refusal::parameters());
    }
    let mut secret = Vec::new();
    for _ in 0..8 {
        secret.extend_from_slice(&drawn.next().to_be_bytes());
    }
    let hook = Hook {
        id: drawn.text("ach", 14),
        secret,
        url,
        specification: specification.clone(),
        wanted: options,
        payloads: Vec::new(),
        next: 1,
        expires: now + LIFE,
        notifies: true,
        by_integration,
        due: None,
        last_success: None,
        last_result: None,
    };
    let answer = json!({
        "id": hook.id, "macSecretBase64": STANDARD.encode(&hook.secret), "expirationTime": moment(hook.expires),
    });
    base.hooks.push(hook);
    Ok(answer)
}

impl Hook {
    fn is_alive(&self, now: Timestamp) -> bool {
        now < self.expires
    }

    /// Whether this token may see it: an integration sees its own.
    pub(crate) fn is_seen_by(&self, integration: bool) -> bool {
        !integration || self.by_integration
    }

    pub(crate) fn answer(&self, now: Timestamp) -> Value {
        json!({
            "id": self.id,
            "specification": self.specification,
            "notificationUrl": self.url,
            "cursorForNextPayload": self.next,
            "isHookEnabled": self.is_alive(now),
            "areNotificationsEnabled": self.notifies,
            "expirationTime": moment(self.expires),
            "lastSuccessfulNotificationTime": self.last_success.map(moment),
            "lastNotificationResult": self.last_result,
        })
    }

    pub(crate) fn enable_notifications(&mut self, enable: bool) {
        self.notifies = enable;
        if !enable {
            self.due = None;
        }
    }

    pub(crate) fn refresh(&mut self, now: Timestamp) -> Value {
        self.expires = now + LIFE;
        json!({"expirationTime": moment(self.expires)})
    }

    /// Payloads from a cursor on. The cursor that is answered is the next to ask for, also when there was nothing.
    pub(crate) fn payloads(
        &mut self,
        cursor: Option<u64>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Value, Refusal> {
        let from = cursor.unwrap_or(1);
        if from == 0 || from > self.next {
            return Err(Refusal::parameters());
        }
        self.payloads.retain(|(_, at, _)| now.duration_since(*at) < LIFE);
        if self.is_alive(now) {
            self.expires = now + LIFE;
        }
        let page: Vec<&(u64, Timestamp, Value)> =
            self.payloads.iter().filter(|(number, ..)| *number >= from).take(limit).collect();
        let next = page.last().map_or(from, |(number, ..)| number + 1);
        let payloads: Vec<&Value> = page.iter().map(|(.., payload)| payload).collect();
        Ok(json!({"payloads": payloads, "cursor": next, "mightHaveMore": next < self.next}))
    }

    fn keep(&mut self, payload: Value, now: Timestamp, copies: u32) {
        self.payloads.push((self.next, now, payload));
        self.next += 1;
        // A ping that still waits stands for this change, too.
        if self.notifies && self.url.is_some() && self.due.is_none() {
            self.due = Some(Due { at: now, attempt: 0, copies, sending: false });
        }
    }
}

/// The pings that are due. Each is given out once; `settle` says what became of it.
pub(crate) fn due(base: &mut Base, now: Timestamp) -> Vec<Ping> {
    let mut pings = Vec::new();
    for hook in &mut base.hooks {
        let (Some(url), Some(due)) = (&hook.url, &mut hook.due) else { continue };
        if due.sending || now < due.at {
            continue;
        }
        due.sending = true;
        let body = json!({"base": {"id": base.id}, "webhook": {"id": hook.id}, "timestamp": moment(now)});
        let body = body.to_string().into_bytes();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &hook.secret), &body);
        let mut signature = "hmac-sha256=".to_owned();
        for byte in tag.as_ref() {
            // Writing into a text cannot fail.
            let _infallible = write!(signature, "{byte:02x}");
        }
        pings.push(Ping {
            base: base.id.clone(),
            hook: hook.id.clone(),
            url: url.clone(),
            body,
            signature,
            copies: due.copies,
        });
    }
    pings
}

/// A ping was answered with this status, or with none. What failed is tried again, later each time; then there are no more pings.
pub(crate) fn settle(base: &mut Base, hook: &str, answered: Result<u16, String>, now: Timestamp) {
    let Some(hook) = base.hooks.iter_mut().find(|other| other.id == hook) else { return };
    let Some(due) = hook.due.take() else { return };
    let mut result = json!({
        "completionTimestamp": moment(now), "durationMs": 1, "retryNumber": due.attempt, "success": true,
    });
    let reason = match answered {
        Ok(200 | 204) => {
            hook.last_success = Some(now);
            hook.last_result = Some(result);
            return;
        }
        Ok(status) => format!("The HTTP request returned a {status} status code instead of 200 or 204"),
        Err(reason) => reason,
    };
    let again = due.attempt < RETRIES;
    result["success"] = json!(false);
    result["error"] = json!({"message": reason});
    result["willBeRetried"] = json!(again);
    hook.last_result = Some(result);
    if again {
        let wait = SignedDuration::from_secs(FIRST_RETRY_SECONDS << due.attempt);
        hook.due = Some(Due { at: now + wait, attempt: due.attempt + 1, copies: 1, sending: false });
    } else {
        hook.notifies = false;
    }
}

/// Who changed a base, and from where.
pub(crate) struct Action<'a> {
    pub(crate) source: &'a str,
    pub(crate) user: &'a Person,
    pub(crate) permission: Value,
    pub(crate) now: Timestamp,
    /// How often the ping of this change is sent: it may come twice.
    pub(crate) copies: u32,
}

/// Tells a change to each hook that watches it.
pub(crate) fn tell(base: &mut Base, change: &Change, action: &Action<'_>) {
    base.transactions += 1;
    let mut told = Vec::new();
    for (at, hook) in base.hooks.iter().enumerate() {
        let filters = &hook.wanted.filters;
        let from_here =
            filters.from_sources.as_ref().is_none_or(|all| all.iter().any(|name| name == action.source));
        if !hook.is_alive(action.now) || !from_here {
            continue;
        }
        let mut payload = seen(base, change, &hook.wanted);
        if payload.is_empty() {
            continue;
        }
        payload.insert("timestamp".into(), json!(moment(action.now)));
        payload.insert("baseTransactionNumber".into(), json!(base.transactions));
        payload.insert("payloadFormat".into(), json!("v0"));
        let metadata = json!({
            "source": action.source,
            "sourceMetadata": {"user": {
                "id": action.user.id, "email": action.user.email, "name": action.user.name,
                "permissionLevel": action.permission,
            }},
        });
        payload.insert("actionMetadata".into(), metadata);
        told.push((at, Value::Object(payload)));
    }
    for (at, payload) in told {
        base.hooks[at].keep(payload, action.now, action.copies);
    }
}

/// What a hook sees of a change; nothing, if it watches other things.
fn seen(base: &Base, change: &Change, options: &Options) -> Map<String, Value> {
    let filters = &options.filters;
    let no_includes = Includes::default();
    let includes = options.includes.as_ref().unwrap_or(&no_includes);
    let wants = |data: &str| filters.data_types.iter().any(|name| name == data);
    let does =
        |kind: &str| filters.change_types.as_ref().is_none_or(|all| all.iter().any(|name| name == kind));
    let in_scope = |table: &str| filters.record_change_scope.as_deref().is_none_or(|scope| scope == table);
    let mut payload = Map::new();
    let mut tables = Map::new();
    for table in base.tables.iter().filter(|table| in_scope(&table.id)) {
        let mut part = Map::new();
        if wants("tableData") {
            records(base, table, change, filters, includes, &mut part);
        }
        let watched = |field: &str| {
            filters.watch_schemas_of_field_ids.as_ref().is_none_or(|all| all.iter().any(|id| id == field))
        };
        if wants("tableFields") && does("add") {
            let new = change.created_fields.iter().filter(|(of, _)| *of == table.id);
            let new = new.filter_map(|(_, id)| Some((id.clone(), definition(table.field(id)?))));
            insert(&mut part, "createdFieldsById", new.collect());
        }
        if wants("tableFields") && does("update") {
            let changed =
                change.changed_fields.iter().filter(|(of, field)| *of == table.id && watched(&field.id));
            let changed = changed.filter_map(|(_, before)| {
                let mut entry = json!({"current": definition(table.field(&before.id)?)});
                if includes.fields_before {
                    entry["previous"] = definition(before);
                }
                Some((before.id.clone(), entry))
            });
            insert(&mut part, "changedFieldsById", changed.collect());
        }
        if wants("tableMetadata")
            && does("update")
            && let Some((_, name, description)) =
                change.renamed_tables.iter().find(|(id, ..)| *id == table.id)
        {
            let metadata = json!({
                "current": {"name": table.name, "description": table.description},
                "previous": {"name": name, "description": description},
            });
            part.insert("changedMetadata".into(), metadata);
        }
        if !part.is_empty() {
            tables.insert(table.id.clone(), Value::Object(part));
        }
    }
    insert(&mut payload, "changedTablesById", tables);
    if wants("tableMetadata") && does("add") {
        let new = base.tables.iter().filter(|table| change.created_tables.contains(&table.id));
        let new = new.map(|table| {
            let fields: Map<String, Value> =
                table.fields.iter().map(|f| (f.id.clone(), definition(f))).collect();
            let about = json!({
                "metadata": {"name": table.name, "description": table.description},
                "fieldsById": fields, "recordsById": {},
            });
            (table.id.clone(), about)
        });
        insert(&mut payload, "createdTablesById", new.collect());
    }
    payload
}

fn insert(into: &mut Map<String, Value>, key: &str, what: Map<String, Value>) {
    if !what.is_empty() {
        into.insert(key.to_owned(), Value::Object(what));
    }
}

fn definition(field: &Field) -> Value {
    json!({"name": field.name, "type": field.kind})
}

fn records(
    base: &Base,
    table: &Table,
    change: &Change,
    filters: &Filters,
    includes: &Includes,
    part: &mut Map<String, Value>,
) {
    let does =
        |kind: &str| filters.change_types.as_ref().is_none_or(|all| all.iter().any(|name| name == kind));
    let watched = |field: &str| {
        filters.watch_data_in_field_ids.as_ref().is_none_or(|all| all.iter().any(|id| id == field))
    };
    let cells = |cells: &Cells, which: &dyn Fn(&str) -> bool| -> Map<String, Value> {
        let fields = table.fields.iter().filter(|field| which(&field.id));
        fields.filter_map(|f| Some((f.id.clone(), second_form(base, f, cells.get(&f.id)?)))).collect()
    };
    let mut created = Map::new();
    let mut changed = Map::new();
    for ((_, id), before) in change.touched.iter().filter(|((of, _), _)| *of == table.id) {
        let Some(record) = table.record(id) else { continue };
        let Some(before) = before else {
            let entry = json!({
                "createdTime": moment(record.created), "cellValuesByFieldId": cells(&record.cells, &|_| true),
            });
            created.insert(id.clone(), entry);
            continue;
        };
        let differs = |field: &str| before.get(field) != record.cells.get(field);
        let named: Vec<&str> =
            table.fields.iter().map(|f| f.id.as_str()).filter(|id| differs(id) && watched(id)).collect();
        if named.is_empty() {
            continue;
        }
        let mut current = cells(&record.cells, &|field| named.contains(&field));
        let mut previous = cells(before, &|field| named.contains(&field));
        for field in named {
            // A cell that is empty is said to be, on both sides.
            current.entry(field).or_insert(Value::Null);
            previous.entry(field).or_insert(Value::Null);
        }
        let mut entry = json!({"current": {"cellValuesByFieldId": current}});
        if includes.cells_before {
            entry["previous"] = json!({"cellValuesByFieldId": previous});
        }
        let included = |field: &str| match &includes.cells_of {
            Some(Value::Array(ids)) => ids.contains(&json!(field)),
            Some(all) => *all == json!("all"),
            None => false,
        };
        let unchanged = cells(&record.cells, &|field| !differs(field) && included(field));
        if includes.cells_of.is_some() {
            entry["unchanged"] = json!({"cellValuesByFieldId": unchanged});
        }
        changed.insert(id.clone(), entry);
    }
    if does("add") {
        insert(part, "createdRecordsById", created);
    }
    if does("update") {
        insert(part, "changedRecordsById", changed);
    }
    let gone = change.destroyed.iter().filter(|(of, _)| *of == table.id);
    let gone: Vec<&str> = gone.map(|(_, id)| id.as_str()).collect();
    if does("remove") && !gone.is_empty() {
        part.insert("destroyedRecordIds".into(), json!(gone));
    }
}

/// A cell as payloads have it, which is another form than that of records: options and links are objects.
fn second_form(base: &Base, field: &Field, value: &Value) -> Value {
    let option = |name: &Value| {
        let choice = field.choices().iter().find(|choice| choice["name"] == *name);
        choice.cloned().unwrap_or_else(|| json!({"name": name}))
    };
    match (field.kind, value) {
        (Kind::SingleSelect, name) => option(name),
        (Kind::MultipleSelects, Value::Array(names)) => names.iter().map(option).collect(),
        (Kind::MultipleRecordLinks, Value::Array(ids)) => {
            let table = field.option("linkedTableId").and_then(|id| base.table(id).ok());
            let name = |id: &Value| -> Option<Value> {
                let table = table?;
                table.record(id.as_str()?)?.cells.get(&table.primary).cloned()
            };
            ids.iter().map(|id| json!({"id": id, "name": name(id).unwrap_or_else(|| json!(""))})).collect()
        }
        _ => value.clone(),
    }
}
