//! What a request sends that is not in its input.

use bytes::Bytes;
use domain::limits;
use domain::run::{FileRef, StepError};

/// A part of a body. Files are fetched by whoever sends the request, from what its organisation keeps.
#[derive(Debug, Clone)]
pub enum Attached {
    Bytes(Bytes),
    File(Box<FileRef>),
}

/// Refuses more than a request may send.
pub(crate) fn check(body: &[Attached]) -> Result<(), StepError> {
    let bytes = body.iter().map(|piece| match piece {
        Attached::Bytes(bytes) => bytes.len() as u64,
        Attached::File(file) => file.blob.bytes,
    });
    // A forged size may be any.
    let bytes = bytes.fold(0, u64::saturating_add);
    if bytes <= limits::MAX_FILE_BYTES as u64 {
        return Ok(());
    }
    let message = format!(
        "the files have {} MB together; a request may send {} MB",
        bytes / 1_048_576,
        limits::MAX_FILE_BYTES / 1_048_576
    );
    Err(StepError::fatal("file_too_large", message))
}
