//! CSV (RFC 4180), and its relatives with other separators.

use crate::bounded::Growing;
use crate::input::{Input, unreadable};
use crate::rows::{Rows, check_columns, columns, row};
use crate::table::Table;
use crate::text::{self, Decoding, Leashed, encoding, read_failed};
use ::csv::{ByteRecord, ErrorKind, QuoteStyle, ReaderBuilder, Terminator, WriterBuilder};
use domain::cell::guarded;
use domain::limits;
use domain::run::StepError;
use encoding_rs::Encoding;
use serde_json::{Number, Value};
use std::io::Read;

/// How many bytes of a table that is written are in memory, and a line more.
const MOST_PENDING: usize = 64 * 1024;

/// The rows of a table.
pub(crate) fn read(input: Input<'_>, from: impl Read) -> Result<Value, StepError> {
    let decoding = Decoding::new(from, encoding(input.text("encoding"))?);
    let (leashed, since) = Leashed::new(decoding, limits::MAX_FILE_ROW_BYTES);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(input.byte("delimiter", b',')?)
        .quote(input.byte("quote", b'"')?)
        .from_reader(leashed);
    let mut record = ByteRecord::new();
    let mut next = |record: &mut ByteRecord| {
        since.set(0);
        let found = reader.read_byte_record(record).map_err(|error| failed(&error, record))?;
        check_columns(record.len(), &at(record))?;
        Ok::<bool, StepError>(found)
    };
    let mut names = None;
    if input.flag("header", true) {
        if !next(&mut record)? {
            return Ok(Rows::new(input).output(Some(Vec::new())));
        }
        names = Some(columns(record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned())));
    }
    let types = input.flag("types", false);
    let mut rows = Rows::new(input);
    rows.have(names.as_deref().unwrap_or_default());
    while next(&mut record)? {
        if rows.skips() {
            continue;
        }
        let cells = record.iter().map(|cell| {
            // It was decoded, so it is UTF-8.
            let text = String::from_utf8_lossy(cell);
            if types { typed(&text) } else { text.into_owned().into() }
        });
        if !rows.take(row(names.as_deref(), cells.collect()))? {
            break;
        }
    }
    Ok(rows.output(names))
}

fn at(record: &ByteRecord) -> String {
    record.position().map_or_else(|| "a row".to_owned(), |at| format!("line {}", at.line()))
}

fn failed(error: &::csv::Error, record: &ByteRecord) -> StepError {
    match error.kind() {
        ErrorKind::Io(error) => read_failed(error, &format!("{}: ", at(record))),
        _ => unreadable(error.to_string()),
    }
}

/// A number or truth value where a text is one without doubt: `007`, a telephone number or twenty digits stay text.
fn typed(text: &str) -> Value {
    match text {
        "" => return Value::Null,
        "true" | "TRUE" | "True" => return true.into(),
        "false" | "FALSE" | "False" => return false.into(),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let leads = digits.starts_with(|c: char| c.is_ascii_digit());
    let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if !leads || padded || !digits.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return text.into();
    }
    if let Ok(whole) = text.parse::<i64>() {
        // What a number of JSON's usual readers cannot hold exactly.
        return if whole.unsigned_abs() < 1 << 53 { whole.into() } else { text.into() };
    }
    let exact = digits.len() <= 16 && !digits.ends_with('.');
    text.parse::<f64>()
        .ok()
        .filter(|_| exact)
        .and_then(Number::from_f64)
        .map_or_else(|| text.into(), Value::Number)
}

