//! One call of a transform: its arguments, checked against its signature, and what its result may take.

use std::cell::Cell;
use std::cmp::Ordering;

use jsonata_core::value::{JMap, JValue, with_stack};

use crate::seed::Stream;

pub(super) type Outcome = Result<JValue, Fault>;

/// Why a transform gives no value.
#[derive(Debug)]
pub(super) enum Fault {
    /// A sentence that follows the transform's name.
    Said(String),
    /// The result is over the output's limit.
    TooLarge,
}

pub(super) fn said<T>(message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Said(message.into()))
}

/// `length: number` or, where it may be left out, `suffix?: string`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter {
    name: &'static str,
    kind: &'static str,
    optional: bool,
}

/// The parameters of a signature.
pub(super) fn parameters(signature: &'static str) -> Vec<Parameter> {
    let inner = signature.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    let inner = inner.map_or("", |(inner, _)| inner);
    inner
        .split(", ")
        .filter_map(|parameter| parameter.split_once(": "))
        .map(|(name, kind)| {
            let (name, optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
            Parameter { name, kind, optional }
        })
        .collect()
}

/// The highest count that makes sense anywhere.
pub(super) const MANY: usize = 1_000_000_000;

/// Bytes of a path: it is read again for each item of a list.
const MAX_PATH: usize = 512;

pub(super) struct Call<'a> {
    parameters: &'a [Parameter],
    args: &'a [JValue],
    pub(super) stream: &'a Stream,
    max_bytes: usize,
    max_items: usize,
    /// Values that a deep walk may still visit.
    steps: Cell<usize>,
}

fn kind_of(value: &JValue) -> &'static str {
    match value {
        JValue::Undefined => "undefined",
        JValue::Null => "null",
        JValue::Bool(_) => "a boolean",
        JValue::Number(_) => "a number",
        JValue::String(_) => "a string",
        JValue::Array(_) => "a list",
        JValue::Object(_) => "an object",
        _ => "a function",
    }
}

