//! Schemas that depend on a table of the user's own: its columns are asked of the app, and put where the manifest says.
//!
//! Nothing is sent here: [`Source::question`] gives what to ask, [`Source::columns`] what the answer holds, [`Shape::put`] puts it in. Runs
//! know nothing of it: what they send is held against the schemas of the manifest alone.

use crate::call::MAX_ITEMS_FIELD;
use crate::manifest::Manifest;
use crate::read::{Scope, harmless, of, parse, template, texts};
use crate::{evaluate, schema, with_max_items};
use domain::fault::{self, Fault};
use domain::read::Reader;
use domain::run::StepError;
use expr::Template;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many columns of a table are given, and how many bytes their schemas may have.
pub const MAX_COLUMNS: usize = 1_000;
const MAX_BYTES: usize = 500_000;
/// How deep a column's schema may be: what the app says stands in it.
const MAX_DEPTH: usize = 16;
/// A longer list of choices is none: a form shows a text instead.
const MAX_CHOICES: usize = 1_000;
/// How long a place may be, and how many there may be in an input and in an output: each holds all columns.
const MAX_PLACE: usize = 8;
const MAX_PLACES: usize = 4;

/// Where the columns of a table come from.
#[derive(Debug)]
pub struct Source {
    /// Where the app documents its types of columns.
    pub docs: Option<String>,
    /// The action that tells them. It changes nothing.
    pub action: String,
    /// Fields of the input without which it cannot be asked; dots lead into objects.
    pub needs: Vec<String>,
    /// What the action is given; reads `input`, which is what is filled in so far.
    pub input: Template,
    /// Which of the tables that the action tells is meant.
    pub table: Option<Table>,
    /// The columns, a list or an object of them; reads `input`, `output` and `table`.
    pub columns: Template,
    /// What a column is called where its value stands; reads `input`, `item`, and `key`, as all that follows.
    pub name: Template,
    pub title: Template,
    pub description: Template,
    /// The app's own type of a column.
    pub kind: Template,
    /// JSON Schemas by that type.
    pub types: BTreeMap<String, Template>,
    /// Those of types that are read in another form than they are written, or only read.
    pub read_types: BTreeMap<String, Template>,
    /// Whether a column cannot be written, whatever its type.
    pub read_only: Option<Template>,
}

/// One of several tables, found by what its fields are: to look for it in an expression costs more than may be spent in place.
#[derive(Debug)]
pub struct Table {
    /// The list of tables; reads `input` and `output`.
    pub of: Template,
    /// The fields by which one is named, such as its id and its name.
    pub by: Vec<String>,
    /// What one of them is; reads `input`.
    pub is: Template,
}

impl Table {
    /// The one that is meant, or null.
    fn find(&self, scope: &Value, now_ms: i64) -> Result<Value, StepError> {
        let is = evaluate(&self.is, scope, now_ms)?;
        let Value::Array(mut tables) = evaluate(&self.of, scope, now_ms)? else { return Ok(Value::Null) };
        let named = |field: &String| tables.iter().position(|table| !is.is_null() && table[field] == is);
        Ok(self.by.iter().find_map(named).map(|at| tables.swap_remove(at)).unwrap_or_default())
    }
}

/// Where in the schemas of an action or a trigger columns stand.
#[derive(Debug, Default)]
pub struct Dynamic {
    pub input: Vec<Place>,
    pub output: Vec<Place>,
}

/// An object whose properties are columns.
#[derive(Debug)]
pub struct Place {
    /// As it is written: `records[].fields`.
    path: String,
    steps: Vec<Step>,
    source: String,
}

#[derive(Debug)]
enum Step {
    Property(String),
    Items,
}

/// The columns of one table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Columns {
    columns: Vec<Column>,
    /// Whether the table has more.
    pub more: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    name: String,
    read: Value,
    /// `None` where it cannot be written.
    written: Option<Value>,
}

impl Columns {
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }
}

/// What an action or a trigger takes and gives.
#[derive(Debug)]
pub struct Shape<'m> {
    manifest: &'m Manifest,
    dynamic: &'m Dynamic,
    input: Value,
    output: Value,
}

