//! The part of JSON Schema (2020-12) that manifests use: `type`, `properties`, `required`, `additionalProperties`, `items`, `enum`,
//! `const`, `minLength`, `maxLength`, `pattern`-free; `anyOf`, `oneOf` and `allOf`; and `$ref` to the manifest's own `schemas`.
//!
//! Other words say nothing to the check. What is asked of a value is shown to users in forms; the app has the last word.

use domain::fault::{self, Fault};
use serde_json::{Map, Value};
use std::cell::Cell;

type Schemas = Map<String, Value>;

/// How far references are followed.
const MAX_DEPTH: usize = 32;
/// How many schemas are held against parts of one value. Few lines of schemas that refer to each other can ask for billions; past this
/// nothing more is said, as the app has the last word.
const MAX_CHECKS: u32 = 500_000;
const TYPES: [&str; 7] = ["object", "array", "string", "number", "integer", "boolean", "null"];

/// Faults of a schema itself.
pub(crate) fn well_formed(schema: &Value, at: &str, schemas: &Schemas, faults: &mut Vec<Fault>) {
    let object = match schema {
        Value::Object(object) => object,
        Value::Bool(_) => return,
        _ => {
            faults.push(Fault::new(at, "invalid_schema", "a JSON Schema is an object"));
            return;
        }
    };
    if let Some(reference) = object.get("$ref")
        && target(reference, schemas).is_none()
    {
        let message = format!("{reference} leads nowhere: schemas are named as `#/schemas/<name>`");
        faults.push(Fault::new(format!("{at}/$ref"), "invalid_schema", message));
    }
    let types: Vec<&Value> = match object.get("type") {
        None => Vec::new(),
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
    };
    if types.iter().any(|t| !t.as_str().is_some_and(|t| TYPES.contains(&t))) {
        faults.push(Fault::new(
            format!("{at}/type"),
            "invalid_schema",
            format!("`type` is one of {}", TYPES.join(", ")),
        ));
    }
    for word in ["items", "additionalProperties"] {
        if let Some(inner) = object.get(word) {
            well_formed(inner, &format!("{at}/{word}"), schemas, faults);
        }
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        match object.get(word) {
            None => {}
            Some(Value::Array(all)) => {
                for (i, inner) in all.iter().enumerate() {
                    well_formed(inner, &format!("{at}/{word}/{i}"), schemas, faults);
                }
            }
            Some(_) => faults.push(Fault::new(format!("{at}/{word}"), "invalid_schema", "a list is needed")),
        }
    }
    match object.get("properties") {
        None => {}
        Some(Value::Object(properties)) => {
            for (name, inner) in properties {
                well_formed(inner, &fault::join(&format!("{at}/properties"), name), schemas, faults);
            }
        }
        Some(_) => {
            faults.push(Fault::new(format!("{at}/properties"), "invalid_schema", "an object is needed"));
        }
    }
}

/// The schema that a `$ref` names.
fn target<'s>(reference: &Value, schemas: &'s Schemas) -> Option<&'s Value> {
    schemas.get(&named_by(reference)?)
}

fn named_by(reference: &Value) -> Option<String> {
    let name = reference.as_str()?.strip_prefix("#/schemas/")?;
    Some(name.replace("~1", "/").replace("~0", "~"))
}

