//! A value that a JSON Schema describes.

use crate::pattern;
use connectors::schema;
use serde_json::{Map, Value, json};

type Schemas = Map<String, Value>;

/// How deep fields are given that could be left out.
const MAX_OPTIONAL: usize = 5;
/// How deep a value goes at most.
const MAX_DEPTH: usize = 24;

/// An input of an action: with every field, or only with those that are needed.
pub(crate) fn of(schema: &Value, schemas: &Schemas, all: bool) -> Value {
    Sampler { schemas, all }.value(schema, 0, 0).unwrap_or_else(|| json!({}))
}

struct Sampler<'s> {
    schemas: &'s Schemas,
    all: bool,
}

impl Sampler<'_> {
    /// `nth` makes one item of a list another than the next.
    fn value(&self, schema: &Value, depth: usize, nth: u64) -> Option<Value> {
        if depth > MAX_DEPTH || schema == &Value::Bool(false) {
            return None;
        }
        let mut words = self.merged(schema, 0);
        for (word, wanted) in [("oneOf", 1..=1), ("anyOf", 1..=usize::MAX)] {
            let Some(Value::Array(forms)) = words.remove(word) else { continue };
            let mut first = None;
            let mut fitting = None;
            for form in forms.iter().filter(|form| form.get("type") != Some(&json!("null"))).take(40) {
                let whole = json!({"allOf": [words, form]});
                let Some(made) = self.value(&whole, depth + 1, nth) else { continue };
                let fits = |form: &&Value| schema::check(&made, form, self.schemas, "", false).is_empty();
                let base = Value::Object(words.clone());
                if wanted.contains(&forms.iter().filter(fits).count()) && fits(&&base) {
                    fitting = Some(made);
                    break;
                }
                first = first.or(Some(made));
            }
            return fitting.or(first);
        }
        if let Some(only) = words.get("const") {
            return Some(only.clone());
        }
        if let Some(Value::Array(choices)) = words.get("enum") {
            let choices: Vec<&Value> = choices.iter().filter(|choice| !choice.is_null()).collect();
            return choices.get(nth as usize % choices.len().max(1)).map(|choice| (*choice).clone());
        }
        Some(match Self::kind(&words) {
            "object" => self.object(&words, depth)?,
            "array" => self.list(&words, depth)?,
            "integer" | "number" => number(&words, nth),
            "boolean" => Value::Bool(true),
            "null" => Value::Null,
            _ => text(&words, nth).into(),
        })
    }

    fn kind(words: &Map<String, Value>) -> &str {
        match words.get("type") {
            Some(Value::String(kind)) => kind,
            Some(Value::Array(kinds)) => {
                kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
            }
            _ if words.contains_key("properties") || words.contains_key("additionalProperties") => "object",
            _ if words.contains_key("items") => "array",
            _ => "string",
        }
    }

    fn object(&self, words: &Map<String, Value>, depth: usize) -> Option<Value> {
        let required: Vec<&str> = words
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut out = Map::new();
        for (name, property) in words.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let needed = required.contains(&name.as_str());
            if !needed && (!self.all || depth >= MAX_OPTIONAL) {
                continue;
            }
            match self.value(property, depth + 1, 0) {
                Some(value) => {
                    out.insert(name.clone(), value);
                }
                None if needed => return None,
                None => {}
            }
        }
        for name in required {
            if !out.contains_key(name) {
                out.insert(name.to_owned(), "text".into());
            }
        }
        if out.is_empty()
            && let Some(further) = words.get("additionalProperties").filter(|further| further.is_object())
            && (self.all && depth < MAX_OPTIONAL)
        {
            out.extend(self.value(further, depth + 1, 0).map(|value| ("key".to_owned(), value)));
        }
        Some(out.into())
    }

    fn list(&self, words: &Map<String, Value>, depth: usize) -> Option<Value> {
        let bound = |word: &str| words.get(word).and_then(Value::as_u64);
        let least = bound("minItems").unwrap_or(0);
        let wanted = if self.all && depth < MAX_OPTIONAL { least.max(1) } else { least };
        let wanted = wanted.min(bound("maxItems").unwrap_or(u64::MAX));
        let any = json!({});
        let inner = words.get("items").unwrap_or(&any);
        let items: Option<Vec<Value>> = (0..wanted).map(|n| self.value(inner, depth + 1, n)).collect();
        match items {
            Some(items) => Some(items.into()),
            None if least == 0 => Some(json!([])),
            None => None,
        }
    }

    /// The words of a schema with those of all that it is made of.
    fn merged(&self, schema: &Value, depth: usize) -> Map<String, Value> {
        let beside = schema.as_object().cloned().unwrap_or_default();
        let mut words = schema::resolved(schema, self.schemas).as_object().cloned().unwrap_or_default();
        for word in ["examples", "default"] {
            words.extend(beside.get(word).map(|value| (word.to_owned(), value.clone())));
        }
        let Some(Value::Array(parts)) = words.remove("allOf") else { return words };
        for part in parts.iter().filter(|_| depth < MAX_DEPTH) {
            for (word, value) in self.merged(part, depth + 1) {
                match (words.get_mut(&word), value) {
                    (Some(Value::Object(known)), Value::Object(more)) if word == "properties" => {
                        for (name, property) in more {
                            let both = known.get(&name).map(|known| json!({"allOf": [known, property]}));
                            known.insert(name, both.unwrap_or(property));
                        }
                    }
                    (Some(Value::Array(known)), Value::Array(more)) if word == "required" => {
                        known.extend(more);
                    }
                    (Some(known), value) if word == "additionalProperties" && value == json!(false) => {
                        *known = value;
                    }
                    (Some(_), _) => {}
                    (None, value) => {
                        words.insert(word, value);
                    }
                }
            }
        }
        words
    }
}

