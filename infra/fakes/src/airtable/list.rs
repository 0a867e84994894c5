//! Lists of records: filtered, sorted, and page by page behind offsets that expire.

use super::formula::{Formula, Record as _};
use super::model::{Base, Field, Kind, Record, Table, is_id};
use super::read::{Form, Row};
use super::refusal::Refusal;
use crate::drawn::Drawn;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::HashMap;

/// How long an iterator that nobody asks is kept. Airtable does not say; a test can have them forgotten at once.
const KEPT: SignedDuration = SignedDuration::from_mins(5);

/// The lists that are being read.
#[derive(Debug, Default)]
pub(crate) struct Iterators {
    kept: HashMap<String, Iteration>,
}

#[derive(Debug)]
struct Iteration {
    table: String,
    ids: Vec<String>,
    asked: Timestamp,
}

impl Iterators {
    /// Forgets all, as Airtable does when it likes.
    pub(crate) fn forget(&mut self) {
        self.kept.clear();
    }
}

/// What a list is asked for, from the query and from the body alike.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    page_size: usize,
    most: Option<usize>,
    offset: Option<String>,
    view: Option<String>,
    sort: Vec<(String, bool)>,
    filter: Option<String>,
    fields: Vec<String>,
    by_id: bool,
    comment_count: bool,
}

impl Asked {
    /// Reads the parameters. What is not known is passed over: clients leave things of their own there.
    pub(crate) fn read(query: &[(String, String)], body: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut asked = Self { page_size: 100, ..Self::default() };
        let mut sort: std::collections::BTreeMap<usize, (Option<String>, bool)> =
            std::collections::BTreeMap::new();
        let mut string_cells = false;
        for (key, value) in query {
            match key.as_str() {
                "fields" | "fields[]" => asked.fields.push(value.clone()),
                "recordMetadata" | "recordMetadata[]" => asked.comment_count |= value == "commentCount",
                "cellFormat" => string_cells = cell_format(value)?,
                "returnFieldsByFieldId" => asked.by_id = truth(value)?,
                key if key.starts_with("fields[") => asked.fields.push(value.clone()),
                key if key.starts_with("sort[") => {
                    let parts: Vec<&str> = key.split(['[', ']']).filter(|part| !part.is_empty()).collect();
                    let [_, place, what] = parts.as_slice() else { return Err(Refusal::parameters()) };
                    let entry = sort.entry(place.parse().map_err(|_| Refusal::parameters())?).or_default();
                    match *what {
                        "field" => entry.0 = Some(value.clone()),
                        "direction" => entry.1 = descending(value)?,
                        _ => return Err(Refusal::parameters()),
                    }
                }
                _ => asked.scalar(key, value)?,
            }
        }
        for (field, descending) in sort.into_values() {
            asked.sort.push((field.ok_or_else(Refusal::parameters)?, descending));
        }
        for (key, value) in body {
            match (key.as_str(), value) {
                ("fields", Value::Array(names)) => {
                    for name in names {
                        asked.fields.push(name.as_str().ok_or_else(Refusal::parameters)?.to_owned());
                    }
                }
                ("sort", Value::Array(items)) => {
                    for item in items {
                        let field = item["field"].as_str().ok_or_else(Refusal::parameters)?;
                        let direction = item.get("direction").map_or(Some("asc"), Value::as_str);
                        asked.sort.push((
                            field.to_owned(),
                            descending(direction.ok_or_else(Refusal::parameters)?)?,
                        ));
                    }
                }
                ("recordMetadata", Value::Array(items)) => {
                    asked.comment_count |= items.contains(&json!("commentCount"));
                }
                ("returnFieldsByFieldId", Value::Bool(truth)) => asked.by_id = *truth,
                ("fields" | "sort" | "recordMetadata" | "returnFieldsByFieldId", _) => {
                    return Err(Refusal::parameters());
                }
                ("cellFormat", Value::String(format)) => string_cells = cell_format(format)?,
                (_, Value::String(text)) => asked.scalar(key, text)?,
                (_, Value::Number(number)) => asked.scalar(key, &number.to_string())?,
                _ => {}
            }
        }
        if string_cells {
            let given = |name: &str| query.iter().any(|(key, _)| key == name) || body.contains_key(name);
            return Err(if given("timeZone") && given("userLocale") {
                Refusal::not_modelled("cells as a person's locale writes them")
            } else {
                Refusal::parameters()
            });
        }
        Ok(asked)
    }

    fn scalar(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        let number = || value.parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(Refusal::parameters);
        match key {
            // Whether Airtable refuses more or gives less is not documented: this refuses, so that nobody relies on it.
            "pageSize" => {
                self.page_size = number()?;
                if self.page_size > 100 {
                    return Err(Refusal::parameters());
                }
            }
            "maxRecords" => self.most = Some(number()?),
            "offset" => self.offset = Some(value.to_owned()),
            "view" if !value.is_empty() => self.view = Some(value.to_owned()),
            "filterByFormula" if !value.is_empty() => self.filter = Some(value.to_owned()),
            _ => {}
        }
        Ok(())
    }
}

fn cell_format(value: &str) -> Result<bool, Refusal> {
    match value {
        "json" => Ok(false),
        "string" => Ok(true),
        _ => Err(Refusal::parameters()),
    }
}

fn descending(value: &str) -> Result<bool, Refusal> {
    match value {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(Refusal::parameters()),
    }
}

