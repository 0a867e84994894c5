//! Files as values: what stands for one wherever values go.

use super::blob::{BlobName, BlobRef};
use crate::{OrgId, RunId, limits};
use serde_json::{Map, Value, json};

/// The field by which a value is known to stand for a file.
const FIELD: &str = "$file";

/// A kept file, as `{"$file": {…}}` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    pub blob: BlobRef,
    /// Its media type.
    pub media: String,
    /// The SHA-256 of what is in it, in hexadecimal digits: who reads it finds out whether it is the one that was meant.
    pub sha256: String,
    /// What people call it, where that is known.
    pub filename: Option<String>,
}

impl FileRef {
    /// The file that a value stands for; `None` of a value that stands for none, and why not if it only looks as if it did.
    ///
    /// Whoever writes a workflow or calls one can write such a value. That it names an object of the asker's own organisation, and what
    /// is in it, shows when it is fetched: [`FileRef::key`] begins with the organisation of whoever asks.
    pub fn read(value: &Value) -> Option<Result<Self, String>> {
        let fields = value.as_object().filter(|fields| fields.len() == 1)?;
        Some(Self::of_fields(fields.get(FIELD)?))
    }

    fn of_fields(file: &Value) -> Result<Self, String> {
        let text = |name: &str| {
            file[name].as_str().ok_or_else(|| format!("`{FIELD}` without `{name}`, which must be a text"))
        };
        let run = RunId::parse(text("run")?).map_err(|_| format!("`{FIELD}.run` is not the id of a run"))?;
        let name =
            BlobName::parse(text("name")?).ok_or(format!("`{FIELD}.name` is not the name of a file"))?;
        let bytes = file["bytes"].as_u64().or_else(|| {
            // Expressions count in floating point.
            file["bytes"].as_f64().filter(|n| n.fract() == 0.0 && (0.0..1e15).contains(n)).map(|n| n as u64)
        });
        let bytes = bytes.ok_or_else(|| format!("`{FIELD}` without `bytes`, which must be a number"))?;
        let sha256 = text("sha256")?;
        let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if sha256.len() != 64 || !sha256.chars().all(is_digit) {
            return Err(format!("`{FIELD}.sha256` is not a SHA-256 in hexadecimal digits"));
        }
        Ok(Self {
            blob: BlobRef { run, name, bytes },
            media: media(text("type")?),
            sha256: sha256.to_owned(),
            filename: file["filename"].as_str().and_then(filename),
        })
    }

    /// The value that stands for it.
    pub fn value(&self) -> Value {
        let mut file = Map::new();
        file.insert("run".into(), self.blob.run.as_str().into());
        file.insert("name".into(), self.blob.name.to_string().into());
        file.insert("bytes".into(), self.blob.bytes.into());
        file.insert("type".into(), self.media.clone().into());
        file.insert("sha256".into(), self.sha256.clone().into());
        if let Some(name) = &self.filename {
            file.insert("filename".into(), name.clone().into());
        }
        json!({FIELD: file})
    }

    /// The key of the object in the bucket: always one of the organisation that asks.
    pub fn key(&self, org: &OrgId) -> String {
        self.blob.key(org)
    }
}

/// A media type that can stand in a header; of what cannot, the one of any bytes.
fn media(text: &str) -> String {
    let fits =
        text.contains('/') && text.len() <= 200 && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if fits { text.to_owned() } else { "application/octet-stream".to_owned() }
}

/// The last part of a name, as a file may be called: no folders, nothing that ends a line. `None` if nothing is left.
pub fn filename(text: &str) -> Option<String> {
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|c| !c.is_control()).collect();
    let kept = kept.trim();
    let mut end = kept.len().min(limits::MAX_FILENAME_BYTES);
    while !kept.is_char_boundary(end) {
        end -= 1;
    }
    let kept = &kept[..end];
    (!matches!(kept, "" | "." | "..")).then(|| kept.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn file() -> FileRef {
        let name = BlobName::of(Duration::from_hours(1), "get", 1, "abc");
        FileRef {
            blob: BlobRef { run: RunId::from_bytes([2; 16]), name, bytes: 7 },
            media: "text/csv".into(),
            sha256: "0a".repeat(32),
            filename: Some("a b.csv".into()),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let plain = FileRef { filename: None, ..file() };
        for file in [file(), plain] {
            assert_eq!(FileRef::read(&file.value()), Some(Ok(file)));
        }
    }

    #[test]
    fn other_values_are_none_and_forged_ones_are_told() {
        for other in [json!(null), json!("x"), json!({}), json!({"$file": {}, "more": 1}), json!([1])] {
            assert_eq!(FileRef::read(&other), None, "{other}");
        }
        let bad = [
            ("run", json!("run_x")),
            ("run", json!("../other")),
            ("name", json!("62-../../../../../../../../aa")),
            ("bytes", json!(-1)),
            ("sha256", json!("0A".repeat(32))),
            ("type", json!(7)),
        ];
        for (field, value) in bad {
            let mut forged = file().value();
            forged["$file"][field] = value;
            assert!(matches!(FileRef::read(&forged), Some(Err(_))), "{forged}");
        }
        assert!(matches!(FileRef::read(&json!({"$file": "x"})), Some(Err(_))));
    }

    #[test]
    fn the_key_is_the_askers_own() {
        let (one, other) = (OrgId::from_bytes([1; 16]), OrgId::from_bytes([9; 16]));
        assert!(file().key(&one).contains(one.as_str()) && file().key(&other).contains(other.as_str()));
    }

    #[test]
    fn a_filename_has_no_folders_and_no_line_ends() {
        assert_eq!(filename("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!(filename("C:\\x\\rates.csv").as_deref(), Some("rates.csv"));
        assert_eq!(filename("a\r\nb").as_deref(), Some("ab"));
        assert_eq!(filename(".."), None);
        assert_eq!(filename("a/"), None);
        assert!(filename(&"ä".repeat(300)).is_some_and(|name| name.len() <= 255));
    }

    #[test]
    fn a_type_that_no_header_takes_is_that_of_any_bytes() {
        let mut odd = file().value();
        odd["$file"]["type"] = json!("text/x\r\nset-cookie: a");
        assert_eq!(FileRef::read(&odd).unwrap().unwrap().media, "application/octet-stream");
    }
}
