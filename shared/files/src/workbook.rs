//! Workbooks of Excel (XLSX).

use crate::archive::Archive;
use crate::bounded::Growing;
use crate::input::{Input, invalid, unreadable};
use crate::rows::{Rows, check_columns, columns, row, weight};
use crate::table::Table;
use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx, XlsxError};
use domain::limits;
use domain::run::StepError;
use rust_xlsxwriter::{DocProperties, ExcelDateTime as Time, Workbook};
use serde_json::{Number, Value, json};
use std::fs::File;
use std::io::BufReader;

mod part;
use part::Part;

/// The parts of a workbook; a large one has a few hundred.
const MOST_PARTS: usize = 2000;
/// The longest text of a cell.
const LONGEST_CELL: usize = 32_767;
const MOST_ROWS: usize = 1_048_576;
/// The cells that are written of a sheet: it is on the disk unpacked before it is packed.
const MOST_CELLS: usize = 2_000_000;

/// The rows of a sheet.
pub(crate) fn read(input: Input<'_>, file: File) -> Result<Value, StepError> {
    let file = measured(file)?;
    let mut book: Xlsx<_> = Xlsx::new(BufReader::new(file)).map_err(|error| failed(&error))?;
    let sheets = book.sheet_names();
    let sheet = match input.text("sheet") {
        None => sheets.first().cloned().ok_or_else(|| unreadable("the workbook has no sheet"))?,
        Some(name) if sheets.iter().any(|sheet| sheet == name) => name.to_owned(),
        Some(name) => {
            let known: Vec<_> = sheets.iter().take(20).map(|sheet| format!("`{sheet}`")).collect();
            return Err(invalid(format!("there is no sheet `{name}`; there are {}", known.join(", "))));
        }
    };
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(|error| failed(&error))?;
    let mut reading = Reading { rows: Rows::new(input), header: input.flag("header", true), names: None };
    let mut current: Option<u32> = None;
    let mut line: Vec<Value> = Vec::new();
    let mut bytes = 0;
    loop {
        let cell = cells.next_cell().map_err(|error| failed(&error))?;
        let at = cell.as_ref().map(calamine::Cell::get_position);
        if current.is_some() && at.map(|(row, _)| row) != current {
            if !reading.line(std::mem::take(&mut line))? {
                break;
            }
            current = None;
            bytes = 0;
        }
        let (Some(cell), Some((row, column))) = (cell, at) else { break };
        let number = u64::from(row) + 1;
        check_length(cell.get_value(), number)?;
        let value = value(cell.get_value());
        if value.is_null() {
            continue;
        }
        // Many cells can have one long text, which the file has only once.
        bytes += weight(&value) + 1;
        if bytes > limits::MAX_FILE_ROW_BYTES {
            let most = limits::MAX_FILE_ROW_BYTES / 1024;
            return Err(unreadable(format!("row {number} has more than {most} KB")));
        }
        let column = column as usize;
        check_columns(column + 1, &format!("row {number}"))?;
        current = Some(row);
        if line.len() <= column {
            line.resize(column + 1, Value::Null);
        }
        line[column] = value;
    }
    let names = reading.header.then(|| reading.names.unwrap_or_default());
    let mut output = reading.rows.output(names);
    output["sheet"] = sheet.into();
    output["sheets"] = sheets.into();
    Ok(output)
}

struct Reading {
    rows: Rows,
    header: bool,
    names: Option<Vec<String>>,
}

impl Reading {
    /// Takes a line; `false` if no more is wanted.
    fn line(&mut self, cells: Vec<Value>) -> Result<bool, StepError> {
        if self.header && self.names.is_none() {
            let names = cells.into_iter().map(|cell| match cell {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => other.to_string(),
            });
            let names = columns(names);
            self.rows.have(&names);
            self.names = Some(names);
            return Ok(true);
        }
        if self.rows.skips() {
            return Ok(true);
        }
        self.rows.take(row(self.names.as_deref(), cells))
    }
}

/// Unpacks all parts once, to see how large they are and how many values they can hold: what reads a workbook believes its parts.
fn measured(file: File) -> Result<File, StepError> {
    let mut archive = Archive::open(file, limits::MAX_WORKBOOK_BYTES)?;
    if archive.len() > MOST_PARTS {
        return Err(unreadable(format!("a workbook may have {MOST_PARTS} parts")));
    }
    for index in 0..archive.len() {
        let mut part = Part::new(&archive.name(index)?);
        archive.unpack(index, |piece| part.see(piece))?;
    }
    archive.into_file()
}

/// Refuses a text that no cell of Excel has, before there is another one of it.
fn check_length(cell: &DataRef<'_>, row: u64) -> Result<(), StepError> {
    let text = match cell {
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text,
        DataRef::SharedString(text) => *text,
        _ => return Ok(()),
    };
    if text.len() > LONGEST_CELL && text.chars().nth(LONGEST_CELL).is_some() {
        return Err(unreadable(format!("row {row} has a text of more than {LONGEST_CELL} characters")));
    }
    Ok(())
}

fn failed(error: &XlsxError) -> StepError {
    unreadable(format!("it is no workbook that can be read: {error}"))
}