impl Manifest {
    /// What an action takes and gives as far as the manifest knows.
    pub fn shape_of_action(&self, name: &str) -> Option<Shape<'_>> {
        let action = self.actions.get(name)?;
        let input = if action.pages.is_some() { with_max_items(&action.input) } else { action.input.clone() };
        Some(Shape { manifest: self, dynamic: &action.dynamic, input, output: action.output.clone() })
    }

    /// What a trigger asks for, and its record.
    pub fn shape_of_trigger(&self, name: &str) -> Option<Shape<'_>> {
        let trigger = self.triggers.get(name)?;
        let (input, output) = (trigger.input.clone(), trigger.output.clone());
        Some(Shape { manifest: self, dynamic: &trigger.dynamic, input, output })
    }
}

impl<'m> Shape<'m> {
    /// The sources that are to be asked, each once.
    pub fn sources(&self) -> impl Iterator<Item = (&'m str, &'m Source)> {
        let places = self.dynamic.input.iter().chain(&self.dynamic.output);
        let names: BTreeSet<&str> = places.map(|place| place.source.as_str()).collect();
        let manifest = self.manifest;
        names.into_iter().filter_map(|name| Some((name, manifest.dynamic_schemas.get(name)?)))
    }

    /// What must be filled in before the app can be asked.
    pub fn missing(&self, filled: &Value) -> Vec<Fault> {
        let needed: BTreeSet<&str> =
            self.sources().flat_map(|(_, source)| &source.needs).map(String::as_str).collect();
        let missing = needed.into_iter().filter(|path| !is_filled(filled, path));
        let fault = |path: &str| {
            let message = format!("`{path}` must be filled in first: the columns depend on it");
            let at = path.split('.').fold("/input".to_owned(), |at, name| fault::join(&at, name));
            Fault::new(at, "missing_field", message)
        };
        missing.map(fault).collect()
    }

    /// Puts the columns of a source where they stand. What is said there of no columns stays.
    pub fn put(&mut self, source: &str, columns: &Columns) {
        if columns.is_empty() {
            return;
        }
        let schemas = &self.manifest.schemas;
        for place in self.dynamic.input.iter().filter(|place| place.source == source) {
            let written =
                columns.columns.iter().filter_map(|of| Some((of.name.clone(), of.written.clone()?)));
            put(&mut self.input, &place.steps, written.collect(), schemas);
        }
        for place in self.dynamic.output.iter().filter(|place| place.source == source) {
            let read = columns.columns.iter().map(|of| (of.name.clone(), of.read.clone()));
            put(&mut self.output, &place.steps, read.collect(), schemas);
        }
    }

    /// Input and output, each with the schemas that it refers to.
    pub fn schemas(&self) -> (Value, Value) {
        let whole = |schema| schema::standalone(schema, &self.manifest.schemas);
        (whole(&self.input), whole(&self.output))
    }
}

/// A text that a run computes says nothing to the app now.
fn is_filled(filled: &Value, path: &str) -> bool {
    let value = path.split('.').try_fold(filled, |value, name| value.get(name));
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty() && !text.contains("{{"),
        Some(_) => true,
    }
}

/// References on the way are replaced by what they lead to: others that share it have other columns.
fn put(schema: &mut Value, steps: &[Step], columns: Map<String, Value>, schemas: &Map<String, Value>) {
    *schema = schema::resolved(schema, schemas).clone();
    let Some(words) = schema.as_object_mut() else { return };
    let inner = match steps.split_first() {
        None => {
            // They name columns of some other table.
            words.retain(|word, _| !matches!(word.as_str(), "examples" | "default"));
            words.insert("type".to_owned(), "object".into());
            words.insert("properties".to_owned(), Value::Object(columns));
            return;
        }
        Some((Step::Items, rest)) => words.get_mut("items").map(|inner| (inner, rest)),
        Some((Step::Property(name), rest)) => {
            words.get_mut("properties").and_then(|all| all.get_mut(name)).map(|inner| (inner, rest))
        }
    };
    if let Some((inner, rest)) = inner {
        put(inner, rest, columns, schemas);
    }
}

impl Source {
    /// What the action is given.
    pub fn question(&self, manifest: &Manifest, filled: &Value, now_ms: i64) -> Result<Value, StepError> {
        let mut question = match evaluate(&self.input, &json!({"input": filled}), now_ms)? {
            Value::Object(question) => question,
            _ => Map::new(),
        };
        question.retain(|_, value| !value.is_null());
        if manifest.actions.get(&self.action).is_some_and(|action| action.pages.is_some()) {
            question.entry(MAX_ITEMS_FIELD).or_insert(MAX_COLUMNS.into());
        }
        Ok(Value::Object(question))
    }