/// `1`, `0`, `true`, `false`: pyairtable sends the digits.
pub(crate) fn truth(value: &str) -> Result<bool, Refusal> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" | "" => Ok(false),
        _ => Err(Refusal::parameters()),
    }
}

/// One page.
pub(crate) fn list(
    base: &Base,
    table: &Table,
    asked: &Asked,
    iterators: &mut Iterators,
    drawn: &mut Drawn,
    (now, origin): (Timestamp, &str),
) -> Result<Value, Refusal> {
    let mut form = Form { by_id: asked.by_id, comment_count: asked.comment_count, fields: Vec::new() };
    for key in &asked.fields {
        form.fields.push(table.field(key).ok_or_else(|| Refusal::unknown_field(key))?.id.clone());
    }
    iterators.kept.retain(|_, iteration| now.duration_since(iteration.asked) < KEPT);
    let (name, from) = match &asked.offset {
        None => {
            let mut ids = chosen(base, table, asked, now, origin)?;
            ids.truncate(asked.most.unwrap_or(usize::MAX));
            let name = drawn.text("itr", 14);
            iterators.kept.insert(name.clone(), Iteration { table: table.id.clone(), ids, asked: now });
            (name, 0)
        }
        Some(offset) => {
            let (name, record) = offset.split_once('/').ok_or_else(Refusal::offset)?;
            if !is_id(name, "itr") || !is_id(record, "rec") {
                return Err(Refusal::offset());
            }
            let iteration = iterators.kept.get(name).filter(|iteration| iteration.table == table.id);
            let iteration = iteration.ok_or_else(Refusal::iterator)?;
            // The record says where the page begins, so that a page can be asked for twice.
            let from = iteration.ids.iter().position(|id| id == record).ok_or_else(Refusal::offset)?;
            (name.to_owned(), from)
        }
    };
    let Some(iteration) = iterators.kept.get_mut(&name) else { return Err(Refusal::iterator()) };
    iteration.asked = now;
    let to = iteration.ids.len().min(from + asked.page_size);
    let records: Vec<Value> = iteration.ids[from..to]
        .iter()
        .filter_map(|id| table.record(id))
        .map(|record| Row::new(base, table, record, now, origin).answer(&form))
        .collect();
    let mut page = json!({"records": records});
    match iteration.ids.get(to) {
        Some(next) => page["offset"] = json!(format!("{name}/{next}")),
        None if from == 0 => {
            iterators.kept.remove(&name);
        }
        None => {}
    }
    Ok(page)
}

/// The ids of the records that a list has, in its order.
fn chosen(
    base: &Base,
    table: &Table,
    asked: &Asked,
    now: Timestamp,
    origin: &str,
) -> Result<Vec<String>, Refusal> {
    let view = match &asked.view {
        Some(key) => Some(table.view(key).ok_or_else(|| Refusal::view(key))?),
        None => None,
    };
    let filter = match &asked.filter {
        Some(text) => {
            Some(Formula::parse(text, |name| table.field(name).is_some()).map_err(Refusal::formula)?)
        }
        None => None,
    };
    let mut sort = Vec::new();
    for (key, descending) in &asked.sort {
        sort.push((table.field(key).ok_or_else(|| Refusal::unknown_field(key))?, *descending));
    }
    let mut records: Vec<&Record> = Vec::new();
    for record in &table.records {
        let row = Row::new(base, table, record, now, origin);
        let mut kept = true;
        for formula in view.and_then(|view| view.filter.as_ref()).into_iter().chain(&filter) {
            kept = kept && formula.evaluate(&row).map_err(Refusal::formula)?.keeps();
        }
        if kept {
            records.push(record);
        }
    }
    if view.is_none() {
        // Without a view the order is arbitrary, and a client that relies on the order of creation shall see it.
        records.sort_by(|left, right| left.id.cmp(&right.id));
    }
    records.sort_by(|left, right| {
        let rows = [left, right].map(|record| Row::new(base, table, record, now, origin));
        sort.iter().fold(Ordering::Equal, |order, (field, descending)| {
            order.then_with(|| {
                let order = compared(rows[0], rows[1], field);
                if *descending { order.reverse() } else { order }
            })
        })
    });
    Ok(records.into_iter().map(|record| record.id.clone()).collect())
}

/// Empty cells come first; options in the order that the field gives them; text without regard to capital letters.
fn compared(left: Row<'_>, right: Row<'_>, field: &Field) -> Ordering {
    use super::formula::Value as Cell;
    let place = |row: Row<'_>| {
        let name = row.value(field);
        field.choices().iter().position(|choice| Some(&choice["name"]) == name.as_ref())
    };
    if field.kind == Kind::SingleSelect {
        return place(left).cmp(&place(right));
    }
    let (left, right) = (left.cell(&field.id), right.cell(&field.id));
    let rank = |cell: &Cell| u8::from(!matches!(cell, Cell::Blank));
    match (&left, &right) {
        (Cell::Number(left), Cell::Number(right)) => left.total_cmp(right),
        (Cell::Moment(left), Cell::Moment(right)) => left.cmp(right),
        (Cell::Text(left), Cell::Text(right)) => {
            left.to_lowercase().cmp(&right.to_lowercase()).then_with(|| left.cmp(right))
        }
        _ => rank(&left).cmp(&rank(&right)).then_with(|| format!("{left:?}").cmp(&format!("{right:?}"))),
    }
}
