//! What functions ask of the object store: the trait that tests and the simulation model.

use crate::{BlobError, Content};
use async_trait::async_trait;
use bytes::Bytes;
use std::fs::File;
use std::io::{Seek, Write};
use std::time::Duration;

/// An object as a list tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub bytes: u64,
}

/// Objects by their keys.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Keeps an object of this media type. An object of the same key is replaced: by the same content, as keys name their content.
    async fn put(&self, key: &str, content: Content, media: &str) -> Result<(), BlobError>;
    /// An object of at most `most` bytes, whole.
    async fn get(&self, key: &str, most: u64) -> Result<Bytes, BlobError>;
    /// The same as a file on disk, which has no name and is gone when nobody holds it any more: of what memory should not hold.
    async fn fetch(&self, key: &str, most: u64) -> Result<File, BlobError> {
        let bytes = self.get(key, most).await?;
        let mut file = tempfile::tempfile()?;
        file.write_all(&bytes)?;
        file.rewind()?;
        Ok(file)
    }
    /// Keeps an object under another key, too. Its age counts anew there.
    async fn copy(&self, from: &str, to: &str) -> Result<(), BlobError>;
    /// The objects whose keys begin with `prefix`, in their order, behind the key `after`; at most `most` (a thousand), and fewer only
    /// at the end.
    async fn list(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<Listed>, BlobError>;
    /// Deletes an object; one that is not there is deleted.
    async fn delete(&self, key: &str) -> Result<(), BlobError>;
    /// The address by which whoever has it may fetch an object for so long. Whether there is such an object is not looked at.
    fn address(&self, key: &str, valid: Duration) -> Result<String, BlobError>;
}
