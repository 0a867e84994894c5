//! JSON Schemas of a manifest out of those of the document.
//!
//! What the document refers to stays one schema that others refer to. What only answers have (`readOnly`) or only requests (`writeOnly`)
//! makes two of it.

use crate::names;
use crate::references::{Import, Part, pointer, put_text};
use domain::fault;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How many values are looked at to find what only one side has; past it, schemas are taken to be the same for both.
const MAX_LOOKED_AT: usize = 5_000_000;
/// What a value must be.
type Is = fn(&Value) -> bool;
/// Words that are taken as they are, with what they must be.
const PLAIN: [(&str, Is); 20] = [
    ("format", Value::is_string),
    ("pattern", Value::is_string),
    ("contentMediaType", Value::is_string),
    ("contentEncoding", Value::is_string),
    ("minLength", Value::is_u64),
    ("maxLength", Value::is_u64),
    ("minItems", Value::is_u64),
    ("maxItems", Value::is_u64),
    ("minProperties", Value::is_u64),
    ("maxProperties", Value::is_u64),
    ("minimum", Value::is_number),
    ("maximum", Value::is_number),
    ("exclusiveMinimum", Value::is_number),
    ("exclusiveMaximum", Value::is_number),
    ("multipleOf", Value::is_number),
    ("uniqueItems", Value::is_boolean),
    ("deprecated", Value::is_boolean),
    // A list without a choice is a slip of the document: nothing could ever be right.
    ("enum", |choices| choices.as_array().is_some_and(|choices| !choices.is_empty())),
    ("const", |_| true),
    ("default", |_| true),
];
const TYPES: [&str; 7] = ["object", "array", "string", "number", "integer", "boolean", "null"];
/// Words that a schema with a reference may have beside it without meaning more than the reference.
const NOTHING_MORE: [&str; 12] = [
    "$ref",
    "title",
    "description",
    "example",
    "examples",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "externalDocs",
    "$comment",
    "nullable",
];

/// Who sends what a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    Request,
    Answer,
}

/// The schemas that others refer to.
pub(crate) struct Shared {
    /// Pointers of schemas that are not the same in requests and answers.
    sided: HashSet<String>,
    named: HashMap<(String, Side), String>,
    taken: names::Taken,
    waiting: Vec<(String, Side, String)>,
}

impl Shared {
    pub(crate) fn of(document: &Value) -> Self {
        let (named, taken) = (HashMap::new(), names::Taken::default());
        Self { sided: sided(document), named, taken, waiting: Vec::new() }
    }

    /// The name of what a pointer of the document leads to.
    fn name(&mut self, pointer: &str, side: Side) -> String {
        // One schema serves both sides where they do not differ.
        let side = if self.sided.contains(pointer) { side } else { Side::Answer };
        let key = (pointer.to_owned(), side);
        if let Some(name) = self.named.get(&key) {
            return name.clone();
        }
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let last = names::cut(last, 100);
        let wanted = match side {
            Side::Answer => last.to_owned(),
            Side::Request => format!("{last}_request"),
        };
        // The escapes of a pointer are not in its name.
        let wanted = wanted.replace("~1", "/").replace("~0", "~");
        let wanted = if wanted.is_empty() { "document".to_owned() } else { wanted };
        let name = self.taken.unique(&wanted, 120);
        self.named.insert(key.clone(), name.clone());
        self.waiting.push((key.0, key.1, name.clone()));
        name
    }
}