/// Follows references to a schema that is none.
pub fn resolved<'s>(mut schema: &'s Value, schemas: &'s Schemas) -> &'s Value {
    for _ in 0..MAX_DEPTH {
        match schema.get("$ref").and_then(|reference| target(reference, schemas)) {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// A schema with all that it refers to, so that `#/schemas/<name>` leads somewhere within it.
pub fn standalone(schema: &Value, schemas: &Schemas) -> Value {
    let mut needed = Map::new();
    let mut open = vec![schema];
    while let Some(next) = open.pop() {
        match next {
            Value::Object(words) => {
                if let Some(name) = words.get("$ref").and_then(named_by)
                    && !needed.contains_key(&name)
                    && let Some(target) = schemas.get(&name)
                {
                    needed.insert(name, target.clone());
                    open.push(target);
                }
                open.extend(words.values());
            }
            Value::Array(all) => open.extend(all),
            _ => {}
        }
    }
    let mut whole = schema.clone();
    if let (Some(words), false) = (whole.as_object_mut(), needed.is_empty()) {
        words.insert("schemas".to_owned(), Value::Object(needed));
    }
    whole
}

/// The names that an object of this schema may have.
pub fn properties(schema: &Value, schemas: &Schemas) -> Vec<String> {
    let mut names = Vec::new();
    collect(schema, schemas, 0, &mut Vec::new(), &mut names);
    names
}

/// Each schema says its names once: schemas that refer to each other come to an end.
fn collect<'s>(
    schema: &'s Value,
    schemas: &'s Schemas,
    depth: usize,
    seen: &mut Vec<&'s str>,
    names: &mut Vec<String>,
) {
    if depth > MAX_DEPTH {
        return;
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        if seen.contains(&reference) {
            return;
        }
        seen.push(reference);
    }
    let schema = resolved(schema, schemas);
    names.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    for word in ["allOf", "anyOf", "oneOf"] {
        for part in schema[word].as_array().into_iter().flatten() {
            collect(part, schemas, depth + 1, seen, names);
        }
    }
}

/// What of `value` is not as the schema wants it. With `open`, a text with an expression in it may become anything.
pub fn check(value: &Value, schema: &Value, schemas: &Schemas, at: &str, open: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let left = Cell::new(MAX_CHECKS);
    Check { schemas, open, left: &left }.value(value, schema, at, 0, &mut faults);
    faults
}

struct Check<'s> {
    schemas: &'s Schemas,
    open: bool,
    /// How many schemas may still be looked at.
    left: &'s Cell<u32>,
}

impl Check<'_> {
    fn value(&self, value: &Value, schema: &Value, at: &str, depth: usize, faults: &mut Vec<Fault>) {
        let left = self.left.get();
        if left == 0 {
            return;
        }
        if depth > MAX_DEPTH || (self.open && value.as_str().is_some_and(|text| text.contains("{{"))) {
            return;
        }
        let schema = resolved(schema, self.schemas);
        // Long lists of choices and names take time, too.
        let long = |word: &str| schema.get(word).and_then(Value::as_array).map_or(0, Vec::len);
        let cost = 1 + (long("enum") + long("required")) / 16;
        self.left.set(left.saturating_sub(u32::try_from(cost).unwrap_or(u32::MAX)));
        let Some(words) = schema.as_object() else {
            if schema == &Value::Bool(false) {
                faults.push(Fault::new(at, "unknown_field", "nothing may be given here"));
            }
            return;
        };
        if let Some(wanted) = words.get("type")
            && !types(wanted).any(|wanted| is(value, wanted))
        {
            let wanted = types(wanted).map(named).collect::<Vec<_>>().join(" or ");
            faults.push(Fault::new(at, "type_mismatch", format!("{} must be {wanted}", field(at))));
            return;
        }
        if let Some(choices) = words.get("enum").and_then(Value::as_array)
            && !choices.contains(value)
        {
            let shown: Vec<_> = choices.iter().take(20).map(|choice| format!("`{}`", text(choice))).collect();
            let message = format!("{} must be one of {}", field(at), shown.join(", "));
            faults.push(Fault::new(at, "type_mismatch", message));
        }
        if let Some(only) = words.get("const")
            && only != value
        {
            faults.push(Fault::new(at, "type_mismatch", format!("{} must be `{}`", field(at), text(only))));
        }
        match value {
            Value::String(text) => {
                let length = text.chars().count() as u64;
                let bound = |word: &str| words.get(word).and_then(Value::as_u64);
                if bound("minLength").is_some_and(|min| length < min)
                    || bound("maxLength").is_some_and(|max| length > max)
                {
                    let (min, max) = (bound("minLength").unwrap_or(0), bound("maxLength"));
                    let most = max.map_or_else(|| "or more".to_owned(), |max| format!("to {max}"));
                    let message = format!("{} must have {min} {most} characters", field(at));
                    faults.push(Fault::new(at, "type_mismatch", message));
                }
            }
            Value::Number(number) => {
                let bound = |word: &str| words.get(word).and_then(Value::as_f64);
                let number = number.as_f64().unwrap_or(f64::NAN);
                if bound("minimum").is_some_and(|min| number < min)
                    || bound("maximum").is_some_and(|max| number > max)
                {
                    let edge = |word: &str, name: &str| {
                        bound(word).map(|bound| format!("{name} {bound}")).unwrap_or_default()
                    };
                    let message = format!(
                        "{} must be {} {}",
                        field(at),
                        edge("minimum", "at least"),
                        edge("maximum", "at most")
                    );
                    faults.push(Fault::new(at, "type_mismatch", message.trim_end().to_owned()));
                }
            }
            Value::Array(items) => {
                if let Some(inner) = words.get("items") {
                    for (i, item) in items.iter().enumerate() {
                        self.value(item, inner, &format!("{at}/{i}"), depth + 1, faults);
                    }
                }
            }
            Value::Object(fields) => self.object(fields, schema, words, at, depth, faults),
            Value::Null | Value::Bool(_) => {}
        }
        for part in words.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.value(value, part, at, depth + 1, faults);
        }
        for word in ["anyOf", "oneOf"] {
            let Some(parts) = words.get(word).and_then(Value::as_array) else { continue };
            let fits = |part: &Value| {
                let mut found = Vec::new();
                self.value(value, part, at, depth + 1, &mut found);
                found.is_empty()
            };
            if !parts.is_empty() && !parts.iter().any(fits) {
                let message = format!("{} is none of the forms that it may have", field(at));
                faults.push(Fault::new(at, "type_mismatch", message));
            }
        }
    }

    fn object(
        &self,
        fields: &Map<String, Value>,
        schema: &Value,
        words: &Map<String, Value>,
        at: &str,
        depth: usize,
        faults: &mut Vec<Fault>,
    ) {
        for name in words.get("required").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = name.as_str() else { continue };
            if fields.get(name).is_none_or(|value| value.is_null() && !self.may_be_null(schema, name)) {
                faults.push(Fault::new(at, "missing_field", format!("`{name}` is missing")));
            }
        }
        let known = words.get("properties").and_then(Value::as_object);
        for (name, value) in fields {
            let at = fault::join(at, name);
            match known.and_then(|known| known.get(name)) {
                // A field that is not given and one that is null are the same to whoever maps fields.
                Some(_) if value.is_null() => {}
                Some(inner) => self.value(value, inner, &at, depth + 1, faults),
                None => match words.get("additionalProperties") {
                    Some(Value::Bool(false)) => {
                        let names: Vec<_> =
                            known.into_iter().flatten().map(|(name, _)| format!("`{name}`")).collect();
                        let message =
                            format!("`{name}` is not a field here; the fields are {}", names.join(", "));
                        faults.push(Fault::new(at, "unknown_field", message));
                    }
                    Some(inner) => self.value(value, inner, &at, depth + 1, faults),
                    None => {}
                },
            }
        }
    }

    fn may_be_null(&self, schema: &Value, name: &str) -> bool {
        let inner = resolved(&schema["properties"][name], self.schemas);
        inner.get("type").is_none_or(|wanted| types(wanted).any(|wanted| wanted == "null"))
    }
}

pub(crate) fn types(wanted: &Value) -> impl Iterator<Item = &str> {
    let all = match wanted {
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    all.iter().filter_map(Value::as_str)
}

fn is(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => true,
    }
}

fn named(wanted: &str) -> &str {
    match wanted {
        "object" => "an object",
        "array" => "a list",
        "string" => "a text",
        "number" => "a number",
        "integer" => "a whole number",
        "boolean" => "`true` or `false`",
        "null" => "null",
        other => other,
    }
}

fn field(at: &str) -> String {
    at.rsplit('/')
        .next()
        .filter(|name| !name.is_empty())
        .map_or_else(|| "it".to_owned(), |name| format!("`{}`", name.replace("~1", "/").replace("~0", "~")))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
