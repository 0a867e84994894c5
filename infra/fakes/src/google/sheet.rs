//! A sheet: cells, what is written into them, and how they read.

use super::a1::{self, Area, Written};
use super::refusal::Refusal;
use jiff::civil;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Dates are days since this one.
const FIRST_DAY: civil::Date = civil::date(1899, 12, 30);

#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) cells: BTreeMap<(usize, usize), Cell>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Text(String),
    Number(f64),
    Truth(bool),
    /// A day, by its number.
    Day(i32),
}

/// How values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Render {
    Formatted,
    Unformatted { serials: bool },
}

impl Cell {
    /// A value as it is written; nothing empties the cell.
    pub(crate) fn take(value: &Value, by_user: bool) -> Result<Option<Self>, Refusal> {
        Ok(match value {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) if by_user => Some(entered(text)?),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Number(number) => Some(Self::Number(number.as_f64().unwrap_or_default())),
            Value::Bool(truth) => Some(Self::Truth(*truth)),
            Value::Null => None,
            Value::Array(_) | Value::Object(_) => {
                return Err(Refusal::argument(format!("Invalid values: a cell cannot be {value}")));
            }
        })
    }

    fn read(&self, render: Render) -> Value {
        match (self, render) {
            (Self::Text(text), _) => json!(text),
            (Self::Number(number), Render::Formatted) => json!(format!("{number}")),
            (Self::Number(number), _) => plain(*number),
            (Self::Truth(truth), Render::Formatted) => json!(if *truth { "TRUE" } else { "FALSE" }),
            (Self::Truth(truth), _) => json!(truth),
            (Self::Day(day), Render::Unformatted { serials: true }) => json!(day),
            (Self::Day(day), _) => {
                let date = FIRST_DAY.checked_add(jiff::Span::new().days(*day));
                date.map_or(Value::Null, |date| json!(date.to_string()))
            }
        }
    }
}

/// A whole number is written without a point.
fn plain(number: f64) -> Value {
    #[expect(clippy::float_cmp, reason = "only a whole number is written without a point")]
    let whole = number.trunc() == number && number.abs() < 9e15;
    if whole { json!(number as i64) } else { json!(number) }
}

/// What a person's typing becomes. What Google would guess at is refused, so that nobody takes the fake's guess for Google's.
fn entered(text: &str) -> Result<Cell, Refusal> {
    if let Some(kept) = text.strip_prefix('\'') {
        return Ok(Cell::Text(kept.to_owned()));
    }
    if text.starts_with(['=', '+']) {
        return Err(Refusal::not_modelled("formulas"));
    }
    match text.to_ascii_uppercase().as_str() {
        "TRUE" => return Ok(Cell::Truth(true)),
        "FALSE" => return Ok(Cell::Truth(false)),
        _ => {}
    }
    let bare = text.trim();
    let is_number = bare.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-') && !bare.is_empty();
    if let Some(number) = is_number.then(|| bare.parse::<f64>().ok()).flatten() {
        return Ok(Cell::Number(number));
    }
    if bare.len() == 10
        && let Ok(day) = bare.parse::<civil::Date>()
        && let Ok(since) = FIRST_DAY.until(day)
    {
        return Ok(Cell::Day(since.get_days()));
    }
    let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let has_digit = bare.bytes().any(|byte| byte.is_ascii_digit());
    let word = bare.to_lowercase();
    let like_a_date =
        months.iter().any(|month| word.starts_with(month) || word.contains(&format!(" {month}")));
    let no_letters = !bare.chars().any(char::is_alphabetic);
    if has_digit && (like_a_date || (no_letters && !bare.contains('@'))) {
        return Err(Refusal::not_modelled(format_args!("what `{text}` becomes when a person types it")));
    }
    Ok(Cell::Text(text.to_owned()))
}

impl Sheet {
    pub(crate) fn new(id: i64, title: &str) -> Self {
        Self { id, title: title.to_owned(), rows: 1_000, columns: 26, cells: BTreeMap::new() }
    }

    /// The area that a range names in this sheet.
    pub(crate) fn area(&self, range: &Written) -> Result<Area, Refusal> {
        let area = Area {
            top: range.rows.from.unwrap_or(0),
            left: range.columns.from.unwrap_or(0),
            bottom: range.rows.to.unwrap_or(self.rows).min(self.rows),
            right: range.columns.to.unwrap_or(self.columns).min(self.columns),
        };
        if area.top >= self.rows || area.left >= self.columns {
            return Err(Refusal::argument(format!(
                "Range ({}) exceeds grid limits. Max rows: {}, max columns: {}",
                a1::written(&self.title, Area { bottom: area.top + 1, right: area.left + 1, ..area }),
                self.rows,
                self.columns
            )));
        }
        Ok(area)
    }

