//! Outputs that the journal does not hold: kept as objects, and fetched when something reads them.

use crate::place::Place;
use crate::weight::weight;
use blobs::{BlobError, Content};
use domain::limits;
use domain::run::{BlobName, BlobRef, FileRef, Mark, StepError};
use engine::Context;
use expr::References;
use futures::future::try_join_all;
use serde_json::Value;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of kept outputs that one step may read.
const READ_AT_ONCE: u64 = 2 * limits::MAX_OUTPUT_BYTES as u64;

impl Place<'_> {
    /// What is recorded of an outcome: an output that is too large for the journal is kept as an object first.
    pub(crate) async fn keep(self, path: &str, attempt: u16, mark: Mark) -> Result<Mark, BlobError> {
        let Mark::Succeeded(output) = &mark else { return Ok(mark) };
        if weight(output) <= self.app.inline_bytes {
            return Ok(mark);
        }
        let text = serde_json::to_vec(output).unwrap_or_default();
        // What control characters take as JSON, no estimate knows.
        if text.len() > limits::MAX_OUTPUT_BYTES {
            let message = format!(
                "the output is {} KB as JSON; {} KB are the most",
                text.len() / 1024,
                limits::MAX_OUTPUT_BYTES / 1024
            );
            return Ok(Mark::Failed(StepError::fatal("output_too_large", message)));
        }
        let content = Content::Bytes(text.into());
        let (blob, _) = self.put(path, attempt, content, "application/json").await?;
        Ok(Mark::Spilled(blob))
    }

    /// Keeps a file that a step was given or made, and says where: the value that stands in its place.
    pub(crate) async fn keep_file(
        self,
        path: &str,
        attempt: u16,
        content: Content,
        media: String,
        filename: Option<String>,
    ) -> Result<Value, BlobError> {
        let (blob, sha256) = self.put(path, attempt, content, &media).await?;
        Ok(FileRef { blob, media, sha256, filename }.value())
    }

    /// A kept file, from the disk. Who asks must have room for it there.
    ///
    /// The reference may be anybody's word. Its key begins with the organisation of this run, so what another one keeps is not there; and
    /// what is in it must be what the reference says, which only those know who had the file.
    pub(crate) async fn fetch_file(self, file: &FileRef) -> Result<Arc<File>, StepError> {
        let bytes = file.blob.bytes;
        if bytes > limits::MAX_FILE_BYTES as u64 {
            let message = format!(
                "the file has {} MB; {} MB are the most",
                bytes / 1_048_576,
                limits::MAX_FILE_BYTES / 1_048_576
            );
            return Err(StepError::fatal("file_too_large", message));
        }
        let missing = || {
            let message = "there is no such file here, or not any more; run the step again that gave it";
            StepError::fatal("file_not_found", message)
        };
        let passing = || StepError::passing("unavailable", "a file could not be fetched just now");
        let found = match self.app.blobs.fetch(&file.key(self.org.org()), bytes).await {
            Ok(found) => Arc::new(found),
            Err(BlobError::Unavailable { .. } | BlobError::File(_)) => return Err(passing()),
            Err(BlobError::Gone | BlobError::Refused { .. } | BlobError::TooLarge { .. }) => {
                return Err(missing());
            }
        };
        if found.metadata().map_err(|_| passing())?.len() != bytes {
            return Err(missing());
        }
        let content = Content::File(found.clone(), bytes);
        let digest = tokio::task::spawn_blocking(move || content.digest()).await;
        match digest {
            Ok(Ok(digest)) if digest == file.sha256 => Ok(found),
            Ok(Ok(_)) => Err(missing()),
            Ok(Err(_)) | Err(_) => Err(passing()),
        }
    }

    async fn put(
        self,
        path: &str,
        attempt: u16,
        content: Content,
        media: &str,
    ) -> Result<(BlobRef, String), BlobError> {
        let digest = content.digest()?;
        let name = BlobName::of(self.limit(), path, attempt, &digest);
        let blob = BlobRef { run: self.head.id.clone(), name, bytes: content.len() };
        self.app.blobs.put(&blob.key(self.org.org()), content, media).await?;
        Ok((blob, digest))
    }

    /// The run's time limit.
    fn limit(self) -> Duration {
        self.head.started_at.until(self.head.deadline)
    }

    /// Evaluates with what must be fetched for it; `context` has kept outputs that `read` names.
    pub(crate) async fn with_fetched<T, F: Future<Output = T>>(
        self,
        context: &Context,
        read: &References,
        evaluate: impl FnOnce(Value) -> F,
    ) -> Result<T, StepError> {
        let wanted = context.spilled(read);
        let bytes: u64 = wanted.iter().map(|(_, blob)| blob.bytes).sum();
        if bytes > READ_AT_ONCE {
            let message = format!(
                "the expressions read outputs of {} MB together; at most {} MB can be read by one step",
                bytes / 1_048_576,
                READ_AT_ONCE / 1_048_576
            );
            return Err(StepError::fatal("outputs_too_large", message));
        }
        let _room = self.app.memory.room(bytes).await;
        let fetched =
            try_join_all(wanted.into_iter().map(|(id, blob)| async move {
                Ok::<_, StepError>((id.to_owned(), self.fetch(blob).await?))
            }));
        Ok(evaluate(context.scope_with(fetched.await?)).await)
    }

    /// A kept output. Who asks must have room for it.
    pub(crate) async fn fetch(self, blob: &BlobRef) -> Result<Value, StepError> {
        match self.app.blobs.get(&blob.key(self.org.org()), blob.bytes).await {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|_| StepError::fatal("output_gone", "a kept output is not readable")),
            Err(BlobError::Unavailable { .. } | BlobError::File(_)) => {
                Err(StepError::passing("unavailable", "a kept output could not be fetched just now"))
            }
            Err(BlobError::Gone | BlobError::Refused { .. } | BlobError::TooLarge { .. }) => {
                let message =
                    "a kept output is not there any more; replay the run from the step that gave it";
                Err(StepError::fatal("output_gone", message))
            }
        }
    }
}