    /// The columns that an answer tells; none where it knows no such table.
    pub fn columns(&self, mut output: Value, filled: &Value, now_ms: i64) -> Result<Columns, StepError> {
        let mut scope = json!({"input": filled});
        scope["output"] = output.take();
        if let Some(table) = &self.table {
            scope["table"] = table.find(&scope, now_ms)?;
        }
        let items: Vec<(Option<String>, Value)> = match evaluate(&self.columns, &scope, now_ms)? {
            Value::Array(items) => items.into_iter().map(|item| (None, item)).collect(),
            Value::Object(items) => items.into_iter().map(|(key, item)| (Some(key), item)).collect(),
            Value::Null => Vec::new(),
            _ => {
                return Err(StepError::fatal("app_response_invalid", "the app gave no list of columns"));
            }
        };
        let mut scope = json!({"input": filled});
        let mut found = Columns::default();
        let mut names = BTreeSet::new();
        let mut bytes = 0;
        for (key, item) in items {
            scope["key"] = key.into();
            scope["item"] = item;
            let Some(column) = self.column(&scope, now_ms)? else { continue };
            bytes += [Some(&column.read), column.written.as_ref()]
                .into_iter()
                .flatten()
                .map(length)
                .sum::<usize>();
            if found.columns.len() == MAX_COLUMNS || bytes > MAX_BYTES {
                found.more = true;
                break;
            }
            if names.insert(column.name.clone()) {
                found.columns.push(column);
            }
        }
        Ok(found)
    }

    /// `None` of what has no name.
    fn column(&self, scope: &Value, now_ms: i64) -> Result<Option<Column>, StepError> {
        let text = |template: &Template| -> Result<String, StepError> {
            Ok(match evaluate(template, scope, now_ms)? {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                _ => String::new(),
            })
        };
        let name = text(&self.name)?;
        if name.is_empty() {
            return Ok(None);
        }
        let (title, description, kind) = (text(&self.title)?, text(&self.description)?, text(&self.kind)?);
        let rendered = |template: &Template| -> Result<Value, StepError> {
            let mut schema = tidied(evaluate(template, scope, now_ms)?);
            if let Some(words) = schema.as_object_mut() {
                words.insert(
                    "title".to_owned(),
                    if title.is_empty() { &name } else { &title }.as_str().into(),
                );
                if !description.is_empty() {
                    words.insert("description".to_owned(), description.as_str().into());
                }
            }
            Ok(schema)
        };
        let read_only = match &self.read_only {
            Some(template) => evaluate(template, scope, now_ms)? == true,
            None => false,
        };
        // Apps get new types: a value of one that is not known may be anything.
        let anything = Template::parse(&json!({})).expect("it holds no expression");
        let written = match (self.types.get(&kind), self.read_types.get(&kind)) {
            _ if read_only => None,
            (Some(both), _) => Some(rendered(both)?),
            (None, Some(_)) => None,
            (None, None) => Some(rendered(&anything)?),
        };
        let mut read = match (self.read_types.get(&kind).or_else(|| self.types.get(&kind)), &written) {
            (Some(template), _) => rendered(template)?,
            (None, Some(written)) => written.clone(),
            (None, None) => rendered(&anything)?,
        };
        if let (None, Some(words)) = (&written, read.as_object_mut()) {
            words.insert("readOnly".to_owned(), true.into());
        }
        Ok(Some(Column { name, read, written }))
    }
}

/// A schema without lists of choices that say nothing, and not too deep.
fn tidied(mut schema: Value) -> Value {
    fn tidy(schema: &mut Value, depth: usize) -> bool {
        if let Some(words) = schema.as_object_mut() {
            // What is an object is a property of that name.
            let says = |choices: &Value| {
                choices.as_array().map_or(choices.is_object(), |all| (1..=MAX_CHOICES).contains(&all.len()))
            };
            words.retain(|word, value| word != "enum" || says(value));
        }
        depth <= MAX_DEPTH
            && match schema {
                Value::Object(members) => members.values_mut().all(|member| tidy(member, depth + 1)),
                Value::Array(members) => members.iter_mut().all(|member| tidy(member, depth + 1)),
                _ => true,
            }
    }
    if tidy(&mut schema, 0) && schema.is_object() { schema } else { json!({}) }
}