impl<'d> Import<'d> {
    /// A schema as the manifest says it.
    pub(crate) fn schema(&mut self, part: &Part<'d>, side: Side) -> Value {
        let object = match part.value {
            Value::Object(object) => object,
            Value::Bool(any) => return Value::Bool(*any),
            _ => {
                self.fault(&part.at, "invalid_schema", "a JSON Schema is an object");
                return json!({});
            }
        };
        if !self.spend(32 + object.len() * 16) {
            return json!({});
        }
        let mut out = Map::new();
        if let Some(reference) = object.get("$ref") {
            let Some(target) = self.target(reference, &part.at) else { return json!({}) };
            let name = self.shared.name(&target.at, side);
            let reference = json!(fault::join("#/schemas", &name));
            if object.keys().all(|word| NOTHING_MORE.contains(&word.as_str()) || word.starts_with("x-")) {
                out.insert("$ref".into(), reference);
                self.words_for_people(object, &mut out);
                return Value::Object(out);
            }
            // What stands beside a reference counts as well.
            let beside: Map<String, Value> = object
                .iter()
                .filter(|(word, _)| *word != "$ref")
                .map(|(w, v)| (w.clone(), v.clone()))
                .collect();
            if !self.spend(weight(&beside)) {
                return json!({});
            }
            out = self.words(object, part, side);
            let mut all = vec![json!({ "$ref": reference })];
            all.extend(out.remove("allOf").and_then(|all| all.as_array().cloned()).into_iter().flatten());
            out.insert("allOf".into(), Value::Array(all));
            return Value::Object(out);
        }
        out = self.words(object, part, side);
        if part.is("nullable") {
            return nullable(out);
        }
        Value::Object(out)
    }

    fn words(&mut self, object: &Map<String, Value>, part: &Part<'d>, side: Side) -> Map<String, Value> {
        let mut out = Map::new();
        self.types(object, &part.at, &mut out);
        self.words_for_people(object, &mut out);
        for (word, fits) in PLAIN {
            let Some(value) = object.get(word).filter(|value| fits(value)) else { continue };
            if word != "default" && self.spend(weight_of(value)) {
                out.insert(word.to_owned(), value.clone());
            }
        }
        // Before 2020 these were truth values beside the bound.
        for (word, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
            if object.get(word) == Some(&Value::Bool(true))
                && let Some(bound) = out.remove(bound)
            {
                out.insert(word.to_owned(), bound);
            }
        }
        for word in ["items", "additionalProperties"] {
            match part.get(word) {
                None => {}
                Some(inner) if inner.value.is_array() => {}
                Some(inner) => {
                    let schema = self.schema(&inner, side);
                    out.insert(word.to_owned(), schema);
                }
            }
        }
        // Names that a pattern allows would be refused.
        if object.contains_key("patternProperties") && out.get("additionalProperties") == Some(&json!(false))
        {
            out.remove("additionalProperties");
        }
        for word in ["allOf", "anyOf", "oneOf"] {
            let Some(all) = part.get(word) else { continue };
            if !all.value.is_array() {
                self.fault(&all.at, "invalid_schema", "a list is needed");
                continue;
            }
            let all: Vec<Value> = all.items().map(|one| self.schema(&one, side)).collect();
            out.insert(word.to_owned(), all.into());
        }
        let mut left_out = HashSet::new();
        if let Some(properties) = part.get("properties") {
            if !properties.value.is_object() {
                self.fault(&properties.at, "invalid_schema", "an object is needed");
            }
            let mut made = Map::new();
            for (name, property) in properties.members() {
                if self.is_only_for_the_other(&property, side) {
                    left_out.insert(name);
                    continue;
                }
                if !self.spend(name.len()) {
                    break;
                }
                let schema = self.schema(&property, side);
                made.insert(name.to_owned(), schema);
            }
            out.insert("properties".into(), made.into());
        }
        match object.get("required") {
            // Long ago it was a truth value of a property.
            None | Some(Value::Bool(_)) => {}
            Some(Value::Array(names)) => {
                let names = names.iter().filter(|name| name.as_str().is_some_and(|n| !left_out.contains(n)));
                let names: Vec<Value> = names.cloned().collect();
                if !names.is_empty() && self.spend(names.iter().map(weight_of).sum()) {
                    out.insert("required".into(), names.into());
                }
            }
            Some(_) => self.fault(&format!("{}/required", part.at), "invalid_schema", "a list is needed"),
        }
        out
    }

