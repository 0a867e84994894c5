//! Records as they are answered: cells that are computed, cells within formulas, addresses of files that live for two hours.

use super::formula::{self, Formula};
use super::model::{Base, Field, Kind, Record, Table};
use crate::moment::moment;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde_json::{Map, Value, json};

/// Formulas that name formulas are followed so far; a circle is an error.
const DEEPEST: u8 = 8;

/// A record in its table, at a moment.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) base: &'a Base,
    pub(crate) table: &'a Table,
    pub(crate) record: &'a Record,
    pub(crate) now: Timestamp,
    /// Where the fake is reached.
    pub(crate) origin: &'a str,
    depth: u8,
}

/// How records are answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    /// The ids of the fields that are answered; all, if none is named.
    pub(crate) fields: Vec<String>,
    pub(crate) by_id: bool,
    pub(crate) comment_count: bool,
}

impl<'a> Row<'a> {
    pub(crate) fn new(
        base: &'a Base,
        table: &'a Table,
        record: &'a Record,
        now: Timestamp,
        origin: &'a str,
    ) -> Self {
        Self { base, table, record, now, origin, depth: 0 }
    }

    /// The whole record.
    pub(crate) fn answer(self, form: &Form) -> Value {
        let mut fields = Map::new();
        for field in &self.table.fields {
            if !form.fields.is_empty() && !form.fields.contains(&field.id) {
                continue;
            }
            if let Some(value) = self.value(field) {
                fields.insert(if form.by_id { field.id.clone() } else { field.name.clone() }, value);
            }
        }
        let mut answer =
            json!({"id": self.record.id, "createdTime": moment(self.record.created), "fields": fields});
        if form.comment_count {
            answer["commentCount"] = json!(0);
        }
        answer
    }

    /// A cell, unless it is empty.
    pub(crate) fn value(self, field: &Field) -> Option<Value> {
        let record = self.record;
        match field.kind {
            Kind::CreatedTime => Some(json!(moment(record.created))),
            Kind::CreatedBy => Some(json!(record.created_by)),
            Kind::LastModifiedBy => Some(json!(record.modified_by)),
            Kind::AutoNumber => Some(json!(record.number)),
            Kind::LastModifiedTime => {
                let named = field.options.get("referencedFieldIds").and_then(Value::as_array);
                let named: Vec<String> =
                    named.into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect();
                Some(json!(moment(self.modified_of(&named))))
            }
            Kind::Count => Some(json!(self.linked(field).map_or(0, |(_, records)| records.len()))),
            Kind::MultipleLookupValues => {
                let (table, records) = self.linked(field)?;
                let wanted = table.field(field.option("fieldIdInLinkedTable")?)?;
                let mut values = Vec::new();
                for record in records {
                    match self.at(table, record)?.value(wanted) {
                        Some(Value::Array(items)) => values.extend(items),
                        Some(value) => values.push(value),
                        None => {}
                    }
                }
                (!values.is_empty()).then_some(Value::Array(values))
            }
            Kind::Formula => shown(self.calculated(field)),
            Kind::MultipleAttachments => match record.cells.get(&field.id)? {
                Value::Array(items) => Some(Value::Array(items.iter().map(|item| self.file(item)).collect())),
                other => Some(other.clone()),
            },
            // What else is computed stands in the cells as it was put there at the start.
            _ => record.cells.get(&field.id).cloned(),
        }
    }

    /// The linked records of a field, or of the link field that a computed field looks through.
    pub(crate) fn linked(self, field: &Field) -> Option<(&'a Table, Vec<&'a Record>)> {
        let link = match field.option("recordLinkFieldId") {
            Some(id) => self.table.field(id)?,
            None => field,
        };
        let table = self.base.table(link.option("linkedTableId")?).ok()?;
        let ids = self.record.cells.get(&link.id).and_then(Value::as_array);
        Some((table, ids.into_iter().flatten().filter_map(|id| table.record(id.as_str()?)).collect()))
    }

    /// The name of the record: its primary cell as text.
    pub(crate) fn name(self) -> String {
        let primary = self.table.field(&self.table.primary).and_then(|field| self.value(field));
        match primary {
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
            None => String::new(),
        }
    }

    /// Another record, one step deeper.
    pub(crate) fn at(self, table: &'a Table, record: &'a Record) -> Option<Self> {
        (self.depth < DEEPEST).then(|| Self { table, record, depth: self.depth + 1, ..self })
    }

