//! A reader of JSON objects that notes every fault instead of stopping at the first.

use crate::{ConnectionId, Fault, duration, fault, limits};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::Duration;

/// What is gathered while a document is walked.
#[derive(Debug, Default)]
pub struct Walk {
    faults: Vec<Fault>,
    /// Every step id, also of steps that are faulty otherwise, with the pointer of the first.
    steps: Vec<(String, String)>,
    count: usize,
}

impl Walk {
    pub fn fault(&mut self, pointer: &str, code: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(pointer, code, message));
    }

    /// Counts one more step; `false` when there are too many to go on.
    pub(crate) fn count_step(&mut self) -> bool {
        self.count += 1;
        if self.count == limits::MAX_STEPS + 1 {
            let message = format!(
                "a workflow has at most {} steps; move some into a workflow of their own",
                limits::MAX_STEPS
            );
            self.fault("/steps", "too_many_steps", message);
        }
        self.count <= limits::MAX_STEPS
    }

    pub fn finish(self) -> Vec<Fault> {
        self.faults
    }
}

/// Reads one object, member by member; whatever was not asked for is an unknown field.
#[derive(Debug)]
pub struct Reader<'w> {
    walk: &'w mut Walk,
    object: Map<String, Value>,
    pointer: String,
    asked: BTreeSet<&'static str>,
    ignore_rest: bool,
}

impl<'w> Reader<'w> {
    /// Opens `value`, which must be an object.
    pub fn open(walk: &'w mut Walk, value: &Value, pointer: String) -> Option<Self> {
        if let Some(object) = value.as_object() {
            Some(Self { walk, object: object.clone(), pointer, asked: BTreeSet::new(), ignore_rest: false })
        } else {
            walk.fault(&pointer, "type_mismatch", "an object is needed here: `{…}`");
            None
        }
    }

    /// Ends the reading: members that nothing asked for are faults.
    pub fn close(self) {
        if self.ignore_rest {
            return;
        }
        for name in self.object.keys().filter(|name| !self.asked.contains(name.as_str())) {
            let known = self.asked.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
            let message = format!("`{name}` is not a field here; the fields are {known}");
            self.walk.faults.push(Fault::new(fault::join(&self.pointer, name), "unknown_field", message));
        }
    }

    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    pub fn walk(&mut self) -> &mut Walk {
        self.walk
    }

    /// Says nothing of members that nobody asked for: their meaning is not known.
    pub fn ignore_rest(&mut self) {
        self.ignore_rest = true;
    }

    pub fn fault(&mut self, code: &str, message: &str) {
        self.walk.fault(&self.pointer, code, message);
    }

    pub fn fault_at(&mut self, field: &str, code: &str, message: impl Into<String>) {
        self.walk.fault(&fault::join(&self.pointer, field), code, message);
    }

    pub(crate) fn declare_step(&mut self, id: &str) {
        if let Some((_, first)) = self.walk.steps.iter().find(|(known, _)| known == id) {
            let message =
                format!("the step at `{first}` has the id `{id}` already; ids are unique in a workflow");
            self.fault_at("id", "duplicate_id", message);
        } else {
            self.walk.steps.push((id.to_owned(), self.pointer.clone()));
        }
    }

    /// Every member, whatever its name: for objects whose names are the user's.
    pub fn all(&mut self) -> Vec<(String, Value)> {
        self.ignore_rest = true;
        self.object.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    pub fn take(&mut self, field: &'static str) -> Option<&Value> {
        self.asked.insert(field);
        self.object.get(field)
    }

    pub fn required(&mut self, field: &'static str) -> Option<&Value> {
        self.asked.insert(field);
        if !self.object.contains_key(field) {
            self.walk.fault(&self.pointer, "missing_field", format!("`{field}` is missing"));
        }
        self.object.get(field)
    }

    /// A required text.
    pub fn text(&mut self, field: &'static str) -> Option<String> {
        let value = self.required(field)?.clone();
        match value {
            Value::String(text) => Some(text),
            _ => self.mismatch(field, "a text"),
        }
    }

    pub fn optional_text(&mut self, field: &'static str, max: usize) -> Option<String> {
        match self.take(field)?.clone() {
            Value::String(text) if text.chars().count() <= max => Some(text),
            _ => self.mismatch(field, &format!("a text of at most {max} characters")),
        }
    }

    /// A required id: a name that expressions can use without quoting.
    pub fn id(&mut self, field: &'static str) -> Option<String> {
        let text = self.text(field)?;
        let mut chars = text.chars();
        let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if starts && text.len() <= 64 && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Some(text);
        }
        let shown: String = text.chars().take(64).collect();
        let message =
            format!("`{shown}` is not an id: use 1 to 64 letters, digits and `_`, beginning with a letter");
        self.fault_at(field, "invalid_id", message);
        None
    }

    /// The id of a connection.
    pub fn connection(&mut self, field: &'static str) -> Option<ConnectionId> {
        let text = self.optional_text(field, 64)?;
        let id = ConnectionId::parse(&text).ok();
        if id.is_none() {
            let message = format!(
                "`{field}` is the id of a connection, such as `conn_…`; `GET /v1/connections` lists them"
            );
            self.fault_at(field, "invalid_id", message);
        }
        id
    }

    pub fn boolean(&mut self, field: &'static str) -> Option<bool> {
        match self.take(field)? {
            Value::Bool(b) => Some(*b),
            _ => self.mismatch(field, "`true` or `false`"),
        }
    }

    pub fn integer(&mut self, field: &'static str, min: u64, max: u64) -> Option<u64> {
        match self.take(field)?.as_u64() {
            Some(n) if (min..=max).contains(&n) => Some(n),
            _ => self.mismatch(field, &format!("a whole number from {min} to {max}")),
        }
    }

    pub fn number(&mut self, field: &'static str, min: f64, max: f64) -> Option<f64> {
        match self.take(field)?.as_f64() {
            Some(n) if (min..=max).contains(&n) => Some(n),
            _ => self.mismatch(field, &format!("a number from {min} to {max}")),
        }
    }

    pub fn duration(&mut self, field: &'static str, min: Duration, max: Duration) -> Option<Duration> {
        let given = self.take(field)?.as_str().and_then(|text| duration::parse(text).ok());
        match given {
            Some(d) if (min..=max).contains(&d) => Some(d),
            _ => {
                let (min, max) = (duration::format(min), duration::format(max));
                self.mismatch(
                    field,
                    &format!("an ISO 8601 duration from `{min}` to `{max}`, such as `PT30S`"),
                )
            }
        }
    }

    /// The index of one of `choices`.
    pub fn choice(&mut self, field: &'static str, choices: &[&str]) -> Option<usize> {
        let given = self.take(field)?.as_str().map(str::to_owned);
        if let Some(i) = given.and_then(|text| choices.iter().position(|c| *c == text)) {
            Some(i)
        } else {
            let names = choices.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(" or ");
            self.mismatch(field, &names)
        }
    }

    pub fn nested<T>(&mut self, field: &'static str, read: impl FnOnce(&mut Reader<'_>) -> T) -> Option<T> {
        let value = self.take(field)?.clone();
        let pointer = fault::join(&self.pointer, field);
        let mut inner = Reader::open(self.walk, &value, pointer)?;
        let out = read(&mut inner);
        inner.close();
        Some(out)
    }

    fn mismatch<T>(&mut self, field: &str, needed: &str) -> Option<T> {
        self.fault_at(field, "type_mismatch", format!("`{field}` must be {needed}"));
        None
    }
}
