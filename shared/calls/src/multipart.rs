//! Multipart bodies (RFC 7578): fields and files in one form.

use crate::attached::Attached;
use bytes::Bytes;
use domain::id::{base32, digest16};
use domain::limits;
use domain::run::{FileRef, StepError, filename};
use serde_json::{Map, Value};

/// A body, and the media type that says where its parts end.
pub(crate) struct Multipart {
    pub(crate) content_type: String,
    pub(crate) body: Vec<Attached>,
}

/// One part.
struct Part<'a> {
    field: &'a str,
    filename: Option<String>,
    media: Option<String>,
    content: Content,
}

enum Content {
    Text(String),
    File(Box<FileRef>),
}

/// The body of a form. A value that is a file is sent as one; so is that of `{"file", "filename", "type"}`, under another name. A list gives its
/// name several times, null is left out, other objects are sent as JSON.
pub(crate) fn write(form: &Map<String, Value>) -> Result<Multipart, StepError> {
    let mut parts = Vec::new();
    for (name, value) in form {
        match value {
            Value::Array(items) => {
                for item in items {
                    parts.extend(part(name, item)?);
                }
            }
            value => parts.extend(part(name, value)?),
        }
    }
    if parts.len() > limits::MAX_MULTIPART_PARTS {
        return Err(invalid(format!("a form may have {} parts", limits::MAX_MULTIPART_PARTS)));
    }
    let boundary = boundary(&parts);
    let mut body = Vec::new();
    let mut head = String::new();
    for part in parts {
        let name = part.filename.map(|name| format!("; filename=\"{}\"", escaped(&name))).unwrap_or_default();
        let media = part.media.map(|media| format!("\r\ncontent-type: {media}")).unwrap_or_default();
        let field = escaped(part.field);
        head += &[
            "--",
            &boundary,
            "\r\ncontent-disposition: form-data; name=\"",
            &field,
            "\"",
            &name,
            &media,
            "\r\n\r\n",
        ]
        .concat();
        match part.content {
            Content::Text(text) => head += &text,
            Content::File(file) => {
                body.push(Attached::Bytes(Bytes::from(std::mem::take(&mut head))));
                body.push(Attached::File(file));
            }
        }
        head += "\r\n";
    }
    head += &["--", &boundary, "--\r\n"].concat();
    body.push(Attached::Bytes(head.into()));
    Ok(Multipart { content_type: format!("multipart/form-data; boundary={boundary}"), body })
}

fn part<'a>(field: &'a str, value: &Value) -> Result<Option<Part<'a>>, StepError> {
    let text = |text: String, media: Option<&str>| {
        Some(Part { field, filename: None, media: media.map(str::to_owned), content: Content::Text(text) })
    };
    if let Some(file) = FileRef::read(value) {
        return file.map(|file| Some(of_file(field, file, None, None))).map_err(|why| bad(field, &why));
    }
    Ok(match value {
        Value::Null => None,
        Value::String(value) => text(value.clone(), None),
        Value::Object(fields)
            if FileRef::read(&fields.get("file").cloned().unwrap_or_default()).is_some() =>
        {
            if let Some(other) =
                fields.keys().find(|name| !["file", "filename", "type"].contains(&name.as_str()))
            {
                return Err(bad(
                    field,
                    &format!("`{other}` is not a field of a part; they are `file`, `filename` and `type`"),
                ));
            }
            let file = FileRef::read(&fields["file"]).unwrap_or_else(|| Err(String::new()));
            let file = file.map_err(|why| bad(field, &why))?;
            let name = match fields.get("filename") {
                None | Some(Value::Null) => None,
                Some(Value::String(name)) => Some(
                    filename(name).ok_or_else(|| bad(field, &format!("`{name}` is no name for a file")))?,
                ),
                Some(other) => return Err(bad(field, &format!("`filename` gave {other}, not a text"))),
            };
            let media = match fields.get("type") {
                None | Some(Value::Null) => None,
                Some(Value::String(media)) if http::HeaderValue::from_str(media).is_ok() => {
                    Some(media.clone())
                }
                Some(other) => return Err(bad(field, &format!("`type` gave {other}, not a media type"))),
            };
            Some(of_file(field, file, name, media))
        }
        Value::Object(_) | Value::Array(_) => text(value.to_string(), Some("application/json")),
        other => text(other.to_string(), None),
    })
}

fn of_file(field: &str, file: FileRef, name: Option<String>, media: Option<String>) -> Part<'_> {
    // Without a name most readers of forms take a part for a text.
    let name = name.or_else(|| file.filename.clone()).unwrap_or_else(|| "file".to_owned());
    let media = media.or_else(|| Some(file.media.clone()));
    Part { field, filename: Some(name), media, content: Content::File(Box::new(file)) }
}