    fn modified_of(self, fields: &[String]) -> Timestamp {
        let ids: Vec<&str> =
            fields.iter().filter_map(|key| self.table.field(key)).map(|f| f.id.as_str()).collect();
        let written =
            self.record.written.iter().filter(|(id, _)| ids.is_empty() || ids.contains(&id.as_str()));
        written.map(|(_, at)| *at).max().unwrap_or(self.record.created)
    }

    fn calculated(self, field: &Field) -> formula::Value {
        let Some(deeper) = self.at(self.table, self.record) else { return formula::Value::Error };
        let text = field.option("formula").unwrap_or_default();
        Formula::parse(text, |name| self.table.field(name).is_some())
            .and_then(|formula| formula.evaluate(&deeper))
            .unwrap_or(formula::Value::Error)
    }

    /// A file that was uploaded gets a new address each time that it is read.
    fn file(self, item: &Value) -> Value {
        let mut item = item.clone();
        if item.get("url").is_none() {
            let until = self.now.as_millisecond() + 2 * 60 * 60 * 1000;
            let id = item["id"].as_str().unwrap_or_default();
            item["url"] = json!(format!("{}/airtableusercontent/{until}/{id}", self.origin));
        }
        item
    }
}

/// The result of a formula, as a cell shows it.
fn shown(value: formula::Value) -> Option<Value> {
    match value {
        formula::Value::Blank => None,
        formula::Value::Text(text) => (!text.is_empty()).then(|| json!(text)),
        formula::Value::Number(number) if number.is_nan() => Some(json!({"specialValue": "NaN"})),
        formula::Value::Number(number) if number.is_infinite() => Some(json!({"specialValue": "Infinity"})),
        #[expect(clippy::float_cmp, reason = "only a whole number is written without a point")]
        formula::Value::Number(number) if number.trunc() == number && number.abs() < 9e15 => {
            Some(json!(number as i64))
        }
        formula::Value::Number(number) => Some(json!(number)),
        formula::Value::Bool(truth) => truth.then(|| json!(true)),
        formula::Value::Moment(at) => Some(json!(moment(at))),
        formula::Value::List(items) => Some(Value::Array(items.into_iter().filter_map(shown).collect())),
        formula::Value::Error => Some(json!({"error": "#ERROR!"})),
    }
}

impl formula::Record for Row<'_> {
    fn cell(&self, key: &str) -> formula::Value {
        let Some(field) = self.table.field(key) else { return formula::Value::Error };
        match field.kind {
            Kind::Formula => self.calculated(field),
            Kind::MultipleRecordLinks => {
                let Some((table, records)) = self.linked(field) else { return formula::Value::Blank };
                let names = records.iter().filter_map(|record| self.at(table, record)).map(Row::name);
                formula::Value::List(names.map(formula::Value::Text).collect())
            }
            Kind::MultipleLookupValues => {
                let wanted = self
                    .linked(field)
                    .and_then(|(table, _)| table.field(field.option("fieldIdInLinkedTable")?));
                let kind = wanted.map_or(Kind::SingleLineText, |field| field.kind);
                self.value(field).map_or(formula::Value::Blank, |value| within(kind, &value))
            }
            kind => self.value(field).map_or(formula::Value::Blank, |value| within(kind, &value)),
        }
    }

    fn id(&self) -> &str {
        &self.record.id
    }

    fn created(&self) -> Timestamp {
        self.record.created
    }

    fn modified(&self, fields: &[String]) -> Timestamp {
        self.modified_of(fields)
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}

/// A cell's value as formulas see it.
fn within(kind: Kind, value: &Value) -> formula::Value {
    match value {
        Value::Null => formula::Value::Blank,
        Value::Bool(truth) => formula::Value::Bool(*truth),
        Value::Number(number) => formula::Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => match kind {
            Kind::Date => text
                .parse::<civil::Date>()
                .and_then(|day| day.to_zoned(TimeZone::UTC))
                .map_or(formula::Value::Error, |day| formula::Value::Moment(day.timestamp())),
            Kind::DateTime | Kind::CreatedTime | Kind::LastModifiedTime => {
                text.parse().map_or(formula::Value::Error, formula::Value::Moment)
            }
            _ => formula::Value::Text(text.clone()),
        },
        Value::Array(items) => formula::Value::List(items.iter().map(|item| within(kind, item)).collect()),
        Value::Object(parts) => {
            if parts.get("specialValue").is_some() {
                return formula::Value::Number(f64::NAN);
            }
            // A collaborator, a file, a barcode, an AI text: by what a reader would see of it.
            let seen = ["name", "filename", "text", "value"].iter().find_map(|key| parts.get(*key));
            match seen.and_then(Value::as_str) {
                Some(text) => formula::Value::Text(text.to_owned()),
                None => formula::Value::Error,
            }
        }
    }
}
