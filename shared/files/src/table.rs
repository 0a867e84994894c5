//! Rows that are written as a table.

use crate::input::{Input, invalid};
use crate::rows::check_columns;
use domain::limits;
use domain::run::StepError;
use serde_json::Value;
use std::collections::HashSet;

/// Rows, and the columns in which their fields stand.
pub(crate) struct Table<'a> {
    pub(crate) rows: &'a [Value],
    /// The fields, of rows that are objects; of lists the names over them, if there are any.
    pub(crate) columns: Vec<String>,
}

impl<'a> Table<'a> {
    /// The table of `rows` and `columns` of an input.
    pub(crate) fn of(input: Input<'a>) -> Result<Self, StepError> {
        let rows: &[Value] = input.list("rows").map_or(&[], Vec::as_slice);
        let lists = rows.first().is_some_and(Value::is_array);
        for (i, row) in rows.iter().enumerate() {
            let fits = if lists { row.is_array() } else { row.is_object() };
            if !fits {
                let what = if lists { "a list, as the first row is" } else { "an object" };
                return Err(invalid(format!("row {i} is not {what}")));
            }
            check_columns(row.as_array().map_or(0, Vec::len), &format!("row {i}"))?;
        }
        let given = input.list("columns").map(|names| {
            names.iter().map(|name| name.as_str().map_or_else(|| name.to_string(), str::to_owned)).collect()
        });
        let columns: Vec<String> = match given {
            Some(names) => names,
            None if lists => Vec::new(),
            None => fields(rows)?,
        };
        check_columns(columns.len(), "`columns`")?;
        Ok(Self { rows, columns })
    }

    /// The cells of a row, in the order of the columns.
    pub(crate) fn cells(&self, row: &'a Value) -> Vec<&'a Value> {
        match row {
            Value::Array(cells) => cells.iter().collect(),
            row => self.columns.iter().map(|name| row.get(name).unwrap_or(&Value::Null)).collect(),
        }
    }
}

/// The fields of all rows, in the order in which they come.
fn fields(rows: &[Value]) -> Result<Vec<String>, StepError> {
    let mut names = Vec::new();
    let mut known = HashSet::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys()) {
        if known.insert(name) {
            names.push(name.clone());
            if names.len() > limits::MAX_FILE_COLUMNS {
                check_columns(names.len(), "the table")?;
            }
        }
    }
    Ok(names)
}