/// A cell's value; of a formula, what it came to when the workbook was saved.
fn value(cell: &DataRef<'_>) -> Value {
    match cell {
        DataRef::Int(whole) => (*whole).into(),
        DataRef::Float(number) => self::number(*number),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.clone().into()
        }
        DataRef::SharedString(text) => (*text).into(),
        DataRef::Bool(truth) => (*truth).into(),
        DataRef::DateTime(time) => when(*time),
        DataRef::Error(error) => error.to_string().into(),
        DataRef::Empty => Value::Null,
    }
}

fn number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        return (number as i64).into();
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// A date and time as ISO 8601 writes it: only the date of midnight, only the time where there is no date.
fn when(time: ExcelDateTime) -> Value {
    let days = time.as_f64();
    // Excel knows no date before 1900 and none behind 9999.
    if !(0.0..2_958_466.0).contains(&days) {
        return number(days);
    }
    if time.is_duration() {
        let seconds = (days * 86_400_000.0).round() / 1000.0;
        return format!("PT{seconds}S").into();
    }
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    let fraction = if milli > 0 { format!(".{milli:03}") } else { String::new() };
    let clock = format!("{hour:02}:{minute:02}:{second:02}{fraction}");
    if days < 1.0 {
        return clock.into();
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if days.fract() == 0.0 { date.into() } else { format!("{date}T{clock}").into() }
}

/// Writes a workbook of one or more sheets; gives how many rows they have together.
pub(crate) fn write(input: Input<'_>, to: &mut Growing) -> Result<usize, StepError> {
    let mut book = Workbook::new();
    // The time of writing would make each attempt's bytes others.
    let never = Time::from_ymd(2000, 1, 1).map_err(|error| unwritable(&error))?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&never));
    let one = [input.0.clone()];
    let sheets: &[Value] = input.list("sheets").map_or(&one, Vec::as_slice);
    if sheets.is_empty() {
        return Err(invalid("`sheets` is empty; a workbook has one at least"));
    }
    let mut rows = 0;
    for (i, sheet) in sheets.iter().enumerate() {
        let sheet = Input(sheet);
        let name = sheet.text(if input.list("sheets").is_some() { "name" } else { "sheet" });
        let name = name.map_or_else(|| format!("Sheet{}", i + 1), str::to_owned);
        rows += write_sheet(sheet, &name, &mut book)?;
    }
    book.save_to_writer(&mut *to).map_err(|error| match error {
        rust_xlsxwriter::XlsxError::IoError(error) => to.failed(&error),
        rust_xlsxwriter::XlsxError::ZipError(error) => to.failed(&std::io::Error::from(error)),
        rust_xlsxwriter::XlsxError::SheetnameReused(name) => {
            invalid(format!("two sheets would be called `{name}`"))
        }
        other => unwritable(&other),
    })?;
    Ok(rows)
}

fn write_sheet(input: Input<'_>, name: &str, book: &mut Workbook) -> Result<usize, StepError> {
    let table = Table::of(input)?;
    let sheet = book.add_worksheet_with_constant_memory().map_err(|error| unwritable(&error))?;
    sheet.set_name(name).map_err(|error| invalid(format!("a sheet cannot be called so: {error}")))?;
    let header = input.flag("header", true) && !table.columns.is_empty();
    if table.rows.len() + usize::from(header) > MOST_ROWS {
        return Err(invalid(format!("a sheet may have {MOST_ROWS} rows")));
    }
    let cells = table.rows.len().saturating_mul(table.columns.len());
    let cells = cells.max(table.rows.iter().map(|row| row.as_array().map_or(0, Vec::len)).sum());
    if cells > MOST_CELLS {
        return Err(invalid(format!("a sheet may have {MOST_CELLS} cells here; write a CSV")));
    }
    let names: Vec<Value> = table.columns.iter().map(|name| json!(name)).collect();
    let first = header.then(|| names.iter().collect::<Vec<_>>());
    let lines = first.into_iter().chain(table.rows.iter().map(|row| table.cells(row)));
    for (row, cells) in lines.enumerate() {
        for (column, cell) in cells.into_iter().enumerate() {
            let at = (row as u32, column as u16);
            let written = match cell {
                Value::Null => continue,
                Value::Bool(truth) => sheet.write_boolean(at.0, at.1, *truth),
                Value::Number(number) => match exact(number) {
                    Some(number) => sheet.write_number(at.0, at.1, number),
                    None => sheet.write_string(at.0, at.1, number.to_string()),
                },
                // Never as a formula, whatever it begins with.
                Value::String(text) => sheet.write_string(at.0, at.1, text.as_str()),
                other => sheet.write_string(at.0, at.1, other.to_string()),
            };
            written.map_err(|error| match error {
                rust_xlsxwriter::XlsxError::MaxStringLengthExceeded => {
                    invalid(format!("row {row} has a text of more than {LONGEST_CELL} characters"))
                }
                other => unwritable(&other),
            })?;
        }
    }
    Ok(table.rows.len())
}

/// A number that Excel, which counts in floating point, holds as it is. Others, such as long ids, are written as text.
fn exact(number: &Number) -> Option<f64> {
    let float = number.as_f64()?;
    let whole = number.as_i64().map(i64::unsigned_abs).or_else(|| number.as_u64());
    whole.is_none_or(|whole| whole <= 999_999_999_999_999).then_some(float)
}

fn unwritable(error: &rust_xlsxwriter::XlsxError) -> StepError {
    crate::input::disk(&std::io::Error::other(error.to_string()))
}

#[cfg(test)]
#[path = "workbook/tests.rs"]
mod tests;
