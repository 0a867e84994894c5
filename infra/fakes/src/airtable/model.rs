//! What Airtable keeps: bases, tables, fields, views, records.

use super::formula::Formula;
use super::refusal::Refusal;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Cells by the id of their field. An empty cell is absent.
pub(crate) type Cells = BTreeMap<String, Value>;

#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tables: Vec<Table>,
    pub(crate) hooks: Vec<super::hooks::Hook>,
    /// Counts the changes that were made, as webhooks tell them.
    pub(crate) transactions: u64,
    /// Who may stand in a collaborator's field.
    pub(crate) people: Vec<Person>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) name: String,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) primary: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) views: Vec<View>,
    pub(crate) records: Vec<Record>,
    pub(crate) last_number: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) description: Option<String>,
    pub(crate) options: Map<String, Value>,
}

#[derive(Debug)]
pub(crate) struct View {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) filter: Option<Formula>,
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    pub(crate) created_by: Person,
    pub(crate) modified_by: Person,
    pub(crate) number: u64,
    pub(crate) cells: Cells,
    /// When each cell was written last.
    pub(crate) written: BTreeMap<String, Timestamp>,
}

/// The types of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    AiText,
    AutoNumber,
    Barcode,
    Button,
    Checkbox,
    Count,
    CreatedBy,
    CreatedTime,
    Currency,
    Date,
    DateTime,
    Duration,
    Email,
    ExternalSyncSource,
    Formula,
    LastModifiedBy,
    LastModifiedTime,
    ManualSort,
    MultilineText,
    MultipleAttachments,
    MultipleCollaborators,
    MultipleLookupValues,
    MultipleRecordLinks,
    MultipleSelects,
    Number,
    Percent,
    PhoneNumber,
    Rating,
    RichText,
    Rollup,
    SingleCollaborator,
    SingleLineText,
    SingleSelect,
    Url,
}

impl Kind {
    /// Whether Airtable fills these cells itself.
    pub(crate) fn is_computed(self) -> bool {
        matches!(
            self,
            Self::AiText
                | Self::AutoNumber
                | Self::Button
                | Self::Count
                | Self::CreatedBy
                | Self::CreatedTime
                | Self::ExternalSyncSource
                | Self::Formula
                | Self::LastModifiedBy
                | Self::LastModifiedTime
                | Self::ManualSort
                | Self::MultipleLookupValues
                | Self::Rollup
        )
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(
            self,
            Self::SingleLineText
                | Self::MultilineText
                | Self::RichText
                | Self::Email
                | Self::Url
                | Self::PhoneNumber
        )
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Number | Self::Currency | Self::Percent | Self::Duration | Self::Rating)
    }

    /// Whether records may be merged on such a field.
    pub(crate) fn merges(self) -> bool {
        matches!(
            self,
            Self::Number
                | Self::SingleLineText
                | Self::MultilineText
                | Self::SingleSelect
                | Self::MultipleSelects
                | Self::Date
        )
    }
}

impl Field {
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).and_then(Value::as_str)
    }

    pub(crate) fn choices(&self) -> &[Value] {
        self.options.get("choices").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn schema(&self) -> Value {
        let mut schema = json!({"id": self.id, "name": self.name, "type": self.kind});
        if let Some(description) = &self.description {
            schema["description"] = json!(description);
        }
        if !self.options.is_empty() {
            schema["options"] = Value::Object(self.options.clone());
        }
        schema
    }
}

impl Table {
    /// A field by its id or its name.
    pub(crate) fn field(&self, key: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|field| field.id == key)
            .or_else(|| self.fields.iter().find(|field| field.name == key))
    }

    pub(crate) fn view(&self, key: &str) -> Option<&View> {
        self.views.iter().find(|view| view.id == key || view.name == key)
    }

    pub(crate) fn record(&self, id: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.id == id)
    }

    pub(crate) fn schema(&self, with_visible_fields: bool) -> Value {
        let views: Vec<Value> = self
            .views
            .iter()
            .map(|view| {
                let mut schema = json!({"id": view.id, "name": view.name, "type": view.kind});
                // Only grids say which fields they show.
                if with_visible_fields && view.kind == "grid" {
                    let ids: Vec<&str> = self.fields.iter().map(|field| field.id.as_str()).collect();
                    schema["visibleFieldIds"] = json!(ids);
                }
                schema
            })
            .collect();
        let fields: Vec<Value> = self.fields.iter().map(Field::schema).collect();
        let mut schema = json!({
            "id": self.id, "name": self.name, "primaryFieldId": self.primary, "fields": fields, "views": views,
        });
        if let Some(description) = &self.description {
            schema["description"] = json!(description);
        }
        schema
    }
}

impl Base {
    /// A table by its id or its name.
    pub(crate) fn table(&self, key: &str) -> Result<&Table, Refusal> {
        let found = self.tables.iter().find(|table| table.id == key);
        found.or_else(|| self.tables.iter().find(|table| table.name == key)).ok_or_else(Refusal::no_access)
    }

    pub(crate) fn position(&self, key: &str) -> Result<usize, Refusal> {
        let table = &self.table(key)?.id;
        self.tables.iter().position(|other| other.id == *table).ok_or_else(Refusal::no_access)
    }
}

/// Whether a text could be an id of this kind. The characters are observed, not promised, so only the length is held.
pub(crate) fn is_id(text: &str, prefix: &str) -> bool {
    text.len() == 17 && text.starts_with(prefix) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