/// Writes a table; gives how many rows it has.
pub(crate) fn write(input: Input<'_>, after: bool, to: &mut Growing) -> Result<usize, StepError> {
    let table = Table::of(input)?;
    let encoding = encoding(input.text("encoding"))?;
    let guard = input.flag("guard_formulas", true);
    let mut lines = Lines {
        mark: input.flag("bom", text::is_marked(encoding)) && !after,
        encoding,
        pending: Vec::new(),
        format: WriterBuilder::new(),
        to,
    };
    lines
        .format
        .delimiter(input.byte("delimiter", b',')?)
        .quote_style(if input.flag("quote_all", false) { QuoteStyle::Always } else { QuoteStyle::Necessary })
        .terminator(Terminator::CRLF)
        .flexible(true)
        .buffer_capacity(4096);
    let cell = |text: &str| if guard { guarded(text).into_owned() } else { text.to_owned() };
    // A file that is gone on with has its header.
    if input.flag("header", true) && !after && !table.columns.is_empty() {
        lines.line(table.columns.iter().map(|name| cell(name)))?;
    }
    for row in table.rows {
        let cells = table.cells(row);
        // A row without cells would be no line at all.
        if cells.is_empty() {
            lines.line(std::iter::once(String::new()))?;
            continue;
        }
        lines.line(cells.into_iter().map(|value| match value {
            Value::Null => String::new(),
            Value::String(text) => cell(text),
            other => other.to_string(),
        }))?;
    }
    lines.write()?;
    Ok(table.rows.len())
}

/// The lines of a table on their way to its file. Few are in memory: a few rows and columns can make a table that no memory holds.
struct Lines<'a> {
    format: WriterBuilder,
    pending: Vec<u8>,
    encoding: &'static Encoding,
    /// Whether a byte order mark is still to come.
    mark: bool,
    to: &'a mut Growing,
}