fn length(schema: &Value) -> usize {
    serde_json::to_string(schema).map_or(0, |text| text.len())
}

/// Reads a source of a manifest.
pub(crate) fn source(r: &mut Reader<'_>) -> Option<Source> {
    for field in ["columns", "name", "type"] {
        r.required(field);
    }
    let docs = r.optional_text("docs", 2000);
    let action = r.text("action");
    let needs = texts(r, "needs");
    let table = r.nested("table", table);
    let input = template(r, "input", Scope::Filled);
    let columns = template(r, "columns", Scope::Columns);
    let name = template(r, "name", Scope::Column);
    let mut optional = |field| match r.take(field) {
        Some(_) => template(r, field, Scope::Column),
        None => of(r, field, &Value::Null, Scope::Column),
    };
    let (title, description) = (optional("title"), optional("description"));
    let kind = template(r, "type", Scope::Column);
    let (types, read_types) = (types(r, "types"), types(r, "read_types"));
    let read_only = r.take("read_only").is_some().then(|| template(r, "read_only", Scope::Column));
    Some(Source {
        docs,
        action: action?,
        needs,
        input,
        table,
        columns,
        name,
        title,
        description,
        kind,
        types,
        read_types,
        read_only,
    })
}

fn table(r: &mut Reader<'_>) -> Table {
    for field in ["of", "by", "is"] {
        r.required(field);
    }
    let of = template(r, "of", Scope::Answered);
    Table { of, by: texts(r, "by"), is: template(r, "is", Scope::Filled) }
}

/// JSON Schemas by the app's names for its types.
fn types(r: &mut Reader<'_>, field: &'static str) -> BTreeMap<String, Template> {
    let Some(value) = r.take(field).cloned() else { return BTreeMap::new() };
    let at = fault::join(r.pointer(), field);
    let Value::Object(members) = value else {
        r.fault_at(field, "type_mismatch", format!("`{field}` must be an object of JSON Schemas"));
        return BTreeMap::new();
    };
    let read = |(name, schema): (&String, &Value)| {
        (name.clone(), parse(r.walk(), &fault::join(&at, name), schema, Scope::Column))
    };
    members.iter().map(read).collect()
}

/// Reads where columns stand.
pub(crate) fn dynamic(r: &mut Reader<'_>) -> Dynamic {
    let read = r.nested("dynamic", |r| Dynamic { input: places(r, "input"), output: places(r, "output") });
    read.unwrap_or_default()
}

fn places(r: &mut Reader<'_>, field: &'static str) -> Vec<Place> {
    let Some(value) = r.take(field).cloned() else { return Vec::new() };
    let at = fault::join(r.pointer(), field);
    let Value::Object(members) = value else {
        r.fault_at(
            field,
            "type_mismatch",
            format!("`{field}` must be an object: places, and where their columns come from"),
        );
        return Vec::new();
    };
    if members.len() > MAX_PLACES {
        r.fault_at(field, "invalid_place", format!("there are {MAX_PLACES} places at most"));
    }
    let mut found = Vec::new();
    for (path, source) in &members {
        match (steps(path), source.as_str()) {
            (Some(steps), Some(source)) => {
                found.push(Place { path: path.clone(), steps, source: source.to_owned() });
            }
            (None, _) => {
                let message = "a place is names of fields with dots between them, and `[]` behind a list: `records[].fields`";
                r.walk().fault(&fault::join(&at, path), "invalid_place", message);
            }
            (_, None) => {
                let message = "the name of one of `dynamic_schemas` is needed";
                r.walk().fault(&fault::join(&at, path), "type_mismatch", message);
            }
        }
    }
    found
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (name, is_list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
        if name.is_empty() || name.contains(['[', ']']) {
            return None;
        }
        steps.push(Step::Property(name.to_owned()));
        steps.extend(is_list.then_some(Step::Items));
    }
    (steps.len() <= MAX_PLACE).then_some(steps)
}