fn number(words: &Map<String, Value>, nth: u64) -> Value {
    let bound = |word: &str| words.get(word).and_then(Value::as_f64);
    let whole = words.get("type").is_some_and(|kind| kind.to_string().contains("integer"));
    let example = words.get("examples").and_then(|examples| examples.get(0)).and_then(Value::as_f64);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|least| least + 1.0));
    let mut made =
        example.filter(|n| !whole || n.fract() == 0.0).unwrap_or(1.0).max(least.unwrap_or(f64::MIN));
    made += nth as f64;
    if let Some(most) = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|most| most - 1.0)) {
        made = made.min(most);
    }
    if let Some(step) = bound("multipleOf").filter(|step| *step > 0.0) {
        made = (made / step).ceil() * step;
    }
    if made.fract() == 0.0 { json!(made as i64) } else { json!(made) }
}

fn text(words: &Map<String, Value>, nth: u64) -> String {
    let bound = |word: &str| words.get(word).and_then(Value::as_u64).map(|bound| bound as usize);
    if let Some(made) =
        words.get("pattern").and_then(Value::as_str).and_then(|pattern| pattern::matching(pattern, nth))
    {
        return made;
    }
    let two = nth % 90 + 10;
    match words.get("format").and_then(Value::as_str) {
        Some("date-time") => return format!("2030-01-01T00:00:{:02}Z", nth % 60),
        Some("date") => return format!("20{two}-01-01"),
        Some("time") => return "12:00:00Z".to_owned(),
        Some("uuid") => return format!("3fa85f64-5717-4562-b3fc-2c963f66af{two}"),
        Some("email") => return format!("ada{nth}@example.com"),
        Some("uri" | "url" | "uri-reference") => return format!("https://example.com/{nth}"),
        Some("hostname") => return format!("a{nth}.example.com"),
        Some("ipv4") => return format!("192.0.2.{two}"),
        Some("ipv6") => return format!("2001:db8::{two}"),
        Some("byte") => return "YQ==".to_owned(),
        _ => {}
    }
    let example = words.get("examples").and_then(|examples| examples.get(0)).and_then(Value::as_str);
    let mut made = match example {
        Some(example) if nth == 0 && !example.is_empty() => example.to_owned(),
        _ => format!("text{nth}"),
    };
    while made.chars().count() < bound("minLength").unwrap_or(0) {
        made.push('x');
    }
    made.chars().take(bound("maxLength").unwrap_or(usize::MAX)).collect()
}