impl<'a> Call<'a> {
    /// `None` if what it needs is undefined: then so is the result.
    pub(super) fn new(
        parameters: &'a [Parameter],
        args: &'a [JValue],
        stream: &'a Stream,
        max_bytes: usize,
        max_items: usize,
    ) -> Result<Option<Call<'a>>, Fault> {
        // `$map` and its like give position and list too, whatever the function takes.
        let called_back = parameters.len() == 1
            && args.len() == 3
            && matches!(args[1], JValue::Number(_) | JValue::String(_))
            && matches!(args[2], JValue::Array(_) | JValue::Object(_));
        if args.len() > parameters.len() && !called_back {
            return said(format!("it takes {} arguments at most, not {}", parameters.len(), args.len()));
        }
        for (at, Parameter { name, kind, optional }) in parameters.iter().enumerate() {
            let fits = match (args.get(at), *kind) {
                (None, _) if *optional => continue,
                (None, _) => return said(format!("argument {} (`{name}`) is missing", at + 1)),
                // `getPath` has something to give for a value that is not there; a list to compare with is then empty.
                (Some(JValue::Undefined), "anything") => continue,
                (Some(JValue::Undefined), "list") if at > 0 => continue,
                (Some(JValue::Undefined), _) if *optional => continue,
                (Some(JValue::Undefined), _) => return Ok(None),
                (Some(value), "string") => value.is_string(),
                (Some(value), "number") => value.is_number(),
                (Some(value), "boolean") => value.is_bool(),
                (Some(value), "object") => value.is_object(),
                (Some(value), "time") => value.is_string() || value.is_number(),
                (Some(value), _) => !value.is_function(),
            };
            if !fits {
                let found = kind_of(&args[at]);
                let article = if *kind == "object" { "an" } else { "a" };
                return said(format!("argument {} (`{name}`) must be {article} {kind}, not {found}", at + 1));
            }
        }
        let steps = Cell::new(max_items.saturating_mul(2));
        Ok(Some(Call { parameters, args, stream, max_bytes, max_items, steps }))
    }

    /// The argument, if it was given and is defined.
    pub(super) fn given(&self, at: usize) -> Option<&'a JValue> {
        self.args.get(at).filter(|value| !value.is_undefined() && at < self.parameters.len())
    }

    pub(super) fn value(&self, at: usize) -> JValue {
        self.given(at).cloned().unwrap_or(JValue::Undefined)
    }

    pub(super) fn text(&self, at: usize) -> &'a str {
        self.text_or(at, "")
    }

    pub(super) fn text_or(&self, at: usize, otherwise: &'a str) -> &'a str {
        self.given(at).and_then(JValue::as_str).unwrap_or(otherwise)
    }

    pub(super) fn number(&self, at: usize) -> f64 {
        self.given(at).and_then(JValue::as_f64).unwrap_or(0.0)
    }

    /// A whole number from 0 to `most`.
    pub(super) fn whole(&self, at: usize, otherwise: usize, most: usize) -> Result<usize, Fault> {
        let Some(number) = self.given(at).and_then(JValue::as_f64) else { return Ok(otherwise) };
        if number.fract() == 0.0 && number >= 0.0 && number <= most as f64 {
            return Ok(number as usize);
        }
        let name = self.parameters[at].name;
        said(format!("argument {} (`{name}`) must be a whole number from 0 to {most}", at + 1))
    }

    /// The items of a list; any other value is a list of itself.
    pub(super) fn list(&self, at: usize) -> &'a [JValue] {
        match self.given(at) {
            None => &[],
            Some(JValue::Array(items)) => items,
            Some(one) => std::slice::from_ref(one),
        }
    }

    /// The items of a list of strings.
    pub(super) fn texts(&self, at: usize) -> Result<Vec<&'a str>, Fault> {
        self.list(at).iter().map(|item| item.as_str().map_or_else(|| self.wrong(at, "strings"), Ok)).collect()
    }

    pub(super) fn object(&self, at: usize) -> Result<&'a JMap, Fault> {
        match self.given(at) {
            Some(JValue::Object(fields)) => Ok(fields),
            _ => self.wrong(at, "an object"),
        }
    }

    /// A path for [`find`].
    pub(super) fn path(&self, at: usize) -> Result<&'a str, Fault> {
        if self.text(at).len() > MAX_PATH {
            self.wrong(at, "at most 512 bytes long")
        } else {
            Ok(self.text(at))
        }
    }

    /// Says what the argument must be.
    pub(super) fn wrong<T>(&self, at: usize, what: &str) -> Result<T, Fault> {
        said(format!("argument {} (`{}`) must be {what}", at + 1, self.parameters[at].name))
    }

    /// A text of at most the output's size.
    pub(super) fn writer(&self) -> Writer {
        Writer { text: String::new(), room: self.max_bytes }
    }

    /// Whether a list may have so many items.
    pub(super) fn check_items(&self, count: usize) -> Result<(), Fault> {
        if count > self.max_items { Err(Fault::TooLarge) } else { Ok(()) }
    }

    /// One value more of a deep walk: what shares its parts may be far larger than its memory.
    pub(super) fn step(&self) -> Result<(), Fault> {
        self.steps.set(self.steps.get().checked_sub(1).ok_or(Fault::TooLarge)?);
        Ok(())
    }

    /// Writes a value as compact JSON; `in_order` writes equal values alike.
    pub(super) fn print(&self, value: &JValue, in_order: bool, out: &mut Writer) -> Result<(), Fault> {
        self.step()?;
        match value {
            JValue::Undefined | JValue::Null => out.push("null"),
            JValue::Bool(b) => out.push(if *b { "true" } else { "false" }),
            JValue::Number(n) => out.push(&digits(*n)),
            JValue::String(text) => out.push_json(text),
            JValue::Array(items) => with_stack(|| {
                out.push("[")?;
                for (at, item) in items.iter().enumerate() {
                    out.push(if at == 0 { "" } else { "," })?;
                    self.print(item, in_order, out)?;
                }
                out.push("]")
            }),
            JValue::Object(fields) => with_stack(|| {
                let fields: Vec<(&String, &JValue)> =
                    fields.iter().filter(|(_, value)| !value.is_undefined()).collect();
                let order = if in_order {
                    sorted(fields.len(), &|a, b| fields[a].0.cmp(fields[b].0))
                } else {
                    Vec::new()
                };
                out.push("{")?;
                for at in 0..fields.len() {
                    let (name, value) = fields[order.get(at).copied().unwrap_or(at)];
                    out.push(if at == 0 { "" } else { "," })?;
                    out.push_json(name)?;
                    out.push(":")?;
                    self.print(value, in_order, out)?;
                }
                out.push("}")
            }),
            _ => said("a function is not a value"),
        }
    }

    /// A text that equal values share and others do not.
    pub(super) fn identity(&self, value: &JValue) -> Result<String, Fault> {
        let mut out = self.writer();
        self.print(value, true, &mut out)?;
        Ok(out.text)
    }

    /// A value as part of a text: strings as they are, nothing for null, JSON for the rest.
    pub(super) fn plain(&self, value: &JValue) -> Result<String, Fault> {
        match value {
            JValue::String(text) => Ok(text.to_string()),
            JValue::Null | JValue::Undefined => Ok(String::new()),
            other => {
                let mut out = self.writer();
                self.print(other, false, &mut out)?;
                Ok(out.text)
            }
        }
    }
}