/// What can be said only once all is read.
pub(crate) fn cross(manifest: &Manifest) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, source) in &manifest.dynamic_schemas {
        let at = fault::join("/dynamic_schemas", name);
        faults.extend(harmless(manifest, &source.action, &at));
        for (field, types) in [("types", &source.types), ("read_types", &source.read_types)] {
            for kind in types.keys() {
                let schema = &manifest.document["dynamic_schemas"][name][field][kind];
                let at = fault::join(&format!("{at}/{field}"), kind);
                schema::well_formed(schema, &at, &manifest.schemas, &mut faults);
            }
        }
    }
    for (name, action) in &manifest.actions {
        let at = fault::join("/actions", name);
        placed(manifest, &action.dynamic, &action.input, &action.output, &at, &mut faults);
    }
    for (name, trigger) in &manifest.triggers {
        let at = fault::join("/triggers", name);
        placed(manifest, &trigger.dynamic, &trigger.input, &trigger.output, &at, &mut faults);
    }
    faults
}

/// Whether places and what their sources need are there.
fn placed(
    manifest: &Manifest,
    dynamic: &Dynamic,
    input: &Value,
    output: &Value,
    at: &str,
    faults: &mut Vec<Fault>,
) {
    for (side, places, schema) in [("input", &dynamic.input, input), ("output", &dynamic.output, output)] {
        for place in places {
            let at = fault::join(&format!("{at}/dynamic/{side}"), &place.path);
            let mut fault = |message: String| faults.push(Fault::new(&at, "unknown_reference", message));
            if find(schema, &place.steps, &manifest.schemas).is_none() {
                fault(format!("the {side} has no `{}`", place.path));
            }
            let Some(source) = manifest.dynamic_schemas.get(&place.source) else {
                fault(format!("`dynamic_schemas` has no `{}`", place.source));
                continue;
            };
            for need in &source.needs {
                let steps: Vec<Step> = need.split('.').map(|name| Step::Property(name.to_owned())).collect();
                if find(input, &steps, &manifest.schemas).is_none() {
                    fault(format!("the input has no field `{need}`, which `{}` needs", place.source));
                }
            }
        }
    }
}

