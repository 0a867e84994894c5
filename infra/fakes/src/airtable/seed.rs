//! What is there at the start, and what a test puts there.

use super::access::{Permission, Token};
use super::change::Change;
use super::formula::Formula;
use super::model::{Base, Person, View};
use super::schema;
use super::state::{SCOPES, State};
use super::write::{self, Item, Writer};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The token of the start: it may do everything.
pub(crate) const TOKEN: &str = "patPatchbayFake01.everything";
/// The base of the start.
pub(crate) const BASE: &str = "appPatchbayFake01";

pub(super) fn at_start(state: &mut State, now: Timestamp) {
    state.tokens.push(Token {
        secret: TOKEN.into(),
        scopes: SCOPES.map(str::to_owned).to_vec(),
        bases: Vec::new(),
        permission: Permission::Create,
        user: None,
        oauth: false,
        expires: None,
    });
    let described = json!({"id": BASE, "name": "Sales", "tables": [
        {"id": "tblCompanies00001", "name": "Companies", "fields": [
            {"id": "fldCompanyName001", "name": "Name", "type": "singleLineText"},
            {"id": "fldCompanyPeople1", "name": "People", "type": "multipleRecordLinks",
             "options": {"linkedTableId": "tblContacts000001", "inverseLinkFieldId": "fldContactCompany",
                         "isReversed": false, "prefersSingleRecordLink": false}},
            {"name": "Number of people", "type": "count", "options": {"recordLinkFieldId": "fldCompanyPeople1", "isValid": true}},
        ], "records": [{"fields": {"Name": "Analytical Engines"}}, {"fields": {"Name": "Difference Works"}}]},
        {"id": "tblContacts000001", "name": "Contacts", "fields": [
            {"name": "Name", "type": "singleLineText"},
            {"name": "Email", "type": "email"},
            {"name": "Age", "type": "number", "options": {"precision": 0}},
            {"name": "Done", "type": "checkbox", "options": {"icon": "check", "color": "greenBright"}},
            {"name": "Stage", "type": "singleSelect", "options": {"choices": [{"name": "New"}, {"name": "Won"}, {"name": "Lost"}]}},
            {"name": "Tags", "type": "multipleSelects", "options": {"choices": [{"name": "red"}, {"name": "blue"}]}},
            {"name": "Born", "type": "date", "options": {"dateFormat": {"name": "iso", "format": "YYYY-MM-DD"}}},
            {"name": "Seen", "type": "dateTime", "options": {
                "dateFormat": {"name": "iso", "format": "YYYY-MM-DD"}, "timeFormat": {"name": "24hour", "format": "HH:mm"},
                "timeZone": "Europe/Berlin"}},
            {"name": "Stars", "type": "rating", "options": {"max": 5, "icon": "star", "color": "yellowBright"}},
            {"name": "Files", "type": "multipleAttachments", "options": {"isReversed": false}},
            {"name": "Owner", "type": "singleCollaborator"},
            {"id": "fldContactCompany", "name": "Company", "type": "multipleRecordLinks",
             "options": {"linkedTableId": "tblCompanies00001", "inverseLinkFieldId": "fldCompanyPeople1",
                         "isReversed": false, "prefersSingleRecordLink": false}},
            {"name": "Company name", "type": "multipleLookupValues", "options": {
                "recordLinkFieldId": "fldContactCompany", "fieldIdInLinkedTable": "fldCompanyName001", "isValid": true}},
            {"name": "Label", "type": "formula", "options": {"formula": "UPPER({Name}) & '!'", "isValid": true}},
            {"name": "Number", "type": "autoNumber"},
            {"name": "Created", "type": "createdTime"},
            {"name": "Changed", "type": "lastModifiedTime", "options": {"isValid": true, "referencedFieldIds": []}},
        ], "views": [{"name": "Won", "type": "grid", "filter": "{Stage}='Won'"}]},
    ]});
    // What stands here is held by the tests: it is always taken.
    if let Err(message) = base(state, &described, now) {
        tracing::error!(message, "the base of the start is not there");
    }
}

/// Adds a base as it is described, in the place of one with its id.
pub(super) fn base(state: &mut State, described: &Value, now: Timestamp) -> Result<String, String> {
    let fault = |what: &str| format!("`{what}` is missing or not right");
    let name = described["name"].as_str().ok_or_else(|| fault("name"))?;
    let drawn = &mut state.drawn;
    let person = Person {
        id: "usrPatchbayFake01".into(),
        email: "ada@example.com".into(),
        name: "Ada Lovelace".into(),
    };
    let mut base = Base {
        id: described["id"].as_str().map_or_else(|| drawn.text("app", 14), str::to_owned),
        name: name.to_owned(),
        tables: Vec::new(),
        hooks: Vec::new(),
        transactions: 0,
        people: vec![person.clone()],
    };
    if let Some(people) = described.get("people") {
        base.people = serde_json::from_value(people.clone()).map_err(|error| error.to_string())?;
    }
    let tables = described["tables"].as_array().ok_or_else(|| fault("tables"))?;
    for table in tables {
        let mut made = schema::table(&base, table, true, drawn)
            .map_err(|refusal| format!("table {}: {refusal:?}", table["name"]))?;
        for view in table["views"].as_array().into_iter().flatten() {
            let filter = match view["filter"].as_str() {
                Some(text) => Some(
                    Formula::parse(text, |name| made.field(name).is_some())
                        .map_err(|fault| format!("filter {text}: {fault:?}"))?,
                ),
                None => None,
            };
            made.views.push(View {
                id: view["id"].as_str().map_or_else(|| drawn.text("viw", 14), str::to_owned),
                name: view["name"].as_str().ok_or_else(|| fault("views"))?.to_owned(),
                kind: view["type"].as_str().unwrap_or("grid").to_owned(),
                filter,
            });
        }
        base.tables.push(made);
    }
    let writer =
        Writer { user: person, permission: Permission::Create, now, typecast: false, replace: false };
    for (at, table) in tables.iter().enumerate() {
        for record in table["records"].as_array().into_iter().flatten() {
            let nothing = Map::new();
            let mut fields = record["fields"].as_object().unwrap_or(&nothing).clone();
            // Computed cells of a seed are put as they are.
            let computed: Vec<(String, Value)> = base.tables[at]
                .fields
                .iter()
                .filter(|field| field.kind.is_computed())
                .filter_map(|field| Some((field.id.clone(), fields.remove(&field.name)?)))
                .collect();
            let item = Item { id: None, fields: &fields };
            let done = write::write(&mut base, at, &[item], None, &writer, drawn, &mut Change::default())
                .map_err(|refusal| format!("a record of {}: {refusal:?}", table["name"]))?;
            let made =
                done.first().and_then(|done| base.tables[at].records.iter_mut().find(|r| r.id == done.id));
            if let Some(made) = made {
                made.cells.extend(computed);
                if let Some(id) = record["id"].as_str() {
                    id.clone_into(&mut made.id);
                }
            }
        }
    }
    let id = base.id.clone();
    state.bases.retain(|other| other.id != id);
    state.bases.push(base);
    Ok(id)
}
