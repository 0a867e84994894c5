//! A result on its way out of the engine, within its limits.

use jsonata_core::value::JValue;
use serde_json::{Map, Number, Value};

use crate::failure::codes;
use crate::limits::Limits;

/// Why a result was refused: code and sentence.
pub(crate) type Refusal = (&'static str, String);

/// Bytes and nesting that a rendering may still use.
#[derive(Debug)]
pub(crate) struct Room {
    bytes: usize,
    max_bytes: usize,
    depth: usize,
    max_depth: usize,
}

impl Room {
    pub(crate) fn new(limits: &Limits) -> Self {
        Room {
            bytes: limits.max_output_bytes,
            max_bytes: limits.max_output_bytes,
            depth: limits.max_output_depth,
            max_depth: limits.max_output_depth,
        }
    }

    /// Takes `bytes` of the room.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            (codes::TOO_LARGE, format!("the result is larger than {} bytes", self.max_bytes))
        })?;
        Ok(())
    }

    fn nest<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Refusal>) -> Result<T, Refusal> {
        self.depth = self.depth.checked_sub(1).ok_or_else(|| {
            (codes::TOO_DEEP, format!("the result nests deeper than {} levels", self.max_depth))
        })?;
        let result = inner(self);
        self.depth += 1;
        result
    }

    /// A copy of a JSON value, paid for.
    pub(crate) fn copy(&mut self, value: &Value) -> Result<Value, Refusal> {
        match value {
            Value::Array(items) => self.nest(|room| {
                room.take(2 + items.len())?;
                Ok(Value::Array(items.iter().map(|item| room.copy(item)).collect::<Result<_, _>>()?))
            }),
            Value::Object(fields) => self.nest(|room| {
                room.take(2)?;
                let mut map = Map::with_capacity(fields.len());
                for (name, value) in fields {
                    room.take(text_len(name) + 2)?;
                    map.insert(name.clone(), room.copy(value)?);
                }
                Ok(Value::Object(map))
            }),
            Value::String(s) => {
                self.take(text_len(s))?;
                Ok(value.clone())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.take(4)?;
                Ok(value.clone())
            }
        }
    }

    /// The engine's value as JSON; `None` if it is undefined.
    pub(crate) fn export(&mut self, value: &JValue) -> Result<Option<Value>, Refusal> {
        Ok(Some(match value {
            JValue::Undefined => return Ok(None),
            JValue::Null => {
                self.take(4)?;
                Value::Null
            }
            JValue::Bool(b) => {
                self.take(4)?;
                Value::Bool(*b)
            }
            JValue::Number(n) => {
                self.take(4)?;
                number(*n)
            }
            JValue::String(s) => {
                self.take(text_len(s))?;
                Value::String(s.to_string())
            }
            JValue::Array(items) => self.nest(|room| {
                room.take(2 + items.len())?;
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    out.push(room.export(item)?.unwrap_or(Value::Null));
                }
                Ok(Value::Array(out))
            })?,
            JValue::Object(fields) => self.nest(|room| {
                room.take(2)?;
                let mut map = Map::with_capacity(fields.len());
                for (name, value) in fields.iter() {
                    room.take(text_len(name) + 2)?;
                    if let Some(value) = room.export(value)? {
                        map.insert(name.clone(), value);
                    }
                }
                Ok(Value::Object(map))
            })?,
            JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
                return Err((codes::FAILED, "the result holds a function, which is not a value".to_owned()));
            }
        }))
    }
}

/// Bytes of a string as JSON: quotes, and escapes counted generously only where there are any.
fn text_len(text: &str) -> usize {
    let escapes: usize = text
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
            0..0x20 => 5,
            _ => 0,
        })
        .sum();
    text.len() + escapes + 2
}

/// Integral numbers come back as JSON integers, as far as 64 bits reach.
pub(crate) fn number(n: f64) -> Value {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    const TWO_64: f64 = 18_446_744_073_709_551_616.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    if n.fract() == 0.0 && (-TWO_63..TWO_63).contains(&n) {
        Value::from(n as i64)
    } else if n.fract() == 0.0 && (TWO_63..TWO_64).contains(&n) {
        Value::from(n as u64)
    } else {
        Number::from_f64(n).map_or(Value::Null, Value::Number)
    }
}

/// A value inside text: strings verbatim, nothing for null and undefined, JSON for the rest.
pub(crate) fn append_text(text: &mut String, value: Option<&Value>) {
    match value {
        None | Some(Value::Null) => {}
        Some(Value::String(s)) => text.push_str(s),
        Some(other) => text.push_str(&other.to_string()),
    }
}
