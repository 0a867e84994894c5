//! The text of a document, read within bounds.

use connectors::yaml;
use domain::fault::{self, Fault};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

/// The longest text of a document.
pub const MAX_BYTES: usize = 10 * 1_048_576;
/// How many values a document may have.
const MAX_VALUES: usize = 1_500_000;

#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) value: Value,
    /// Of YAML only: where each value begins.
    lines: BTreeMap<String, usize>,
}

impl Read {
    /// Says in a fault's message on which line it is, where that is known.
    pub(crate) fn place(&self, fault: &mut Fault) {
        if !self.lines.is_empty() {
            let line = yaml::line(&fault.pointer, &self.lines);
            fault.message = format!("line {line}: {}", fault.message);
        }
    }
}

/// Reads JSON or YAML.
pub(crate) fn read(text: &str) -> Result<Read, Vec<Fault>> {
    if text.len() > MAX_BYTES {
        let message = format!("a document has at most {} MB", MAX_BYTES / 1_048_576);
        return Err(vec![Fault::new("", "openapi_too_large", message)]);
    }
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        match json(text) {
            Ok(value) => return Ok(Read { value, lines: BTreeMap::new() }),
            // A mapping of YAML can begin so, too.
            Err(JsonFault::Syntax(said)) => {
                return yaml(text).map_err(|_| vec![Fault::new("", "openapi_malformed", said)]);
            }
            Err(JsonFault::Found(fault)) => return Err(vec![fault]),
        }
    }
    yaml(text).map_err(|fault| vec![fault])
}

fn yaml(text: &str) -> Result<Read, Fault> {
    match yaml::read_within(text, MAX_VALUES) {
        Ok(located) => Ok(Read { value: located.value, lines: located.lines }),
        Err(found) => {
            let message = format!("line {}: {}", found.line, found.message);
            Err(Fault::new("", "openapi_malformed", message))
        }
    }
}

enum JsonFault {
    Syntax(String),
    Found(Fault),
}

/// JSON in which no name is twice: the readers of a document would not agree on which is meant.
fn json(text: &str) -> Result<Value, JsonFault> {
    let state = RefCell::new(State { left: MAX_VALUES, at: Vec::new(), found: None });
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = One(&state).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| match state.into_inner().found {
        Some(fault) => JsonFault::Found(fault),
        None => JsonFault::Syntax(error.to_string()),
    })
}

struct State {
    left: usize,
    at: Vec<String>,
    found: Option<Fault>,
}

impl State {
    fn pointer(&self) -> String {
        self.at.iter().fold(String::new(), |pointer, name| fault::join(&pointer, name))
    }
}

#[derive(Clone, Copy)]
struct One<'s>(&'s RefCell<State>);

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        let mut state = self.0.borrow_mut();
        if state.left == 0 {
            let message = format!("a document has at most {MAX_VALUES} values");
            state.found = Some(Fault::new("", "openapi_too_large", message));
            return Err(D::Error::custom("too many values"));
        }
        state.left -= 1;
        drop(state);
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = Value;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        loop {
            self.0.borrow_mut().at.push(all.len().to_string());
            let item = items.next_element_seed(self)?;
            self.0.borrow_mut().at.pop();
            match item {
                Some(item) => all.push(item),
                None => return Ok(Value::Array(all)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            self.0.borrow_mut().at.push(name.clone());
            if all.contains_key(&name) {
                let mut state = self.0.borrow_mut();
                let message = format!("`{}` is here twice", crate::names::cut(&name, 200));
                state.found = Some(Fault::new(state.pointer(), "openapi_duplicate", message));
                return Err(A::Error::custom("a name is twice"));
            }
            let value = fields.next_value_seed(self)?;
            self.0.borrow_mut().at.pop();
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }
}
