//! YAML as JSON values, with the line of each. Shared with the build, so it names nothing of this crate.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;

/// A document, and the line where each of its values begins (by its JSON pointer; the first line is 1).
#[derive(Debug, Default)]
pub struct Located {
    pub value: Value,
    pub lines: BTreeMap<String, usize>,
}

/// Why a text is no document that we take.
#[derive(Debug, PartialEq, Eq)]
pub struct YamlFault {
    pub line: usize,
    pub message: String,
}

/// How deep a document may nest.
const MAX_DEPTH: usize = 64;
/// How many values a document may have once its aliases are followed: a few lines of them can make billions.
const MAX_VALUES: usize = 400_000;
/// How many bytes what is named by anchors, and what aliases repeat, may come to.
const MAX_REPEATED: usize = 64 * 1_048_576;
/// How long the pointer to a value may be: it is written out for each value.
const MAX_POINTER: usize = 4000;
/// What the pointers to all values may come to: short ones of many values, or long ones of few.
const MAX_POINTERS: usize = 32 * 1_048_576;

/// Reads the one document of a text; JSON is YAML, too.
pub fn read(text: &str) -> Result<Located, YamlFault> {
    read_within(text, MAX_VALUES)
}

/// Reads a document that may have so many values.
pub fn read_within(text: &str, max_values: usize) -> Result<Located, YamlFault> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        lines: BTreeMap::new(),
        anchors: BTreeMap::new(),
        values: 0,
        max_values,
        repeated: 0,
        pointers: 0,
    };
    let value = reader.document()?;
    Ok(Located { value, lines: reader.lines })
}

/// The line of a place, or of what it would be in.
pub fn line(pointer: &str, lines: &BTreeMap<String, usize>) -> usize {
    let mut at = pointer;
    loop {
        if let Some(line) = lines.get(at) {
            return *line;
        }
        match at.rsplit_once('/') {
            Some((outer, _)) => at = outer,
            None => return 1,
        }
    }
}

struct Reader<'t> {
    events: Parser<'t, saphyr_parser::StrInput<'t>>,
    lines: BTreeMap<String, usize>,
    /// What each names, how many values that is, and how many bytes.
    anchors: BTreeMap<usize, (Value, usize, usize)>,
    values: usize,
    max_values: usize,
    repeated: usize,
    pointers: usize,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Value, YamlFault> {
        let mut found = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return found.ok_or_else(|| fault(&span, "the document is empty")),
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                _ if found.is_some() => return Err(fault(&span, "one document is expected, not several")),
                event => found = Some(self.value(event, &span, "", 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), YamlFault> {
        match self.events.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(scan_fault(&error)),
            None => Err(YamlFault { line: 1, message: "the document ends too early".to_owned() }),
        }
    }

    fn value(&mut self, event: Event<'t>, span: &Span, at: &str, depth: usize) -> Result<Value, YamlFault> {
        if depth > MAX_DEPTH {
            return Err(fault(span, &format!("it nests deeper than {MAX_DEPTH} levels")));
        }
        if at.len() > MAX_POINTER {
            return Err(fault(span, &format!("the names that lead here have more than {MAX_POINTER} bytes")));
        }
        self.pointers += at.len();
        if self.pointers > MAX_POINTERS {
            return Err(fault(span, "the names that lead to its values are too long together"));
        }
        self.count(1, span)?;
        self.lines.insert(at.to_owned(), span.start.line());
        let before = self.values;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                (scalar(&text, style, tag).map_err(|message| fault(span, &message))?, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::SequenceEnd {
                        break (Value::Array(items), anchor);
                    }
                    let at = format!("{at}/{}", items.len());
                    items.push(self.value(event, &span, &at, depth + 1)?);
                }
            }
            Event::MappingStart(anchor, _) => {
                let mut fields = Map::new();
                loop {
                    let (event, span) = self.next()?;
                    let name = match event {
                        Event::MappingEnd => break (Value::Object(fields), anchor),
                        Event::Scalar(name, ..) => name.into_owned(),
                        _ => return Err(fault(&span, "a field's name must be a text")),
                    };
                    if fields.contains_key(&name) {
                        return Err(fault(&span, &format!("`{name}` is here twice")));
                    }
                    let (event, span) = self.next()?;
                    let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                    let value = self.value(event, &span, &at, depth + 1)?;
                    fields.insert(name, value);
                }
            }
            Event::Alias(anchor) => {
                let Some((values, bytes)) =
                    self.anchors.get(&anchor).map(|(_, values, bytes)| (*values, *bytes))
                else {
                    return Err(fault(span, "an alias stands inside what it names, or names nothing"));
                };
                self.count(values, span)?;
                self.repeat(bytes, span)?;
                (self.anchors.get(&anchor).map(|(value, ..)| value.clone()).unwrap_or_default(), 0)
            }
            _ => return Err(fault(span, "a value is expected here")),
        };
        if anchor != 0 {
            let bytes = weight(&value);
            self.repeat(bytes, span)?;
            self.anchors.insert(anchor, (value.clone(), self.values - before + 1, bytes));
        }
        Ok(value)
    }

    fn count(&mut self, values: usize, span: &Span) -> Result<(), YamlFault> {
        self.values += values;
        if self.values > self.max_values {
            return Err(fault(span, &format!("it has more than {} values", self.max_values)));
        }
        Ok(())
    }

    fn repeat(&mut self, bytes: usize, span: &Span) -> Result<(), YamlFault> {
        self.repeated += bytes;
        if self.repeated > MAX_REPEATED {
            return Err(fault(span, "its aliases repeat too much"));
        }
        Ok(())
    }
}

/// About how many bytes a value takes.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 16,
        Value::String(text) => 16 + text.len(),
        Value::Array(items) => 16 + items.iter().map(weight).sum::<usize>(),
        Value::Object(fields) => {
            16 + fields.iter().map(|(name, value)| 32 + name.len() + weight(value)).sum::<usize>()
        }
    }
}

/// As YAML's core schema reads it (YAML 1.2, 10.3), without octal and infinite numbers.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    if style != ScalarStyle::Plain {
        return Ok(text.into());
    }
    if let Some(tag) = tag {
        return match tag.suffix.as_str() {
            "str" => Ok(text.into()),
            other => Err(format!("the tag `!{other}` is not known here")),
        };
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| text.into(), Value::Number),
    })
}

fn number(text: &str) -> Option<Number> {
    let digits = text.trim_start_matches(['-', '+']);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    // `007` is a text to us: whoever writes it means a code.
    if digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit() {
        return None;
    }
    let text = text.trim_start_matches('+');
    text.parse::<i64>()
        .map(Number::from)
        .or_else(|_| text.parse::<u64>().map(Number::from))
        .ok()
        .or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
}

fn fault(span: &Span, message: &str) -> YamlFault {
    YamlFault { line: span.start.line(), message: message.to_owned() }
}

fn scan_fault(error: &ScanError) -> YamlFault {
    YamlFault { line: error.marker().line(), message: error.info().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_over_many_values_are_refused() {
        let document = |values: usize| {
            let items = vec!["1"; values].join(",");
            format!("{{\"{}\": [{items}]}}", "n".repeat(900))
        };
        assert!(read(&document(30_000)).is_ok());
        let fault = read(&document(40_000)).unwrap_err();
        assert_eq!(fault.message, "the names that lead to its values are too long together");
    }
}
