//! Faults at the calls of the object store.

use crate::faults::Faults;
use ::blobs::{BlobError, BlobStore, Content, Listed};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

pub struct FaultyBlobs {
    inner: Arc<dyn BlobStore>,
    faults: Arc<Faults>,
}

impl std::fmt::Debug for FaultyBlobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyBlobs").finish_non_exhaustive()
    }
}

impl FaultyBlobs {
    pub fn new(inner: Arc<dyn BlobStore>, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }
}

fn unreachable(operation: &'static str) -> BlobError {
    BlobError::Unavailable { operation, reason: "a fault of the test".into() }
}

#[async_trait]
impl BlobStore for FaultyBlobs {
    async fn put(&self, key: &str, content: Content, media: &str) -> Result<(), BlobError> {
        self.faults.around("put_blob", self.inner.put(key, content, media), unreachable).await
    }

    async fn get(&self, key: &str, most: u64) -> Result<Bytes, BlobError> {
        self.faults.around("get_blob", self.inner.get(key, most), unreachable).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), BlobError> {
        self.faults.around("copy_blob", self.inner.copy(from, to), unreachable).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<Listed>, BlobError> {
        self.faults.around("list_blobs", self.inner.list(prefix, after, most), unreachable).await
    }

    async fn delete(&self, key: &str) -> Result<(), BlobError> {
        self.faults.around("delete_blob", self.inner.delete(key), unreachable).await
    }

    fn address(&self, key: &str, valid: Duration) -> Result<String, BlobError> {
        self.inner.address(key, valid)
    }
}
