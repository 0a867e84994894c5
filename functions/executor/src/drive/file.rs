//! Files in the hands of steps: read and written by the built-in actions, and sent with requests.

use super::Drive;
use crate::ExecutorError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blobs::Content;
use bytes::Bytes;
use calls::Attached;
use calls::http_request::Prepared;
use domain::limits;
use domain::run::{FileRef, StepError};
use domain::workflow::schema::file_input;
use egress::{HttpRequest, Piece};
use engine::{ActionNode, NodeIx};
use files::{Done, Made, Source};
use futures::future::{Either, select, try_join_all};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{Seek, Write};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// For how long room on the disk is waited for.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// How many files are put into the bucket at the same time.
const KEPT_AT_ONCE: usize = 8;

/// Refuses an input that is not as the action's schema wants it.
pub(super) fn check(uses: &str, input: &Value) -> Result<(), StepError> {
    let schema = file_input(uses).unwrap_or_default();
    match connectors::schema::check(input, &schema, &Map::new(), "", false).into_iter().next() {
        Some(fault) => Err(invalid(fault.message)),
        None => Ok(()),
    }
}

impl Drive<'_> {
    /// Takes room on the worker's disk, which others may have. It is taken before the claim of a step, and not for long: a neighbour's
    /// slow file is no attempt of this step.
    pub(super) async fn disk_for(&self, bytes: u64) -> Result<Disk, Full> {
        if bytes == 0 {
            return Ok(Disk(None));
        }
        let taking = pin!(self.app.memory.disk(bytes));
        match select(taking, self.app.clock.sleep(ROOM_WAIT)).await {
            Either::Left((room, _)) => Ok(Disk(room)),
            Either::Right(_) => Err(Full),
        }
    }

    /// Runs a built-in action on files. One at a time has the worker's disk and its room for large values.
    pub(super) async fn work_on_files(
        &self,
        (ix, attempt): (NodeIx, u16),
        action: &ActionNode,
        input: Value,
        disk: Disk,
    ) -> Result<Result<Value, StepError>, ExecutorError> {
        let work = async {
            match self.files_done(&action.uses, input, disk).await {
                Ok((done, _disk)) => self.keep_made(ix, attempt, done).await.map(Ok),
                Err(error) => Ok(Err(error)),
            }
        };
        self.while_shown(self.within(action.timeout, work)).await
    }

    /// Keeps what was made: the output, with the files in their places.
    async fn keep_made(&self, ix: NodeIx, attempt: u16, done: Done) -> Result<Value, ExecutorError> {
        let Done { mut output, made } = done;
        let path = self.path(ix);
        let mut made = made.into_iter();
        loop {
            let some: Vec<Made> = made.by_ref().take(KEPT_AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            let keeping = some.into_iter().map(|made| self.keep_one(&path, attempt, made));
            for (pointer, kept) in try_join_all(keeping).await? {
                if let Some(at) = output.pointer_mut(&pointer) {
                    *at = kept;
                }
            }
        }
        Ok(output)
    }

    async fn keep_one(&self, path: &str, attempt: u16, made: Made) -> Result<(String, Value), ExecutorError> {
        let content = Content::File(Arc::new(made.file), made.bytes);
        let kept = self.place.keep_file(path, attempt, content, made.media, Some(made.name)).await?;
        Ok((made.pointer, kept))
    }

    async fn files_done(&self, uses: &str, input: Value, disk: Disk) -> Result<(Done, Disk), StepError> {
        let wanted = wanted(uses, &input)?;
        let mut sources = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            sources.push(match wanted {
                Wanted::Kept(file) => {
                    let found = self.place.fetch_file(&file).await?;
                    // Nobody else holds it any more.
                    let found = Arc::try_unwrap(found).or_else(|shared| shared.try_clone());
                    Source { file: found.map_err(|e| disk_failed(&e))?, name: file.filename }
                }
                Wanted::Inline(bytes) => {
                    Source { file: written(&bytes).map_err(|e| disk_failed(&e))?, name: None }
                }
            });
        }
        let room = self.app.memory.room(u64::MAX).await;
        let uses = uses.to_owned();
        // A thread of its own: it takes as long as it takes. Should nobody wait for it any more, the rooms are still its own.
        let working = tokio::task::spawn_blocking(move || {
            let done = files::run(&uses, &input, sources);
            (done, room, disk)
        });
        match working.await {
            Ok((done, _room, disk)) => Ok((done?, disk)),
            // A reader that panics has met a file that its author did not think of.
            Err(_) => Err(StepError::fatal("file_unreadable", "the file cannot be read: its reader gave up")),
        }
    }

    /// A request with all that it sends, and the room on the disk that this takes.
    pub(super) async fn attach(
        &self,
        prepared: Prepared,
        disk: Disk,
    ) -> Result<Result<(HttpRequest, Disk), StepError>, ExecutorError> {
        let Prepared { request, attached, .. } = prepared;
        if attached.is_empty() {
            return Ok(Ok((request, disk)));
        }
        let timeout = request.timeout;
        self.within(timeout, async { Ok(self.attached(request, attached, disk).await) }).await
    }

    async fn attached(
        &self,
        mut request: HttpRequest,
        attached: Vec<Attached>,
        mut disk: Disk,
    ) -> Result<(HttpRequest, Disk), StepError> {
        let began = self.app.clock.now();
        if disk.0.is_none() {
            // A call of an app tells only now what it sends.
            disk = Disk(self.app.memory.disk(bytes_of(&attached)).await);
        }
        for piece in attached {
            request.attached.push(match piece {
                Attached::Bytes(bytes) => Piece::Bytes(bytes),
                Attached::File(file) => Piece::File(self.place.fetch_file(&file).await?, file.blob.bytes),
            });
        }
        let taken = began.until(self.app.clock.now());
        request.timeout = request.timeout.saturating_sub(taken).max(Duration::from_millis(1));
        Ok((request, disk))
    }

    /// What comes within a time.
    async fn within<T>(
        &self,
        time: Duration,
        work: impl Future<Output = Result<Result<T, StepError>, ExecutorError>>,
    ) -> Result<Result<T, StepError>, ExecutorError> {
        tokio::pin!(work);
        match select(&mut work, self.app.clock.sleep(time)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => {
                let message = "the files took longer than the step's time limit; give it a longer `timeout`";
                Ok(Err(StepError::passing("file_timeout", message)))
            }
        }
    }
}

