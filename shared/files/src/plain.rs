//! Plain text, and bytes written as base64.

use crate::bounded::Growing;
use crate::input::{Input, invalid, too_large};
use crate::text::{self, Decoding, encoding, read_failed};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::limits;
use domain::run::StepError;
use serde_json::{Value, json};
use std::io::{Read, Write};

/// What an output has beside the text.
const MARGIN: usize = 1024;
const BASE64: &str = "base64";

/// The whole of a file as a text, or its bytes as base64.
pub(crate) fn read(input: Input<'_>, from: impl Read) -> Result<Value, StepError> {
    let most = limits::MAX_OUTPUT_BYTES - MARGIN;
    let too_large = || too_large(format!("a text may have {} MB", limits::MAX_OUTPUT_BYTES / 1_048_576));
    if input.text("encoding") == Some(BASE64) {
        let most = most / 4 * 3;
        let mut bytes = Vec::new();
        from.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| read_failed(&error, ""))?;
        if bytes.len() > most {
            return Err(too_large());
        }
        return Ok(json!({"text": STANDARD.encode(bytes)}));
    }
    let mut text = String::new();
    let decoding = Decoding::new(from, encoding(input.text("encoding"))?);
    decoding.take(most as u64 + 1).read_to_string(&mut text).map_err(|error| read_failed(&error, ""))?;
    let value = Value::String(text);
    if crate::rows::weight(&value) > most {
        return Err(too_large());
    }
    Ok(json!({"text": value}))
}

pub(crate) fn write(input: Input<'_>, after: bool, to: &mut Growing) -> Result<(), StepError> {
    let text = input.text("text").unwrap_or_default();
    if input.text("encoding") == Some(BASE64) {
        // Some senders break it into lines.
        let packed: String = text.split_ascii_whitespace().collect();
        let bytes =
            STANDARD.decode(packed).map_err(|error| invalid(format!("`text` is no base64: {error}")))?;
        return to.write_all(&bytes).map_err(|error| to.failed(&error));
    }
    let encoding = encoding(input.text("encoding"))?;
    let mark = input.flag("bom", text::is_marked(encoding)) && !after;
    text::write_to(text, encoding, mark, to)
}

/// What a file of this name probably is.
pub(crate) fn media(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default();
    match end.as_str() {
        "csv" => "text/csv",
        "txt" | "log" => "text/plain",
        "html" | "htm" => "text/html",
        "md" => "text/markdown",
        "xml" => "application/xml",
        "json" => "application/json",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_bytes_are_read() {
        assert_eq!(read(Input(&json!({})), "a\nä".as_bytes()).unwrap(), json!({"text": "a\nä"}));
        assert_eq!(
            read(Input(&json!({"encoding": "base64"})), b"\xff\x00".as_slice()).unwrap(),
            json!({"text": "/wA="})
        );
        assert_eq!(read(Input(&json!({})), b"\xff".as_slice()).unwrap_err().code, "file_unreadable");
        let large = vec![b'x'; 6_000_000];
        for input in [json!({}), json!({"encoding": "base64"})] {
            assert_eq!(read(Input(&input), large.as_slice()).unwrap_err().code, "file_too_large");
        }
        // Text that is small here and six times as large as JSON.
        assert_eq!(
            read(Input(&json!({})), vec![1; 1_000_000].as_slice()).unwrap_err().code,
            "file_too_large"
        );
    }

    #[test]
    fn bytes_are_written_of_base64() {
        let mut to = Growing::new().unwrap();
        write(Input(&json!({"text": "/w\nA=", "encoding": "base64"})), false, &mut to).unwrap();
        let mut bytes = Vec::new();
        to.finish().unwrap().0.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"\xff\x00");
        let error =
            write(Input(&json!({"text": "?", "encoding": "base64"})), false, &mut Growing::new().unwrap());
        assert_eq!(error.unwrap_err().code, "invalid_input");
    }
}
