//! The actions: which reader or writer, with which files.

use crate::archive::{Archive, pack};
use crate::bounded::Growing;
use crate::input::{Input, invalid};
use crate::{csv, json_lines, plain, workbook};
use domain::limits;
use domain::run::{StepError, filename};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Write;

/// A file that an action reads, from its beginning.
#[derive(Debug)]
pub struct Source {
    pub file: File,
    pub name: Option<String>,
}

/// A file that an action made.
#[derive(Debug)]
pub struct Made {
    /// Where its reference stands in the output.
    pub pointer: String,
    pub file: File,
    pub bytes: u64,
    pub media: String,
    pub name: String,
}

/// What an action gave.
#[derive(Debug)]
pub struct Done {
    pub output: Value,
    pub made: Vec<Made>,
}

/// Runs an action. `sources` are the files that its input names, in the order in which it names them.
pub fn run(action: &str, input: &Value, mut sources: Vec<Source>) -> Result<Done, StepError> {
    let input = Input(input);
    if action == "file.zip" {
        return zip(input, sources);
    }
    let source = if sources.is_empty() { None } else { Some(sources.remove(0)) };
    match action {
        "file.read_csv" => read(|| csv::read(input, needed(source)?.file)),
        "file.read_xlsx" => read(|| workbook::read(input, needed(source)?.file)),
        "file.read_json_lines" => read(|| json_lines::read(input, needed(source)?.file)),
        "file.read_text" => read(|| plain::read(input, needed(source)?.file)),
        "file.unzip" => unzip(input, needed(source)?),
        "file.write_csv" => {
            write(input, source, "table.csv", |after, to| csv::write(input, after, to).map(Some))
        }
        "file.write_xlsx" => {
            write(input, None, "workbook.xlsx", |_, to| workbook::write(input, to).map(Some))
        }
        "file.write_json_lines" => {
            write(input, source, "rows.jsonl", |_, to| json_lines::write(input, to).map(Some))
        }
        "file.write_text" => {
            write(input, source, "text.txt", |after, to| plain::write(input, after, to).map(|()| None))
        }
        other => Err(StepError::fatal("action_unknown", format!("there is no action `{other}`"))),
    }
}

fn needed(source: Option<Source>) -> Result<Source, StepError> {
    source.ok_or_else(|| invalid("`file` is missing"))
}

fn read(read: impl FnOnce() -> Result<Value, StepError>) -> Result<Done, StepError> {
    Ok(Done { output: read()?, made: Vec::new() })
}

/// Writes a file, behind another one if it is given.
fn write(
    input: Input<'_>,
    after: Option<Source>,
    otherwise: &str,
    content: impl FnOnce(bool, &mut Growing) -> Result<Option<usize>, StepError>,
) -> Result<Done, StepError> {
    let mut to = Growing::new()?;
    let goes_on = after.is_some();
    let mut name = otherwise.to_owned();
    if let Some(mut after) = after {
        to.take(&mut after.file)?;
        name = after.name.unwrap_or(name);
    }
    let rows = content(goes_on, &mut to)?;
    if let Some(given) = input.text("filename") {
        name = filename(given).ok_or_else(|| invalid(format!("`{given}` is no name for a file")))?;
    }
    let (file, bytes) = to.finish()?;
    let media = input.text("type").unwrap_or_else(|| plain::media(&name)).to_owned();
    let mut output = Map::new();
    output.insert("file".into(), Value::Null);
    if let Some(rows) = rows {
        output.insert("rows".into(), rows.into());
    }
    let made = vec![Made { pointer: "/file".into(), file, bytes, media, name }];
    Ok(Done { output: output.into(), made })
}

fn zip(input: Input<'_>, sources: Vec<Source>) -> Result<Done, StepError> {
    let named = input.list("files").map_or(&[][..], Vec::as_slice);
    if named.len() > limits::MAX_ARCHIVE_FILES {
        return Err(invalid(format!("an archive may have {} files", limits::MAX_ARCHIVE_FILES)));
    }
    let mut files: Vec<(String, File)> = sources
        .into_iter()
        .enumerate()
        .map(|(i, source)| {
            let given = named.get(i).and_then(|file| file["name"].as_str()).map(str::to_owned);
            (given.or(source.name).unwrap_or_else(|| format!("file_{}", i + 1)), source.file)
        })
        .collect();
    let (file, bytes) = pack(&mut files, Growing::new()?)?;
    let given = input.text("filename");
    let name = given.map_or_else(
        || Ok("archive.zip".to_owned()),
        |given| filename(given).ok_or_else(|| invalid(format!("`{given}` is no name for a file"))),
    )?;
    let made = Made { pointer: "/file".into(), file, bytes, media: "application/zip".into(), name };
    Ok(Done { output: json!({"file": null, "files": files.len()}), made: vec![made] })
}

fn unzip(input: Input<'_>, source: Source) -> Result<Done, StepError> {
    let mut archive = Archive::open(source.file, limits::MAX_UNPACKED_BYTES)?;
    let mut entries = archive.entries()?;
    if let Some(only) = input.list("only") {
        let missing =
            only.iter().find(|name| !entries.iter().any(|entry| Some(entry.name.as_str()) == name.as_str()));
        if let Some(missing) = missing {
            return Err(invalid(format!("the archive has no file {missing}")));
        }
        entries.retain(|entry| only.iter().any(|name| name.as_str() == Some(&entry.name)));
    }
    let list_only = input.flag("list_only", false);
    let mut listed = Vec::new();
    let mut made = Vec::new();
    for (i, entry) in entries.into_iter().enumerate() {
        if list_only {
            listed.push(json!({"name": entry.name, "bytes": entry.bytes}));
            continue;
        }
        let mut to = Growing::new()?;
        archive.unpack(entry.index, |piece| to.write_all(piece).map_err(|error| to.failed(&error)))?;
        let (file, bytes) = to.finish()?;
        listed.push(json!({"name": entry.name, "bytes": bytes, "file": null}));
        made.push(Made {
            pointer: format!("/files/{i}/file"),
            file,
            bytes,
            media: plain::media(&entry.name).to_owned(),
            name: filename(&entry.name).unwrap_or_else(|| "file".to_owned()),
        });
    }
    Ok(Done { output: json!({"files": listed}), made })
}

#[cfg(test)]
#[path = "run/tests.rs"]
mod tests;
