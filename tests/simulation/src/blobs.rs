//! The object store behind the gate: objects stay as they were put, under keys that name their content.

use crate::gate::Gate;
use crate::ports::lock;
use ::blobs::{BlobError, BlobStore, Content, Listed};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct SimBlobs {
    pub(crate) gate: Arc<Gate>,
    pub(crate) objects: Mutex<HashMap<String, Bytes>>,
}

impl SimBlobs {
    async fn call<T>(
        &self,
        name: &'static str,
        apply: impl FnOnce(&mut HashMap<String, Bytes>) -> Result<T, BlobError>,
    ) -> Result<T, BlobError> {
        let failed =
            |_| BlobError::Unavailable { operation: name, reason: "a fault of the simulation".into() };
        self.gate.call(name, true, || apply(&mut lock(&self.objects)), failed).await
    }
}

#[async_trait]
impl BlobStore for SimBlobs {
    async fn put(&self, key: &str, content: Content, _: &str) -> Result<(), BlobError> {
        let Content::Bytes(bytes) = content else {
            return Err(BlobError::Refused { operation: "put_blob", reason: "no files here".into() });
        };
        self.call("put_blob", |objects| {
            let before = objects.insert(key.to_owned(), bytes.clone());
            assert!(before.is_none_or(|before| before == bytes), "other content under the key `{key}`");
            Ok(())
        })
        .await
    }

    async fn get(&self, key: &str, most: u64) -> Result<Bytes, BlobError> {
        self.call("get_blob", |objects| {
            let found = objects.get(key).cloned().ok_or(BlobError::Gone)?;
            assert!(found.len() as u64 <= most, "the object is larger than its reference says");
            Ok(found)
        })
        .await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), BlobError> {
        self.call("copy_blob", |objects| {
            let found = objects.get(from).cloned().ok_or(BlobError::Gone)?;
            objects.insert(to.to_owned(), found);
            Ok(())
        })
        .await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<Listed>, BlobError> {
        self.call("list_blobs", |objects| {
            let found = objects
                .iter()
                .filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
            let mut found: Vec<_> =
                found.map(|(key, bytes)| Listed { key: key.clone(), bytes: bytes.len() as u64 }).collect();
            found.sort_by(|a, b| a.key.cmp(&b.key));
            found.truncate(most);
            Ok(found)
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), BlobError> {
        self.call("delete_blob", |objects| {
            objects.remove(key);
            Ok(())
        })
        .await
    }

    fn address(&self, key: &str, _: Duration) -> Result<String, BlobError> {
        Ok(format!("https://example.com/{key}"))
    }
}