    /// The values of an area, without the empty cells and rows at its end. Columns first, if that is asked for.
    pub(crate) fn values(&self, area: Area, by_columns: bool, render: Render) -> Vec<Vec<Value>> {
        let (outer, inner) = if by_columns {
            (area.left..area.right, area.top..area.bottom)
        } else {
            (area.top..area.bottom, area.left..area.right)
        };
        let mut all: Vec<Vec<Value>> = Vec::new();
        for first in outer {
            let mut line = Vec::new();
            for second in inner.clone() {
                let at = if by_columns { (second, first) } else { (first, second) };
                line.push(self.cells.get(&at).map(|cell| cell.read(render)));
            }
            while line.last().is_some_and(Option::is_none) {
                line.pop();
            }
            all.push(line.into_iter().map(|value| value.unwrap_or_else(|| json!(""))).collect());
        }
        while all.last().is_some_and(Vec::is_empty) {
            all.pop();
        }
        all
    }

    /// Writes values from the area's first cell on, and gives the area that was written.
    pub(crate) fn write(
        &mut self,
        area: Area,
        is_cell: bool,
        values: &[Vec<Value>],
        by_columns: bool,
        by_user: bool,
    ) -> Result<Area, Refusal> {
        let (height, width) = extent(values, by_columns);
        let written = Area {
            bottom: area.top + height.max(1),
            right: area.left + width.max(1),
            top: area.top,
            left: area.left,
        };
        // Where one cell is named it says where to begin; a larger range is a limit.
        if !is_cell && (written.bottom > area.bottom || written.right > area.right) {
            let beyond = if written.bottom > area.bottom {
                format!("row [{}]", area.bottom + 1)
            } else {
                format!("column [{}]", a1::letters(area.right))
            };
            return Err(Refusal::argument(format!(
                "Requested writing within range [{}], but tried writing to {beyond}",
                a1::written(&self.title, area)
            )));
        }
        if written.bottom > self.rows || written.right > self.columns {
            return Err(Refusal::argument(format!(
                "Range ({}) exceeds grid limits. Max rows: {}, max columns: {}",
                a1::written(&self.title, written),
                self.rows,
                self.columns
            )));
        }
        let mut new = Vec::new();
        for (first, line) in values.iter().enumerate() {
            for (second, value) in line.iter().enumerate() {
                let (down, across) = if by_columns { (second, first) } else { (first, second) };
                // Null leaves what is there.
                if !value.is_null() {
                    new.push(((area.top + down, area.left + across), Cell::take(value, by_user)?));
                }
            }
        }
        for (at, cell) in new {
            match cell {
                Some(cell) => self.cells.insert(at, cell),
                None => self.cells.remove(&at),
            };
        }
        Ok(written)
    }

    pub(crate) fn clear(&mut self, area: Area) {
        self.cells.retain(|(row, column), _| {
            !((area.top..area.bottom).contains(row) && (area.left..area.right).contains(column))
        });
    }

    /// The last table that a range touches: cells that hang together, also over a corner.
    pub(crate) fn table(&self, area: Area) -> Option<Area> {
        let mut left: BTreeSet<(usize, usize)> = self.cells.keys().copied().collect();
        let mut found: Option<Area> = None;
        while let Some(seed) = left.pop_first() {
            let mut table = Area { top: seed.0, left: seed.1, bottom: seed.0 + 1, right: seed.1 + 1 };
            let mut open = vec![seed];
            while let Some((row, column)) = open.pop() {
                table = Area {
                    top: table.top.min(row),
                    left: table.left.min(column),
                    bottom: table.bottom.max(row + 1),
                    right: table.right.max(column + 1),
                };
                for next_row in row.saturating_sub(1)..=row + 1 {
                    for next_column in column.saturating_sub(1)..=column + 1 {
                        if left.remove(&(next_row, next_column)) {
                            open.push((next_row, next_column));
                        }
                    }
                }
            }
            let touches = table.top < area.bottom
                && area.top < table.bottom
                && table.left < area.right
                && area.left < table.right;
            if touches && found.is_none_or(|other| (other.bottom, other.right) < (table.bottom, table.right))
            {
                found = Some(table);
            }
        }
        found
    }

    /// Adds lines below the table that a range touches, or where the range begins. Gives the table and what was written.
    pub(crate) fn append(
        &mut self,
        area: Area,
        values: &[Vec<Value>],
        by_columns: bool,
        by_user: bool,
        insert_rows: bool,
    ) -> Result<(Option<Area>, Area), Refusal> {
        let table = self.table(area);
        let (top, left) = table.map_or((area.top, area.left), |table| (table.bottom, table.left));
        let (height, width) = extent(values, by_columns);
        let before = self.clone();
        if insert_rows && table.is_some() {
            self.insert_rows(top, height);
        }
        // A sheet grows with what is appended.
        self.rows = self.rows.max(top + height);
        self.columns = self.columns.max(left + width);
        let start = Area { top, left, bottom: top + 1, right: left + 1 };
        match self.write(start, true, values, by_columns, by_user) {
            Ok(written) => Ok((table, written)),
            Err(refusal) => {
                *self = before;
                Err(refusal)
            }
        }
    }

