//! The rows that a reader gives: as many as were asked for, and no more than an output holds.

use crate::input::{Input, unreadable};
use domain::limits;
use domain::run::StepError;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// What an output has beside its rows.
const MARGIN: usize = 64 * 1024;

pub(crate) struct Rows {
    taken: Vec<Value>,
    bytes: usize,
    skip: u64,
    offset: u64,
    most: usize,
    /// Whether it was said how many are wanted.
    asked: bool,
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
            asked: input.0.get("limit").is_some_and(|limit| !limit.is_null()),
            more: false,
        }
    }

    /// The output has the names of the columns, too.
    pub(crate) fn have(&mut self, columns: &[String]) {
        self.bytes += columns.iter().map(|name| escaped(name) + 3).sum::<usize>();
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
        if self.taken.len() == self.most {
            self.more = true;
            return Ok(false);
        }
        if self.bytes + bytes > limits::MAX_OUTPUT_BYTES - MARGIN {
            let taken = self.taken.len() as u64;
            if taken == 0 {
                let at = self.offset;
                return Err(unreadable(format!("row {at} and the columns are larger than an output may be")));
            }
            // Whoever counts in steps of `limit` would miss the rows that are not given.
            if self.asked {
                let message = format!(
                    "an output holds {taken} of the {} rows from row {} on; give a smaller `limit`",
                    self.most, self.offset
                );
                return Err(StepError::fatal("output_too_large", message));
            }
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
    // Where the search for a free name goes on: a header may have the same one in all its columns.
    let mut last = HashMap::new();
    for (i, name) in header.into_iter().enumerate() {
        let name = name.trim();
        let base = if name.is_empty() { unnamed(i) } else { name.to_owned() };
        let mut name = base.clone();
        if taken.contains(&name) {
            let n = last.entry(base.clone()).or_insert(1u32);
            while taken.contains(&name) {
                *n += 1;
                name = format!("{base}_{n}");
            }
        }
        taken.insert(name.clone());
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
        let base = unnamed(columns.len() + i);
        let mut name = base.clone();
        let mut n = 1;
        while fields.contains_key(&name) {
            n += 1;
            name = format!("{base}_{n}");
        }
        fields.insert(name, cell);
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
        let names = ["a_3", "a", "a", "a", "a_2"].map(str::to_owned);
        assert_eq!(columns(names), ["a_3", "a", "a_2", "a_4", "a_2_2"]);
    }

    #[test]
    fn a_header_of_equal_names_takes_no_long_time() {
        let begun = std::time::Instant::now();
        let names = columns((0..limits::MAX_FILE_COLUMNS).map(|_| "a".to_owned()));
        assert_eq!(names[limits::MAX_FILE_COLUMNS - 1], format!("a_{}", limits::MAX_FILE_COLUMNS));
        // Tried from 2 on each time, it would be 134 million names.
        assert!(begun.elapsed().as_millis() < 1500, "{:?}", begun.elapsed());
    }

    #[test]
    fn cells_beyond_the_header_are_all_kept() {
        let names = ["column_3", "b"].map(str::to_owned);
        let found = row(Some(&names), vec![json!(1), json!(2), json!(3), json!(4)]);
        assert_eq!(found, json!({"column_3": 1, "b": 2, "column_3_2": 3, "column_4": 4}));
    }

    #[test]
    fn the_names_of_the_columns_count_as_well() {
        let names: Vec<String> = vec!["\u{1}".repeat(1_000_000 / 6); 4];
        let mut rows = Rows::new(Input(&Value::Null));
        rows.have(&names);
        let large = json!("x".repeat(500_000));
        let taken = (0..10).take_while(|_| rows.take(large.clone()).unwrap()).count();
        assert_eq!(taken, 2);
        let output = rows.output(Some(names));
        assert_eq!(output["next"], 2);
        assert!(output.to_string().len() <= limits::MAX_OUTPUT_BYTES);
        // Names that leave no room for a row are no reason to ask for it for ever.
        let mut rows = Rows::new(Input(&Value::Null));
        rows.have(&vec!["x".repeat(1_000_000); 5]);
        assert_eq!(rows.take(large).unwrap_err().code, "file_unreadable");
    }

    #[test]
    fn as_many_rows_as_were_asked_for_or_none() {
        let input = json!({"limit": 8});
        let mut rows = Rows::new(Input(&input));
        let large = json!("x".repeat(1_000_000));
        let error = (0..8).find_map(|_| rows.take(large.clone()).err()).unwrap();
        assert_eq!(error.code, "output_too_large");
        assert!(error.message.contains("5 of the 8 rows"), "{}", error.message);
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