/// A number as JSON writes it.
pub(super) fn digits(number: f64) -> String {
    crate::output::number(number).to_string()
}

/// A text that grows within the output's limit.
pub(super) struct Writer {
    pub(super) text: String,
    room: usize,
}

impl Writer {
    pub(super) fn push(&mut self, text: &str) -> Result<(), Fault> {
        self.charge(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    /// Takes room for what is written elsewhere.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Fault> {
        self.room = self.room.checked_sub(bytes).ok_or(Fault::TooLarge)?;
        Ok(())
    }

    pub(super) fn push_char(&mut self, char: char) -> Result<(), Fault> {
        self.push(char.encode_utf8(&mut [0; 4]))
    }

    /// As a JSON string, with its quotes.
    fn push_json(&mut self, text: &str) -> Result<(), Fault> {
        if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
            return self.push(&serde_json::Value::from(text).to_string());
        }
        self.push("\"")?;
        self.push(text)?;
        self.push("\"")
    }

    pub(super) fn done(self) -> JValue {
        text(&self.text)
    }
}

pub(super) fn text(text: &str) -> JValue {
    JValue::string(text)
}

/// A list of what an iterator gives; `dyn`, so that it is compiled once.
pub(super) fn list(items: &mut dyn Iterator<Item = JValue>) -> JValue {
    let mut out = Vec::new();
    for item in items {
        out.push(item);
    }
    JValue::array(out)
}

/// A list of texts.
pub(super) fn texts(texts: &mut dyn Iterator<Item = &str>) -> JValue {
    list(&mut texts.map(text))
}

/// An object of the fields that an iterator gives.
pub(super) fn fields(fields: &mut dyn Iterator<Item = (&String, &JValue)>) -> JValue {
    let mut out = JMap::default();
    for (name, value) in fields {
        out.insert(name.clone(), value.clone());
    }
    object(out)
}

pub(super) fn object(fields: JMap) -> JValue {
    JValue::object(fields.into_inner())
}

/// The positions of `count` things in their order, equal ones as they were. The standard library's sorts are several times as
/// large, each time that one is used.
pub(super) fn sorted(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut from: Vec<usize> = (0..count).collect();
    let mut run = 1;
    while run < count {
        let mut to = Vec::with_capacity(count);
        for pair in from.chunks(run * 2) {
            let (mut left, mut right) = pair.split_at(run.min(pair.len()));
            while let (Some(a), Some(b)) = (left.first(), right.first()) {
                let first = if compare(*a, *b).is_le() { &mut left } else { &mut right };
                if let Some((at, rest)) = first.split_first() {
                    to.push(*at);
                    *first = rest;
                }
            }
            to.extend_from_slice(left);
            to.extend_from_slice(right);
        }
        from = to;
        run *= 2;
    }
    from
}

/// What a path of names and positions (`a.b.0.c`) finds.
pub(super) fn find<'v>(value: &'v JValue, path: &str) -> Option<&'v JValue> {
    path.split('.').try_fold(value, |value, part| match value {
        JValue::Object(fields) => fields.get(part),
        JValue::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}