impl Lines<'_> {
    fn line(&mut self, cells: impl Iterator<Item = String>) -> Result<(), StepError> {
        let mut writer = self.format.from_writer(&mut self.pending);
        // In memory nothing fails.
        writer.write_record(cells).map_err(|error| unreadable(error.to_string()))?;
        writer.flush().map_err(|error| unreadable(error.to_string()))?;
        drop(writer);
        if self.pending.len() > MOST_PENDING { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), StepError> {
        let text = String::from_utf8_lossy(&self.pending);
        text::write_to(&text, self.encoding, self.mark, self.to)?;
        self.mark = false;
        self.pending.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn rows(input: Value, bytes: &[u8]) -> Result<Value, StepError> {
        read(Input(&input), bytes)
    }

    fn written(input: &Value) -> Vec<u8> {
        let mut to = Growing::new().unwrap();
        write(Input(input), false, &mut to).unwrap();
        let (mut file, _) = to.finish().unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn rows_have_the_names_of_the_header() {
        let found =
            rows(json!({}), b"\xef\xbb\xbfa,b\r\n1,\"x, \"\"y\"\"\nz\"\r\n\r\n2\r\n3,4,5\r\n").unwrap();
        assert_eq!(
            found,
            json!({"rows": [{"a": "1", "b": "x, \"y\"\nz"}, {"a": "2", "b": null}, {"a": "3", "b": "4", "column_3": "5"}],
                "columns": ["a", "b"], "more": false, "next": null})
        );
        let found = rows(json!({"header": false, "delimiter": ";", "quote": "'"}), b"a;'b;c'\n").unwrap();
        assert_eq!(found, json!({"rows": [["a", "b;c"]], "more": false, "next": null}));
    }

    #[test]
    fn types_are_told_where_there_is_no_doubt() {
        let line = "1,-2.5,007,0,0.5,true,,+1,1e5,9007199254740993,2026-03-01,NaN,1.,0.1234567890123456789";
        let found = rows(json!({"header": false, "types": true}), line.as_bytes()).unwrap();
        assert_eq!(
            found["rows"][0],
            json!([
                1,
                -2.5,
                "007",
                0,
                0.5,
                true,
                null,
                "+1",
                "1e5",
                "9007199254740993",
                "2026-03-01",
                "NaN",
                "1.",
                "0.1234567890123456789"
            ])
        );
    }

    #[test]
    fn bad_files_are_refused_by_name() {
        assert_eq!(rows(json!({}), b"").unwrap()["rows"], json!([]));
        let code = |input: Value, bytes: &[u8]| rows(input, bytes).unwrap_err().code;
        assert_eq!(code(json!({}), b"a\n\xff\n"), "file_unreadable");
        assert_eq!(code(json!({}), ",".repeat(1_000_000).as_bytes()), "file_unreadable");
        // A quote that is never closed would take all that follows into one cell.
        let open = [b"a\n\"".as_slice(), &vec![b'x'; 3_000_000]].concat();
        assert_eq!(code(json!({}), &open), "file_unreadable");
        assert_eq!(code(json!({"delimiter": "ab"}), b"a"), "invalid_input");
        assert_eq!(code(json!({"delimiter": "ä"}), b"a"), "invalid_input");
    }

    #[test]
    fn a_large_table_is_read_part_by_part() {
        let lines: Vec<String> = (0..25_000).map(|n| n.to_string()).collect();
        let text = format!("n\n{}\n", lines.join("\n"));
        let mut offset = json!(0);
        let mut seen = Vec::new();
        while offset != Value::Null {
            let part =
                rows(json!({"offset": offset, "limit": 7000, "types": true}), text.as_bytes()).unwrap();
            seen.extend(part["rows"].as_array().unwrap().iter().map(|row| row["n"].as_u64().unwrap()));
            offset = part["next"].clone();
        }
        assert!(seen.into_iter().eq(0..25_000));
    }

    #[test]
    fn formulas_are_guarded_unless_asked_otherwise() {
        let input = json!({"rows": [{"=a": "=1+1", "n": -5, "t": "x", "none": null, "o": {"a": 1}}]});
        assert_eq!(written(&input), b"'=a,n,t,none,o\r\n'=1+1,-5,x,,\"{\"\"a\"\":1}\"\r\n");
        let input = json!({"rows": [["=1", "b"], ["c"]], "guard_formulas": false, "columns": ["x", "y"], "delimiter": ";"});
        assert_eq!(written(&input), b"x;y\r\n=1;b\r\nc\r\n");
        let mixed = json!({"rows": [["a"], {"b": 1}]});
        let error = write(Input(&mixed), false, &mut Growing::new().unwrap()).unwrap_err();
        assert_eq!(error.code, "invalid_input");
    }

    #[test]
    fn a_table_is_written_as_it_grows() {
        let columns: Vec<String> = (0..16_384).map(|n| n.to_string()).collect();
        let input = json!({"columns": columns, "rows": vec![json!({}); 50]});
        let mut to = Growing::of_at_most(300_000).unwrap();
        assert_eq!(write(Input(&input), false, &mut to).unwrap_err().code, "file_too_large");
        // It failed at the row that was too much, not when all were there.
        let (_, bytes) = to.finish().unwrap();
        assert!(bytes > 200_000, "{bytes}");
        let input = json!({"columns": columns, "rows": vec![json!({}); 20], "encoding": "utf-16le"});
        let bytes = written(&input);
        assert_eq!(bytes.windows(2).filter(|mark| *mark == b"\xff\xfe").count(), 1);
        assert_eq!(rows(json!({}), &bytes).unwrap()["rows"].as_array().unwrap().len(), 20);
    }

    #[test]
    fn other_encodings_are_written() {
        let input = json!({"rows": [["ä"]], "encoding": "utf-16le"});
        assert_eq!(written(&input), b"\xff\xfe\xe4\0\r\0\n\0");
        let input = json!({"rows": [["ä"]], "bom": true});
        assert_eq!(written(&input), "\u{feff}ä\r\n".as_bytes());
        let input = json!({"rows": [["€"]], "encoding": "windows-1252"});
        assert_eq!(written(&input), b"\x80\r\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(cells in proptest::collection::vec(proptest::collection::vec(".*", 1..5), 1..6)) {
            // A byte order mark before everything is not a part of it.
            prop_assume!(!cells[0][0].starts_with('\u{feff}'));
            // A line that holds one empty cell is written quoted, and read as such.
            let input = json!({"rows": cells, "guard_formulas": false, "header": false});
            let bytes = written(&input);
            let found = rows(json!({"header": false}), &bytes).unwrap();
            prop_assert_eq!(&found["rows"], &json!(cells));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, header: bool) {
            let _ = rows(json!({"header": header, "encoding": "windows-1252"}), &bytes);
            let _ = rows(json!({"header": header, "types": true}), &bytes);
        }
    }
}