/// Room on the worker's disk.
pub(super) struct Disk(Option<OwnedSemaphorePermit>);

impl Disk {
    /// For a request that tells what it sends when it is sent.
    pub(super) fn later() -> Self {
        Self(None)
    }
}

/// Others have the disk.
pub(super) struct Full;

/// How many bytes of files a request sends.
pub(super) fn files_of(prepared: &Prepared) -> u64 {
    bytes_of(&prepared.attached)
}

fn bytes_of(attached: &[Attached]) -> u64 {
    let bytes = attached.iter().map(|piece| match piece {
        Attached::File(file) => file.blob.bytes,
        Attached::Bytes(_) => 0,
    });
    bytes.sum()
}

/// A file that an input names.
enum Wanted {
    Kept(FileRef),
    /// What a step was answered that is no file.
    Inline(Bytes),
}

/// The files that an input names, in their order.
fn wanted(uses: &str, input: &Value) -> Result<Vec<Wanted>, StepError> {
    let mut found = Vec::new();
    for (i, packed) in input["files"].as_array().into_iter().flatten().enumerate() {
        found.push(one(&packed["file"], &format!("files/{i}/file"))?);
    }
    for name in ["file", "after"] {
        if !input[name].is_null() {
            found.push(one(&input[name], name)?);
        }
    }
    let bytes = found.iter().fold(0, |sum: u64, wanted| {
        sum.saturating_add(match wanted {
            Wanted::Kept(file) => file.blob.bytes,
            Wanted::Inline(bytes) => bytes.len() as u64,
        })
    });
    if bytes > limits::MAX_FILE_BYTES as u64 {
        let most = limits::MAX_FILE_BYTES / 1_048_576;
        let message = format!("`{uses}` was given {} MB; {most} MB are the most", bytes / 1_048_576);
        return Err(StepError::fatal("file_too_large", message));
    }
    Ok(found)
}

fn one(value: &Value, at: &str) -> Result<Wanted, StepError> {
    if let Some(file) = FileRef::read(value) {
        return file.map(Wanted::Kept).map_err(|why| invalid(format!("`{at}`: {why}")));
    }
    match value {
        Value::String(text) => Ok(Wanted::Inline(Bytes::from(text.clone()))),
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("base64") => {
            let text = fields["base64"].as_str().unwrap_or_default();
            let bytes =
                STANDARD.decode(text).map_err(|error| invalid(format!("`{at}` is no base64: {error}")))?;
            Ok(Wanted::Inline(bytes.into()))
        }
        _ => Err(invalid(format!(
            "`{at}` is no file: neither `{{\"$file\": …}}`, nor a text, nor `{{\"base64\": …}}`; a request with `as_file` gives one"
        ))),
    }
}

/// Bytes as a file, from its beginning.
fn written(bytes: &[u8]) -> std::io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

fn disk_failed(error: &std::io::Error) -> StepError {
    StepError::passing("unavailable", format!("a file could not be worked on just now: {error}"))
}

fn invalid(message: String) -> StepError {
    StepError::fatal("invalid_input", message)
}