    fn insert_rows(&mut self, at: usize, count: usize) {
        self.rows += count;
        let cells = std::mem::take(&mut self.cells);
        self.cells = cells
            .into_iter()
            .map(|((row, column), cell)| ((if row >= at { row + count } else { row }, column), cell))
            .collect();
    }

    /// Takes rows out; what is below moves up.
    pub(crate) fn delete_rows(&mut self, from: usize, to: usize) {
        let count = to.min(self.rows) - from;
        self.rows -= count;
        let cells = std::mem::take(&mut self.cells);
        self.cells = cells
            .into_iter()
            .filter(|((row, _), _)| !(from..from + count).contains(row))
            .map(|((row, column), cell)| ((if row >= from { row - count } else { row }, column), cell))
            .collect();
    }
}

/// How many rows and columns values take.
fn extent(values: &[Vec<Value>], by_columns: bool) -> (usize, usize) {
    let longest = values.iter().map(Vec::len).max().unwrap_or_default();
    if by_columns { (longest, values.len()) } else { (values.len(), longest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(value: Value) -> Vec<Vec<Value>> {
        serde_json::from_value(value).unwrap()
    }

    fn area(text: &str) -> Area {
        Sheet::new(0, "S").area(&a1::parse(text).unwrap()).unwrap()
    }

    /// The sheet of Google's guide on appending: one table in A1:C2, another in B4:D6.
    fn guide() -> Sheet {
        let mut sheet = Sheet::new(0, "S");
        let row = || json!(["x", "y", "z"]);
        sheet.write(area("A1"), true, &lines(json!([row(), row()])), false, false).unwrap();
        sheet.write(area("B4"), true, &lines(json!([row(), row(), row()])), false, false).unwrap();
        sheet
    }

    #[test]
    fn lines_are_appended_where_googles_guide_says() {
        for (range, first_cell) in
            [("A:Z", "B7"), ("B4", "B7"), ("C5:D5", "B7"), ("B2", "A3"), ("A3:G10", "B7"), ("F2", "F2")]
        {
            let (_, written) =
                guide().append(area(range), &lines(json!([["new"]])), false, false, false).unwrap();
            assert_eq!(a1::written("S", written), format!("S!{first_cell}"), "{range}");
        }
    }

    #[test]
    fn inserted_rows_push_down_what_is_below() {
        let mut sheet = guide();
        sheet.append(area("A1"), &lines(json!([["new"], ["newer"]])), false, false, true).unwrap();
        assert_eq!(sheet.values(area("A3:A4"), false, Render::Formatted), lines(json!([["new"], ["newer"]])));
        assert_eq!(sheet.values(area("B6:B8"), false, Render::Formatted).len(), 3);
        assert_eq!(sheet.rows, 1_002);
    }

    #[test]
    fn null_leaves_and_an_empty_text_clears() {
        let mut sheet = guide();
        sheet.write(area("A1:C1"), false, &lines(json!([[null, "", 1.5]])), false, false).unwrap();
        assert_eq!(sheet.values(area("A1:D1"), false, Render::Formatted), lines(json!([["x", "", "1.5"]])));
        assert_eq!(
            sheet.values(area("A1:C2"), true, Render::Unformatted { serials: true }),
            lines(json!([["x", "x"], ["", "y"], [1.5, "z"]]))
        );
        assert_eq!(sheet.values(area("F1:G9"), false, Render::Formatted), lines(json!([])));
    }

    #[test]
    fn a_range_is_a_limit_and_a_cell_is_a_beginning() {
        let mut sheet = Sheet::new(0, "My sheet");
        let two = lines(json!([[1], [2]]));
        assert!(sheet.write(area("A1"), true, &two, false, false).is_ok());
        let refused = sheet.write(area("A1:B1"), false, &two, false, false).unwrap_err();
        assert_eq!(
            refused,
            Refusal::argument(
                "Requested writing within range ['My sheet'!A1:B1], but tried writing to row [2]"
            )
        );
        assert!(sheet.area(&a1::parse("A1001").unwrap()).is_err());
    }

    #[test]
    fn what_a_person_types_is_read_or_refused() {
        let typed = |text: &str| Cell::take(&json!(text), true);
        assert_eq!(typed("12"), Ok(Some(Cell::Number(12.0))));
        assert_eq!(typed("-1.5"), Ok(Some(Cell::Number(-1.5))));
        assert_eq!(typed("true"), Ok(Some(Cell::Truth(true))));
        assert_eq!(typed("'12"), Ok(Some(Cell::Text("12".into()))));
        assert_eq!(typed("2026-01-02"), Ok(Some(Cell::Day(46024))));
        assert_eq!(typed("Ada 2"), Ok(Some(Cell::Text("Ada 2".into()))));
        for guess in ["=A1", "50%", "$5", "1/2/2026", "12:30", "Jan 5", "1,234"] {
            assert!(typed(guess).is_err(), "{guess}");
        }
        assert_eq!(Cell::Day(46024).read(Render::Formatted), json!("2026-01-02"));
    }
}