    fn types(&mut self, object: &Map<String, Value>, at: &str, out: &mut Map<String, Value>) {
        let known = |word: &Value| word.as_str().is_some_and(|word| TYPES.contains(&word));
        match object.get("type") {
            None => {}
            Some(Value::String(word)) if word == "file" => {
                out.insert("type".into(), "string".into());
                out.insert("format".into(), "binary".into());
            }
            Some(Value::Array(words)) if words.iter().all(known) && words.len() <= TYPES.len() => {
                out.insert("type".into(), words.clone().into());
            }
            Some(word) if known(word) => {
                out.insert("type".into(), word.clone());
            }
            Some(_) => {
                let message = format!("`type` is one of {}", TYPES.join(", "));
                self.fault(&format!("{at}/type"), "invalid_schema", message);
            }
        }
    }

    fn words_for_people(&mut self, object: &Map<String, Value>, out: &mut Map<String, Value>) {
        let text = |word: &str| object.get(word).and_then(Value::as_str);
        put_text(out, "title", text("title"), 200);
        put_text(out, "description", text("description"), 2000);
        if let Some(value) = object.get("default").filter(|value| !value.is_null())
            && self.spend(weight_of(value))
        {
            out.insert("default".into(), value.clone());
        }
        let examples = match (object.get("examples"), object.get("example")) {
            (Some(Value::Array(all)), _) => all.iter().take(3).cloned().collect(),
            (_, Some(one)) => vec![one.clone()],
            _ => Vec::new(),
        };
        if !examples.is_empty() && self.spend(examples.iter().map(weight_of).sum()) {
            out.insert("examples".into(), examples.into());
        }
    }

    /// Whether a property is only in what the other side sends.
    pub(crate) fn is_only_for_the_other(&self, property: &Part<'d>, side: Side) -> bool {
        let word = if side == Side::Request { "readOnly" } else { "writeOnly" };
        if property.is(word) {
            return true;
        }
        let target = property.text("$ref").and_then(pointer).and_then(|at| self.document.pointer(&at));
        target.is_some_and(|target| target.get(word) == Some(&Value::Bool(true)))
    }

    /// The schemas that others refer to, and those that they refer to.
    pub(crate) fn shared(&mut self) -> Map<String, Value> {
        let mut made: BTreeMap<String, Value> = BTreeMap::new();
        let mut places: HashMap<String, String> = HashMap::new();
        while let Some((at, side, name)) = self.shared.waiting.pop() {
            let Some(value) = self.document.pointer(&at) else { continue };
            places.insert(name.clone(), at.clone());
            let schema = self.schema(&Part { value, at }, side);
            made.insert(name, schema);
        }
        for name in circles(&made) {
            if let Some(at) = places.get(&name) {
                self.fault(
                    at,
                    "openapi_reference",
                    "this schema is made of itself: a value of it has no end",
                );
            }
        }
        made.into_iter().collect()
    }
}