/// What stands between the parts: a digest of what is in them, which therefore nobody can have written into one. It is the same for
/// each attempt, as is the whole body: an app that knows the key of a repeat may compare them.
fn boundary(parts: &[Part<'_>]) -> String {
    let contents = parts.iter().flat_map(|part| {
        let content = match &part.content {
            Content::Text(text) => text.as_str(),
            Content::File(file) => file.sha256.as_str(),
        };
        [part.field, content]
    });
    base32(digest16(&std::iter::once("multipart").chain(contents).collect::<Vec<_>>()))
}

/// A name within quotes, as browsers write it (HTML Standard, multipart/form-data encoding algorithm).
fn escaped(name: &str) -> String {
    name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}

fn bad(field: &str, why: &str) -> StepError {
    invalid(format!("the part `{field}`: {why}"))
}

fn invalid(message: String) -> StepError {
    StepError::fatal("invalid_input", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::RunId;
    use domain::run::{BlobName, BlobRef};
    use serde_json::json;
    use std::time::Duration;

    fn file(name: Option<&str>) -> Value {
        let blob = BlobRef {
            run: RunId::from_bytes([2; 16]),
            name: BlobName::of(Duration::from_hours(1), "get", 1, "abc"),
            bytes: 7,
        };
        let filename = name.map(str::to_owned);
        FileRef { blob, media: "text/csv".into(), sha256: "0a".repeat(32), filename }.value()
    }

    fn shown(form: Value) -> (String, String) {
        let written = write(form.as_object().unwrap()).unwrap();
        let mut text = String::new();
        for piece in written.body {
            match piece {
                Attached::Bytes(bytes) => text += std::str::from_utf8(&bytes).unwrap(),
                Attached::File(file) => text += &["<", &file.blob.bytes.to_string(), " bytes>"].concat(),
            }
        }
        let (_, boundary) = written.content_type.split_once("boundary=").unwrap();
        (text.replace(boundary, "B"), boundary.to_owned())
    }

    #[test]
    fn fields_and_files_are_parts() {
        let (text, _) = shown(
            json!({"a": "x", "n": 7, "none": null, "many": [1, true], "o": {"k": 1}, "f": file(Some("a.csv")),
            "g": {"file": file(None), "filename": "b\".txt", "type": "text/x"}, "h": file(None)}),
        );
        let part = |head: &str, body: &str| {
            format!("--B\r\ncontent-disposition: form-data; {head}\r\n\r\n{body}\r\n")
        };
        let expected = [
            part("name=\"a\"", "x"),
            part("name=\"n\"", "7"),
            part("name=\"many\"", "1"),
            part("name=\"many\"", "true"),
            part("name=\"o\"\r\ncontent-type: application/json", "{\"k\":1}"),
            part("name=\"f\"; filename=\"a.csv\"\r\ncontent-type: text/csv", "<7 bytes>"),
            part("name=\"g\"; filename=\"b%22.txt\"\r\ncontent-type: text/x", "<7 bytes>"),
            part("name=\"h\"; filename=\"file\"\r\ncontent-type: text/csv", "<7 bytes>"),
        ];
        assert_eq!(text, expected.concat() + "--B--\r\n");
    }

    #[test]
    fn no_part_can_end_itself_or_begin_another() {
        let (_, one) = shown(json!({"a": "x"}));
        let (text, other) = shown(json!({"a": format!("\r\n--{one}--\r\n"), "n\r\nx: \"": "y"}));
        assert_ne!(one, other);
        assert_eq!(text.matches("--B").count(), 3);
        assert!(text.contains("name=\"n%0D%0Ax: %22\""), "{text}");
        assert_eq!(shown(json!({"a": "x"})).1, one);
    }

    #[test]
    fn what_cannot_be_sent_is_told() {
        let code = |form: Value| {
            write(form.as_object().unwrap()).err().map(|error| error.message).unwrap_or_default()
        };
        assert!(code(json!({"a": {"$file": {"run": "x"}}})).contains("the part `a`"));
        assert!(code(json!({"a": {"file": file(None), "name": "x"}})).contains("`name` is not a field"));
        assert!(code(json!({"a": {"file": file(None), "type": "a\r\nb"}})).contains("`type`"));
        assert!(code(json!({"a": {"file": file(None), "filename": ".."}})).contains("no name for a file"));
        let many: Vec<_> = (0..=limits::MAX_MULTIPART_PARTS).collect();
        assert!(code(json!({"a": many})).contains("parts"));
    }
}
