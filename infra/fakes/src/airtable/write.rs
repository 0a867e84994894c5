//! Records are made, changed, merged and deleted. A request is judged whole before anything changes; whether Airtable does that, too,
//! is not documented, so clients should not rely on it.

use super::access::Permission;
use super::cells::{self, Judge, Taken};
use super::change::Change;
use super::model::{Base, Field, Kind, Person, Record, Table, is_id};
use super::refusal::Refusal;
use crate::drawn::Drawn;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The most records of one request.
pub(crate) const MOST: usize = 10;

/// Who writes, when, and how.
pub(crate) struct Writer {
    pub(crate) user: Person,
    pub(crate) permission: Permission,
    pub(crate) now: Timestamp,
    pub(crate) typecast: bool,
    /// Cells that a change does not name are emptied.
    pub(crate) replace: bool,
}

/// What a record is asked to become.
pub(crate) struct Item<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) fields: &'a Map<String, Value>,
}

/// A record that a request made or changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) id: String,
    pub(crate) created: bool,
}

/// The cells of one record, judged.
type Judged = Vec<(String, Taken)>;

/// Makes or changes records, in the order of the items. With `merge`, an item without an id finds its record by these fields.
pub(crate) fn write(
    base: &mut Base,
    table: usize,
    items: &[Item<'_>],
    merge: Option<&[&str]>,
    writer: &Writer,
    drawn: &mut Drawn,
    change: &mut Change,
) -> Result<Vec<Done>, Refusal> {
    let mut planned: Vec<(Option<String>, Judged)> = Vec::new();
    {
        let judge = Judge {
            base,
            typecast: writer.typecast,
            may_add_options: writer.permission >= Permission::Create,
        };
        let at = &base.tables[table];
        let merge = match merge {
            Some(keys) => Some(merged_on(at, keys)?),
            None => None,
        };
        for item in items {
            let judged = judge_fields(at, item.fields, &judge, drawn)?;
            let id = match (item.id, &merge) {
                (Some(id), _) => Some(at.record(id).ok_or_else(|| Refusal::no_row(id))?.id.clone()),
                (None, Some(fields)) => matching(at, fields, &judged)?,
                (None, None) => None,
            };
            // Two items of one request that would make the same record: which one wins is not known.
            if id.is_none()
                && merge.is_some()
                && planned.iter().any(|other| same_key(merge.as_deref(), other, &judged))
            {
                return Err(Refusal::not_modelled("two records of one upsert with the same key"));
            }
            planned.push((id, judged));
        }
    }
    let mut done = Vec::new();
    for (id, judged) in planned {
        done.push(apply(base, table, id, judged, writer, drawn, change));
    }
    Ok(done)
}

fn judge_fields(
    table: &Table,
    fields: &Map<String, Value>,
    judge: &Judge<'_>,
    drawn: &mut Drawn,
) -> Result<Judged, Refusal> {
    let mut judged: Judged = Vec::new();
    for (key, value) in fields {
        let field = table.field(key).ok_or_else(|| Refusal::unknown_field(key))?;
        judged.push((field.id.clone(), cells::take(field, value, judge, drawn)?));
    }
    Ok(judged)
}

/// The fields of `fieldsToMergeOn`.
fn merged_on<'a>(table: &'a Table, keys: &[&str]) -> Result<Vec<&'a Field>, Refusal> {
    if keys.is_empty() || keys.len() > 3 {
        return Err(Refusal::parameters());
    }
    let find = |key: &&str| {
        let field = table.field(key).ok_or_else(|| Refusal::unknown_field(key))?;
        if field.kind.merges() { Ok(field) } else { Err(Refusal::parameters()) }
    };
    keys.iter().map(find).collect()
}

/// The record that has these values in the fields that are merged on. More than one fails the whole request.
fn matching(table: &Table, fields: &[&Field], judged: &Judged) -> Result<Option<String>, Refusal> {
    let mut wanted = Vec::new();
    for field in fields {
        let (_, taken) = judged.iter().find(|(id, _)| *id == field.id).ok_or_else(Refusal::parameters)?;
        wanted.push((&field.id, taken.value.as_ref()));
    }
    let mut found =
        table.records.iter().filter(|record| wanted.iter().all(|(id, v)| record.cells.get(*id) == *v));
    let first = found.next();
    // Airtable says more in words that are not documented.
    if found.next().is_some() {
        Err(Refusal::parameters())
    } else {
        Ok(first.map(|record| record.id.clone()))
    }
}

fn same_key(merge: Option<&[&Field]>, other: &(Option<String>, Judged), judged: &Judged) -> bool {
    let value = |cells: &Judged, field: &Field| {
        cells.iter().find(|(id, _)| *id == field.id).and_then(|(_, taken)| taken.value.clone())
    };
    let mut fields = merge.unwrap_or_default().iter();
    other.0.is_none() && fields.all(|field| value(&other.1, field) == value(judged, field))
}

fn apply(
    base: &mut Base,
    table: usize,
    id: Option<String>,
    judged: Judged,
    writer: &Writer,
    drawn: &mut Drawn,
    change: &mut Change,
) -> Done {
    let created = id.is_none();
    let at = &mut base.tables[table];
    let id = id.unwrap_or_else(|| {
        at.last_number += 1;
        let record = Record {
            id: drawn.text("rec", 14),
            created: writer.now,
            created_by: writer.user.clone(),
            modified_by: writer.user.clone(),
            number: at.last_number,
            cells: super::model::Cells::new(),
            written: std::collections::BTreeMap::new(),
        };
        let id = record.id.clone();
        at.records.push(record);
        id
    });
    let mut new: Vec<(String, Option<Value>)> = Vec::new();
    for (field, taken) in judged {
        add_options(at, &field, &taken.new_options, drawn);
        new.push((field, taken.value));
    }
    if writer.replace && !created {
        for field in at.fields.iter().filter(|field| !field.kind.is_computed()) {
            if !new.iter().any(|(named, _)| *named == field.id) {
                new.push((field.id.clone(), None));
            }
        }
    }
    change.touch(&at.id, &id, if created { None } else { at.record(&id).map(|record| record.cells.clone()) });
    for (field, value) in new {
        set(base, table, &id, &field, value, writer, change);
    }
    Done { id, created }
}

