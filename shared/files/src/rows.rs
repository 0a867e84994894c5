//! The rows that a reader gives: as many as were asked for, and no more than an output holds.

use crate::input::{Input, unreadable};
use domain::limits;
use domain::run::StepError;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// What an output has beside its rows.
const MARGIN: usize = 64 * 1024;

pub(crate) struct Rows {
    taken: Vec<Value>,
    bytes: usize,
    skip: u64,
    offset: u64,
    most: usize,
    more: bool,
}

impl Rows {
    pub(crate) fn new(input: Input<'_>) -> Self {
        let limit = input.number("limit", limits::MAX_FILE_ROWS).min(limits::MAX_FILE_ROWS);
        let offset = input.number("offset", 0);
        Self {
            taken: Vec::new(),
            bytes: 0,
            skip: offset,
            offset,
            most: usize::try_from(limit).unwrap_or(usize::MAX),
            more: false,
        }
    }

    /// Whether the next row is one of those before `offset`: it need not be made.
    pub(crate) fn skips(&mut self) -> bool {
        let skips = self.skip > 0;
        self.skip = self.skip.saturating_sub(1);
        skips
    }

    /// Takes a row; `false` if it is one too many, and reading is over.
    pub(crate) fn take(&mut self, row: Value) -> Result<bool, StepError> {
        let bytes = weight(&row) + 1;
        if bytes > limits::MAX_OUTPUT_BYTES - MARGIN {
            return Err(unreadable(format!(
                "row {} is larger than an output may be",
                self.offset + self.taken.len() as u64
            )));
        }
        if self.taken.len() == self.most || self.bytes + bytes > limits::MAX_OUTPUT_BYTES - MARGIN {
            self.more = true;
            return Ok(false);
        }
        self.bytes += bytes;
        self.taken.push(row);
        Ok(true)
    }

    /// `{"rows", "more", "next"}`, with the columns where there are some.
    pub(crate) fn output(self, columns: Option<Vec<String>>) -> Value {
        let next = self.more.then_some(self.offset + self.taken.len() as u64);
        let mut output = Map::new();
        output.insert("rows".into(), self.taken.into());
        if let Some(columns) = columns {
            output.insert("columns".into(), columns.into());
        }
        output.insert("more".into(), self.more.into());
        output.insert("next".into(), json!(next));
        output.into()
    }
}

/// About how many bytes a value has as JSON, and a little more rather than less.
pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 20,
        Value::String(text) => escaped(text) + 2,
        Value::Array(items) => items.iter().map(|item| weight(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| escaped(name) + 4 + weight(value)).sum::<usize>() + 2
        }
    }
}

/// Control characters take six bytes, quotes and backslashes two.
fn escaped(text: &str) -> usize {
    text.bytes().map(|byte| if byte < 0x20 { 6 } else { 1 + usize::from(matches!(byte, b'"' | b'\\')) }).sum()
}

/// The names of a table's columns: those of its first row, each one once; `column_3` where there is none.
pub(crate) fn columns(header: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut taken = HashSet::new();
    for (i, name) in header.into_iter().enumerate() {
        let name = name.trim();
        let base = if name.is_empty() { unnamed(i) } else { name.to_owned() };
        let mut name = base.clone();
        let mut n = 1;
        while !taken.insert(name.clone()) {
            n += 1;
            name = format!("{base}_{n}");
        }
        names.push(name);
    }
    names
}

fn unnamed(i: usize) -> String {
    format!("column_{}", i + 1)
}

/// Where a row has its cells: under the names of the columns, or in a list.
pub(crate) fn row(columns: Option<&[String]>, cells: Vec<Value>) -> Value {
    let Some(columns) = columns else { return cells.into() };
    let mut fields = Map::new();
    let mut cells = cells.into_iter();
    for name in columns {
        fields.insert(name.clone(), cells.next().unwrap_or_default());
    }
    // A row that is longer than the header keeps what it has.
    for (i, cell) in cells.enumerate() {
        fields.entry(unnamed(columns.len() + i)).or_insert(cell);
    }
    fields.into()
}

/// Refuses a row of more columns than any table has.
pub(crate) fn check_columns(count: usize, at: &str) -> Result<(), StepError> {
    if count <= limits::MAX_FILE_COLUMNS {
        return Ok(());
    }
    Err(unreadable(format!("{at} has {count} columns; {} are the most", limits::MAX_FILE_COLUMNS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_a_name_each() {
        let names = ["a", "", " a ", "a_2", "b"].map(str::to_owned);
        assert_eq!(columns(names), ["a", "column_2", "a_2", "a_2_2", "b"]);
    }

    #[test]
    fn no_row_weighs_less_than_its_json() {
        for value in
            [json!(null), json!(-1.25e-7), json!("a\"\\\n\u{1}ä"), json!({"a\n": [1, "x", {}], "b": []})]
        {
            assert!(weight(&value) >= value.to_string().len(), "{value}");
        }
    }

    #[test]
    fn what_is_asked_for_is_given_and_what_follows_is_told() {
        let input = json!({"offset": 2, "limit": 3});
        let mut rows = Rows::new(Input(&input));
        for n in 0..10 {
            if !rows.skips() && !rows.take(json!(n)).unwrap() {
                break;
            }
        }
        assert_eq!(rows.output(None), json!({"rows": [2, 3, 4], "more": true, "next": 5}));
        let mut rows = Rows::new(Input(&Value::Null));
        let large = json!("x".repeat(1_000_000));
        let taken = (0..10).take_while(|_| rows.take(large.clone()).unwrap()).count();
        assert_eq!(taken, 5);
        assert_eq!(rows.output(None)["next"], 5);
    }
}