fn find<'s>(schema: &'s Value, steps: &[Step], schemas: &'s Map<String, Value>) -> Option<&'s Value> {
    steps.iter().try_fold(schema, |schema, step| {
        let schema = schema::resolved(schema, schemas);
        match step {
            Step::Property(name) => schema.get("properties")?.get(name),
            Step::Items => schema.get("items"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{breaking, read};

    fn document(source: &Value, dynamic: &Value) -> Value {
        let table = json!({"type": "object", "properties": {"table": {"type": "string"}, "row": {"$ref": "#/schemas/row"},
            "rows": {"type": "array", "items": {"$ref": "#/schemas/row"}}}});
        json!({"name": "grid", "title": "Grid", "version": 1, "base_url": "https://grid.example.com", "auth": [],
            "dynamic_schemas": {"columns": source},
            "schemas": {"row": {"type": "object", "title": "Row", "examples": [{"a": 1}]}},
            "actions": {
                "tables": {"title": "Tables", "request": {"method": "GET", "path": "/tables"}},
                "pages": {"title": "Pages", "request": {"method": "GET", "path": "/pages"},
                    "pages": {"items": "{{ response.body }}", "by": "link"}},
                "add": {"title": "Add", "input": table, "output": table, "dynamic": dynamic,
                    "request": {"method": "POST", "path": "/rows"}}},
            "triggers": {"new": {"title": "New", "output": table, "dynamic": {"output": {"row": "free"}},
                "poll": {"action": "tables", "key": "{{ item.id }}"}}}})
    }

    fn source() -> Value {
        json!({"action": "tables", "needs": ["table"], "input": {"of": "{{ input.table }}", "view": "{{ input.view }}"},
            "columns": "{{ output.columns }}", "name": "{{ item.name }}", "title": "{{ item.title }}", "type": "{{ item.kind }}",
            "types": {"Text 1": {"type": "string"}, "pick": {"type": "string", "enum": "{{ item.of }}"}},
            "read_types": {"sum": {"type": "number"}}, "read_only": "{{ item.locked }}"})
    }

    fn manifest() -> Manifest {
        let mut document = document(
            &source(),
            &json!({"input": {"row": "columns", "rows[]": "columns"}, "output": {"rows[]": "columns"}}),
        );
        document["triggers"] = json!({});
        read(&document).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    #[test]
    fn columns_stand_where_the_manifest_says() {
        let manifest = manifest();
        let source = &manifest.dynamic_schemas["columns"];
        let filled = json!({"table": "t1"});
        assert_eq!(source.question(&manifest, &filled, 0).unwrap(), json!({"of": "t1"}), "null is not sent");
        let output = json!({"columns": [
            {"name": "A", "title": "Apples", "kind": "Text 1"},
            {"name": "A", "kind": "pick"},
            {"name": "B", "kind": "pick", "of": ["x", "y"]},
            {"name": "C", "kind": "sum"},
            {"name": 7, "kind": "pick", "of": "no list", "locked": true},
            {"kind": "Text 1"}]});
        let columns = source.columns(output, &filled, 0).unwrap();
        let mut shape = manifest.shape_of_action("add").unwrap();
        shape.put("columns", &columns);
        let (input, output) = shape.schemas();
        let row = json!({"type": "object", "title": "Row", "properties": {
            "A": {"type": "string", "title": "Apples"}, "B": {"type": "string", "enum": ["x", "y"], "title": "B"}}});
        assert_eq!((&input["properties"]["row"], &input["properties"]["rows"]["items"]), (&row, &row));
        assert_eq!(input.get("schemas"), None, "nothing refers to them any more");
        let read = &output["properties"]["rows"]["items"]["properties"];
        assert_eq!(read["C"], json!({"type": "number", "title": "C", "readOnly": true}));
        assert_eq!(read["7"], json!({"type": "string", "title": "7", "readOnly": true}));
        assert_eq!(
            (&output["properties"]["row"]["$ref"], &output["schemas"]["row"]["title"]),
            (&json!("#/schemas/row"), &json!("Row"))
        );
        // Without columns it stays as the manifest has it.
        let mut shape = manifest.shape_of_action("add").unwrap();
        shape.put("columns", &source.columns(json!({"columns": null}), &filled, 0).unwrap());
        assert_eq!(shape.schemas().0["properties"]["row"]["$ref"], "#/schemas/row");
        let error = source.columns(json!({"columns": "none"}), &filled, 0).unwrap_err();
        assert_eq!(error.code, "app_response_invalid");
    }

    #[test]
    fn a_table_may_be_wide_and_what_an_app_says_deep_but_not_without_end() {
        let manifest = manifest();
        let source = &manifest.dynamic_schemas["columns"];
        let of = |columns: Vec<Value>| source.columns(json!({"columns": columns}), &json!({}), 0).unwrap();
        let wide =
            of((0..=MAX_COLUMNS).map(|i| json!({"name": format!("c{i}"), "kind": "Text 1"})).collect());
        assert_eq!((wide.columns.len(), wide.more), (MAX_COLUMNS, true));
        let long = "x".repeat(MAX_BYTES / 4);
        let heavy =
            of((0..4).map(|i| json!({"name": format!("c{i}"), "kind": "Text 1", "title": long})).collect());
        assert!(heavy.more && heavy.columns.len() < 4);
        let deep = (0..20).fold(json!("x"), |inner, _| json!([inner]));
        let many: Vec<_> = (0..=MAX_CHOICES).collect();
        let found = of(vec![
            json!({"name": "deep", "kind": "pick", "of": [deep]}),
            json!({"name": "many", "kind": "pick", "of": many}),
            json!({"name": "none", "kind": "pick", "of": []}),
        ]);
        let written: Vec<_> = found.columns.into_iter().filter_map(|column| column.written).collect();
        assert_eq!(written[0], json!({"title": "deep"}));
        assert_eq!(written[1], json!({"type": "string", "title": "many"}));
        assert_eq!(written[2], json!({"type": "string", "title": "none"}));
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let found = |source: Value, dynamic: Value| {
            let mut faults = read(&document(&source, &dynamic)).unwrap_err();
            // The trigger's is there each time.
            faults.retain(|fault| !fault.pointer.starts_with("/triggers"));
            faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect::<Vec<_>>()
        };
        let pair = |at: &str, code: &str| (at.to_owned(), code.to_owned());
        let source_at = |place: &str| format!("/dynamic_schemas/columns{place}");
        assert_eq!(
            found(
                json!({"action": "tables", "needs": "table", "surprise": 1, "types": [], "input": "{{ output.x }}", "table": {"of": "{{ table }}"}}),
                json!({})
            ),
            [
                pair(&source_at(""), "missing_field"),
                pair(&source_at(""), "missing_field"),
                pair(&source_at(""), "missing_field"),
                pair(&source_at("/needs"), "type_mismatch"),
                pair(&source_at("/table"), "missing_field"),
                pair(&source_at("/table"), "missing_field"),
                pair(&source_at("/table/of"), "unknown_reference"),
                pair(&source_at("/input"), "unknown_reference"),
                pair(&source_at("/types"), "type_mismatch"),
                pair(&source_at("/surprise"), "unknown_field"),
            ]
        );
        let mut changing = source();
        changing["action"] = "add".into();
        changing["types"]["bad/one"] =
            json!({"type": "text", "items": "{{ item.x }}", "description": "{{ output.x }}"});
        let at = source_at("/types/bad~1one");
        assert_eq!(
            found(changing, json!({})),
            [
                pair(&at, "unknown_reference"),
                pair(&source_at("/action"), "action_unknown"),
                pair(&format!("{at}/type"), "invalid_schema"),
                pair(&format!("{at}/items"), "invalid_schema"),
            ]
        );
        let places =
            json!({"input": {"row..x": "columns", "rows[": "columns", "row": 7, "": "columns"}, "of": {}});
        let at = |place: &str| format!("/actions/add/dynamic/{place}");
        let named = found(source(), places);
        for (place, code) in [
            ("input/row..x", "invalid_place"),
            ("input/rows[", "invalid_place"),
            ("input/row", "type_mismatch"),
            ("input/", "invalid_place"),
            ("of", "unknown_field"),
        ] {
            assert!(named.contains(&pair(&at(place), code)), "{place}: {named:?}");
        }
        assert_eq!(named.len(), 5, "{named:?}");
        let mut far = source();
        far["needs"] = json!(["table", "base.id"]);
        assert_eq!(
            found(
                far,
                json!({"input": {"row": "others", "rows[].x": "columns"}, "output": {"cells": "columns"}})
            ),
            [
                pair(&at("input/row"), "unknown_reference"),
                pair(&at("input/rows[].x"), "unknown_reference"),
                pair(&at("input/rows[].x"), "unknown_reference"),
                pair(&at("output/cells"), "unknown_reference"),
                pair(&at("output/cells"), "unknown_reference"),
            ]
        );
        let many: Map<_, _> = (0..5).map(|i| (format!("row{i}"), json!("columns"))).collect();
        assert!(found(source(), json!({"output": many})).contains(&pair(&at("output"), "invalid_place")));
        let faults = read(&document(&source(), &json!({}))).unwrap_err();
        let only: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(only, ["/triggers/new/dynamic/output/row"]);
    }

    #[test]
    fn a_source_that_is_gone_breaks_no_workflow() {
        let before = manifest();
        let mut document = before.document.clone();
        document.as_object_mut().unwrap().remove("dynamic_schemas");
        document["actions"]["add"].as_object_mut().unwrap().remove("dynamic");
        let after = read(&document).unwrap();
        assert_eq!(breaking(&before, &after), []);
        assert_eq!(breaking(&after, &before), []);
    }

    #[test]
    fn a_list_of_columns_that_has_pages_is_asked_for_to_its_end() {
        let mut paged = source();
        paged["action"] = "pages".into();
        let mut document = document(&paged, &json!({"input": {"row": "columns"}}));
        document["triggers"] = json!({});
        let manifest = read(&document).unwrap();
        let question =
            manifest.dynamic_schemas["columns"].question(&manifest, &json!({"table": "t"}), 0).unwrap();
        assert_eq!(question, json!({"of": "t", "max_items": MAX_COLUMNS}));
    }

    #[test]
    fn a_table_is_found_by_its_id_or_its_name() {
        let mut tables = source();
        tables["table"] = json!({"of": "{{ output }}", "by": ["id", "name"], "is": "{{ input.table }}"});
        tables["columns"] = "{{ table.columns }}".into();
        tables["name"] = "{{ key }}".into();
        let mut document = document(&tables, &json!({"input": {"row": "columns"}}));
        document["triggers"] = json!({});
        let manifest = read(&document).unwrap();
        let names = |table: Value| {
            let output = json!([{"id": 1, "name": "2", "columns": {"a": {}, "b": {}}}, {"id": "2", "columns": {"c": {}}}, {}]);
            let found =
                manifest.dynamic_schemas["columns"].columns(output, &json!({"table": table}), 0).unwrap();
            found.columns.into_iter().map(|column| column.name).collect::<Vec<_>>().concat()
        };
        assert_eq!(names(json!(1)), "ab");
        assert_eq!(names(json!("2")), "c", "ids come first");
        assert_eq!((names(Value::Null), names(json!("3"))), (String::new(), String::new()));
    }
}