/// A schema that takes null, too.
fn nullable(mut schema: Map<String, Value>) -> Value {
    if schema.is_empty() {
        return Value::Object(schema);
    }
    match schema.get_mut("type") {
        Some(Value::String(word)) => {
            let types = json!([word, "null"]);
            schema.insert("type".into(), types);
        }
        Some(Value::Array(words)) if !words.contains(&json!("null")) => words.push(json!("null")),
        Some(_) => {}
        None => {
            let mut out = Map::new();
            for word in ["title", "description", "default", "examples"] {
                out.extend(schema.remove(word).map(|value| (word.to_owned(), value)));
            }
            out.insert("anyOf".into(), json!([schema, {"type": "null"}]));
            return Value::Object(out);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("enum")
        && !choices.contains(&Value::Null)
    {
        choices.push(Value::Null);
    }
    Value::Object(schema)
}

/// The pointers of what references name that says, itself or by what it refers to, that something is only in requests or answers.
fn sided(document: &Value) -> HashSet<String> {
    let mut left = MAX_LOOKED_AT;
    let mut all = Vec::new();
    look(document, &mut left, &mut all, &mut false);
    let mut waiting: Vec<String> = all.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let mut seen: HashSet<String> = waiting.iter().cloned().collect();
    let mut referred: HashMap<String, Vec<String>> = HashMap::new();
    let mut found: Vec<String> = Vec::new();
    while let Some(at) = waiting.pop() {
        let Some(value) = document.pointer(&at) else { continue };
        let (mut leads, mut is) = (Vec::new(), false);
        look(value, &mut left, &mut leads, &mut is);
        if is {
            found.push(at.clone());
        }
        for to in leads {
            if seen.insert(to.clone()) {
                waiting.push(to.clone());
            }
            referred.entry(to).or_default().push(at.clone());
        }
    }
    let mut out = HashSet::new();
    while let Some(at) = found.pop() {
        if out.insert(at.clone()) {
            found.extend(referred.get(&at).into_iter().flatten().cloned());
        }
    }
    out
}

/// Gathers where the references in a value lead, and whether a part of it is only for one side.
fn look(value: &Value, left: &mut usize, leads: &mut Vec<String>, is: &mut bool) {
    if *left == 0 {
        return;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter().for_each(|item| look(item, left, leads, is)),
        Value::Object(fields) => {
            *is |= ["readOnly", "writeOnly"].iter().any(|word| fields.get(*word) == Some(&Value::Bool(true)));
            for (name, value) in fields {
                match value.as_str() {
                    Some(reference) if name == "$ref" => leads.extend(pointer(reference)),
                    _ => look(value, left, leads, is),
                }
            }
        }
        _ => {}
    }
}

/// The names of schemas that lead back to themselves without a property or an item between.
fn circles(schemas: &BTreeMap<String, Value>) -> Vec<String> {
    let names: HashMap<&str, usize> =
        schemas.keys().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let leads: Vec<Vec<usize>> = schemas
        .values()
        .map(|schema| {
            let mut to = Vec::new();
            in_place(schema, &mut to);
            let found = to.iter().filter_map(|reference| {
                let name = reference.strip_prefix("#/schemas/")?.replace("~1", "/").replace("~0", "~");
                names.get(name.as_str()).copied()
            });
            found.collect()
        })
        .collect();
    // What nothing leads to any more is taken away until only circles, and what they lead to, are left; then the other way round.
    let mut there = vec![true; leads.len()];
    let mut back: Vec<Vec<usize>> = vec![Vec::new(); leads.len()];
    for (from, to) in leads.iter().enumerate() {
        for &to in to {
            back[to].push(from);
        }
    }
    for (out, into) in [(&leads, &back), (&back, &leads)] {
        let mut degree: Vec<usize> =
            into.iter().map(|from| from.iter().filter(|&&from| there[from]).count()).collect();
        let mut free: Vec<usize> = (0..degree.len()).filter(|&i| there[i] && degree[i] == 0).collect();
        while let Some(i) = free.pop() {
            there[i] = false;
            for &to in &out[i] {
                degree[to] = degree[to].saturating_sub(1);
                if there[to] && degree[to] == 0 {
                    free.push(to);
                }
            }
        }
    }
    schemas.keys().zip(there).filter(|(_, there)| *there).map(|(name, _)| name.clone()).collect()
}

fn in_place<'v>(schema: &'v Value, to: &mut Vec<&'v str>) {
    to.extend(schema.get("$ref").and_then(Value::as_str));
    for word in ["allOf", "anyOf", "oneOf"] {
        for part in schema.get(word).and_then(Value::as_array).into_iter().flatten() {
            in_place(part, to);
        }
    }
}

fn weight(object: &Map<String, Value>) -> usize {
    object.iter().map(|(name, value)| name.len() + 8 + weight_of(value)).sum()
}

/// About how many bytes a value has.
pub(crate) fn weight_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 8,
        Value::Array(items) => 8 + items.iter().map(weight_of).sum::<usize>(),
        Value::Object(object) => 8 + weight(object),
    }
}
