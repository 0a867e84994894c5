//! What is known while a document is read: its faults, and where its references lead.

use crate::schemas::Shared;
use domain::Fault;
use serde_json::{Map, Value};

/// How many faults are told, and how many notes.
const MAX_FAULTS: usize = 100;
/// How many references may follow upon each other.
const MAX_CHAIN: usize = 32;
/// About how many bytes a manifest may have: parts of a document that are written once are in each action that refers to them.
const MAX_MANIFEST: usize = 40 * 1_048_576;

pub(crate) struct Import<'d> {
    pub(crate) document: &'d Value,
    pub(crate) shared: Shared,
    faults: Vec<Fault>,
    notes: Vec<Fault>,
    left: usize,
}

/// A part of the document, and its pointer.
#[derive(Debug, Clone)]
pub(crate) struct Part<'d> {
    pub(crate) value: &'d Value,
    pub(crate) at: String,
}

impl<'d> Part<'d> {
    /// What is at `name` in it, if anything is.
    pub(crate) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name)?;
        Some(Self { value, at: domain::fault::join(&self.at, name) })
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'d str> {
        self.value.get(name).and_then(Value::as_str)
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.value.get(name).and_then(Value::as_bool) == Some(true)
    }

    /// Its members, if it is an object.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'d str, Self)> {
        let at = self.at.clone();
        self.value
            .as_object()
            .into_iter()
            .flatten()
            .map(move |(name, value)| (name.as_str(), Self { value, at: domain::fault::join(&at, name) }))
    }

    /// Its items, if it is a list.
    pub(crate) fn items(&self) -> impl Iterator<Item = Self> {
        let at = self.at.clone();
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(move |(i, value)| Self { value, at: format!("{at}/{i}") })
    }
}

impl<'d> Import<'d> {
    pub(crate) fn new(document: &'d Value) -> Self {
        let shared = Shared::of(document);
        Self { document, shared, faults: Vec::new(), notes: Vec::new(), left: MAX_MANIFEST }
    }

    pub(crate) fn fault(&mut self, at: &str, code: &str, message: impl Into<String>) {
        let known = self.faults.iter().any(|fault| fault.pointer == at && fault.code == code);
        if self.faults.len() < MAX_FAULTS && !known {
            self.faults.push(Fault::new(at, code, message));
        }
    }

    /// Something that is left out, which the rest can do without.
    pub(crate) fn note(&mut self, at: &str, message: impl Into<String>) {
        if self.notes.len() < MAX_FAULTS {
            self.notes.push(Fault::new(at, "openapi_unsupported", message));
        }
    }

    pub(crate) fn finish(self) -> (Vec<Fault>, Vec<Fault>) {
        (self.faults, self.notes)
    }

    pub(crate) fn root(&self) -> Part<'d> {
        Part { value: self.document, at: String::new() }
    }

    /// Counts what goes into the manifest; `false` when there is no room for more.
    pub(crate) fn spend(&mut self, bytes: usize) -> bool {
        let room = self.left > bytes;
        if !room && self.left > 0 {
            let message = "what this document says in few words is too much for a manifest";
            self.fault("", "openapi_too_large", message);
        }
        self.left = if room { self.left - bytes } else { 0 };
        room
    }

    /// What a part says, or what it refers to says. `None` where that is nothing, with a fault.
    pub(crate) fn follow(&mut self, part: Part<'d>) -> Option<Part<'d>> {
        let from = part.at.clone();
        let mut part = part;
        for _ in 0..MAX_CHAIN {
            let Some(reference) = part.value.get("$ref") else {
                if part.value.is_object() {
                    return Some(part);
                }
                self.fault(&part.at, "type_mismatch", "an object is needed here");
                return None;
            };
            part = self.target(reference, &part.at)?;
        }
        self.fault(&from, "openapi_reference", "this reference leads in a circle");
        None
    }

    /// What a `$ref` names.
    pub(crate) fn target(&mut self, reference: &Value, at: &str) -> Option<Part<'d>> {
        let at = format!("{at}/$ref");
        let Some(reference) = reference.as_str() else {
            self.fault(&at, "type_mismatch", "`$ref` must be a text");
            return None;
        };
        let Some(pointer) = pointer(reference) else {
            let shown = crate::names::cut(reference, 200);
            let message = format!("`{shown}` is outside of the document; put what it names inside");
            self.fault(&at, "openapi_reference", message);
            return None;
        };
        let Some(value) = self.document.pointer(&pointer) else {
            let shown = crate::names::cut(reference, 200);
            self.fault(&at, "openapi_reference", format!("`{shown}` leads nowhere"));
            return None;
        };
        Some(Part { value, at: pointer })
    }
}

/// The pointer of a reference into the same document.
pub(crate) fn pointer(reference: &str) -> Option<String> {
    let pointer = reference.strip_prefix('#')?;
    (pointer.is_empty() || pointer.starts_with('/')).then(|| unescaped(pointer))
}

/// A fragment of an address as it is meant: `%20` is a space.
fn unescaped(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let byte = (bytes[i] == b'%')
            .then(|| text.get(i + 1..i + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        out.push(byte.unwrap_or(bytes[i]));
        i += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where a part is documented.
pub(crate) fn docs(of: &Value) -> Option<&str> {
    let url = of.get("externalDocs")?.get("url")?.as_str()?;
    (url.starts_with("https://") && url.len() <= 2000).then_some(url)
}

/// Puts a text under a name, if there is one.
pub(crate) fn put_text(into: &mut Map<String, Value>, name: &str, text: Option<&str>, max: usize) {
    if let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) {
        into.insert(name.to_owned(), crate::names::cut(text, max).into());
    }
}
