//! JSON lines: a value of JSON on each line.

use crate::bounded::Growing;
use crate::input::{Input, unreadable};
use crate::rows::Rows;
use crate::text::{Decoding, encoding, read_failed};
use domain::limits;
use domain::run::StepError;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};

pub(crate) fn read(input: Input<'_>, from: impl Read) -> Result<Value, StepError> {
    let mut from = BufReader::new(Decoding::new(from, encoding(input.text("encoding"))?));
    let mut rows = Rows::new(input);
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let at = format!("line {number}: ");
        let most = limits::MAX_FILE_ROW_BYTES as u64 + 1;
        (&mut from).take(most).read_until(b'\n', &mut line).map_err(|error| read_failed(&error, &at))?;
        if line.len() as u64 == most && line.last() != Some(&b'\n') {
            return Err(unreadable(format!("{at}it has more than {} KB", limits::MAX_FILE_ROW_BYTES / 1024)));
        }
        if line.is_empty() {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) || rows.skips() {
            continue;
        }
        let value: Value = serde_json::from_slice(&line)
            .map_err(|error| unreadable(format!("{at}it is no JSON: {error}")))?;
        if domain::nests_too_deep(&value) {
            return Err(unreadable(format!("{at}it nests too deep")));
        }
        if !rows.take(value)? {
            break;
        }
    }
    Ok(rows.output(None))
}

/// Writes a line for each row; gives how many there are.
pub(crate) fn write(input: Input<'_>, to: &mut Growing) -> Result<usize, StepError> {
    let rows: &[Value] = input.list("rows").map_or(&[], Vec::as_slice);
    for row in rows {
        let line = row.to_string() + "\n";
        to.write_all(line.as_bytes()).map_err(|error| to.failed(&error))?;
    }
    Ok(rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn rows(input: Value, bytes: &[u8]) -> Result<Value, StepError> {
        read(Input(&input), bytes)
    }

    #[test]
    fn each_line_is_a_value() {
        let found = rows(json!({"offset": 1, "limit": 2}), b"{\"a\":1}\r\n\n[2]\n\"x\"\n3").unwrap();
        assert_eq!(found, json!({"rows": [[2], "x"], "more": true, "next": 3}));
        assert_eq!(rows(json!({}), b"").unwrap()["rows"], json!([]));
        // Large numbers stay what they are.
        assert_eq!(
            rows(json!({}), b"9007199254740993\n").unwrap()["rows"][0].to_string(),
            "9007199254740993"
        );
    }

    #[test]
    fn what_is_no_json_says_in_which_line() {
        let error = rows(json!({}), b"1\n\n{\"a\":\n").unwrap_err();
        assert_eq!(error.code, "file_unreadable");
        assert!(error.message.starts_with("line 3: "), "{}", error.message);
        let endless = vec![b'['; 2_000_000];
        assert_eq!(rows(json!({}), &endless).unwrap_err().code, "file_unreadable");
        assert_eq!(rows(json!({}), b"\"\xff\"").unwrap_err().code, "file_unreadable");
        let deep = "[".repeat(110) + &"]".repeat(110);
        assert_eq!(rows(json!({}), deep.as_bytes()).unwrap_err().code, "file_unreadable");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(texts in proptest::collection::vec(".*", 0..5), n: i64) {
            let input = json!({"rows": [texts, {"n": n}]});
            let mut to = Growing::new().unwrap();
            write(Input(&input), &mut to).unwrap();
            let (file, _) = to.finish().unwrap();
            prop_assert_eq!(&read(Input(&json!({})), file).unwrap()["rows"], &input["rows"]);
        }
    }
}