fn add_options(table: &mut Table, field: &str, names: &[String], drawn: &mut Drawn) {
    let Some(field) = table.fields.iter_mut().find(|other| other.id == field) else { return };
    for name in names {
        let choices = field.options.entry("choices").or_insert_with(|| json!([]));
        if let Value::Array(choices) = choices
            && !choices.iter().any(|choice| choice["name"] == json!(name))
        {
            choices.push(json!({"id": drawn.text("sel", 14), "name": name, "color": "blueLight2"}));
        }
    }
}

/// Sets one cell, and the other ends of links with it.
fn set(
    base: &mut Base,
    table: usize,
    id: &str,
    field: &str,
    value: Option<Value>,
    writer: &Writer,
    change: &mut Change,
) {
    let at = &mut base.tables[table];
    let Some(kind) = at.fields.iter().find(|other| other.id == field).cloned() else { return };
    let Some(record) = at.records.iter_mut().find(|record| record.id == id) else { return };
    let old = record.cells.get(field).cloned();
    if old == value {
        return;
    }
    match &value {
        Some(value) => record.cells.insert(field.to_owned(), value.clone()),
        None => record.cells.remove(field),
    };
    record.written.insert(field.to_owned(), writer.now);
    record.modified_by = writer.user.clone();
    if kind.kind != Kind::MultipleRecordLinks {
        return;
    }
    let (Some(other), Some(inverse)) = (kind.option("linkedTableId"), kind.option("inverseLinkFieldId"))
    else {
        return;
    };
    let ids = |value: &Option<Value>| -> Vec<String> {
        let items = value.as_ref().and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|id| id.as_str().map(str::to_owned)).collect()
    };
    let (before, after) = (ids(&old), ids(&value));
    let Some(other) = base.tables.iter_mut().find(|table| table.id == other) else { return };
    for record in &mut other.records {
        let (was, is) = (before.contains(&record.id), after.contains(&record.id));
        if was == is {
            continue;
        }
        change.touch(&other.id, &record.id, Some(record.cells.clone()));
        let mut linked = ids(&record.cells.get(inverse).cloned());
        linked.retain(|link| link != id);
        if is {
            linked.push(id.to_owned());
        }
        if linked.is_empty() {
            record.cells.remove(inverse);
        } else {
            record.cells.insert(inverse.to_owned(), json!(linked));
        }
        record.written.insert(inverse.to_owned(), writer.now);
    }
}

/// Deletes records, and the links to them.
pub(crate) fn delete(
    base: &mut Base,
    table: usize,
    ids: &[&str],
    now: Timestamp,
    change: &mut Change,
) -> Result<Value, Refusal> {
    if ids.is_empty() || ids.len() > MOST {
        return Err(Refusal::parameters());
    }
    if let Some(missing) = ids.iter().find(|id| base.tables[table].record(id).is_none()) {
        return Err(Refusal::no_row(missing));
    }
    let name = base.tables[table].id.clone();
    for id in ids {
        let at = &mut base.tables[table];
        change.destroy(&name, id, at.record(id).map(|record| record.cells.clone()));
        at.records.retain(|record| record.id != *id);
    }
    for other in &mut base.tables {
        let links: Vec<String> = other
            .fields
            .iter()
            .filter(|field| {
                field.kind == Kind::MultipleRecordLinks && field.option("linkedTableId") == Some(&name)
            })
            .map(|field| field.id.clone())
            .collect();
        for record in &mut other.records {
            for link in &links {
                let before = record.cells.clone();
                let Some(Value::Array(items)) = record.cells.get_mut(link) else { continue };
                let count = items.len();
                items.retain(|item| !ids.iter().any(|id| *item == json!(id)));
                let (left, gone) = (items.len(), items.len() != count);
                if gone {
                    change.touch(&other.id, &record.id, Some(before));
                    record.written.insert(link.clone(), now);
                }
                if left == 0 {
                    record.cells.remove(link);
                }
            }
        }
    }
    Ok(json!({"records": ids.iter().map(|id| json!({"id": id, "deleted": true})).collect::<Vec<_>>()}))
}

/// The items of a body that is for one record or for some.
pub(crate) fn items(body: &Map<String, Value>, create: bool, merge: bool) -> Result<Vec<Item<'_>>, Refusal> {
    let Some(records) = body.get("records") else {
        let fields = body.get("fields").ok_or_else(Refusal::missing_fields)?;
        return Ok(vec![Item { id: None, fields: fields.as_object().ok_or_else(Refusal::parameters)? }]);
    };
    let refused = || if create { Refusal::parameters() } else { Refusal::records() };
    let records =
        records.as_array().filter(|all| !all.is_empty() && all.len() <= MOST).ok_or_else(refused)?;
    let mut items = Vec::new();
    for record in records {
        let fields = match record.get("fields") {
            Some(fields) => fields.as_object().ok_or_else(refused)?,
            None if create => return Err(Refusal::missing_fields()),
            None => return Err(refused()),
        };
        let id = match record.get("id") {
            None if create || merge => None,
            Some(Value::String(id)) if !create && is_id(id, "rec") => Some(id.as_str()),
            _ => return Err(refused()),
        };
        items.push(Item { id, fields });
    }
    Ok(items)
}
