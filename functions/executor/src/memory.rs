//! How much of large values may be in memory, and of files on the disk, at the same time: ten messages share a function of 256 MB.

use domain::limits::MAX_WORKING_FILES_BYTES;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A value takes about eight times the bytes of its JSON, and the child process for expressions has its own part of the function.
const MOST_BYTES: u64 = 12 * 1024 * 1024;
const UNIT: u64 = 1024;

/// The room for large values and for files, shared by all that the process does.
#[derive(Debug, Clone)]
pub struct Memory {
    values: Arc<Semaphore>,
    files: Arc<Semaphore>,
}

impl Default for Memory {
    fn default() -> Self {
        let of = |bytes: u64| Arc::new(Semaphore::new((bytes / UNIT) as usize));
        Self { values: of(MOST_BYTES), files: of(MAX_WORKING_FILES_BYTES) }
    }
}

impl Memory {
    /// Waits until there is room for so many bytes of JSON; more than there is at all waits for all of it. Whoever holds a part
    /// must not ask for another.
    pub(crate) async fn room(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        take(&self.values, bytes.min(MOST_BYTES)).await
    }

    /// The same of the disk. Whoever holds room for values must not ask for it; who holds some of the disk may ask for room for values.
    pub async fn disk(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        take(&self.files, bytes.min(MAX_WORKING_FILES_BYTES)).await
    }
}

async fn take(from: &Arc<Semaphore>, bytes: u64) -> Option<OwnedSemaphorePermit> {
    let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
    from.clone().acquire_many_owned(units).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn what_finds_no_room_waits_until_there_is_some() {
        let memory = Memory::default();
        let first = memory.room(10 * 1024 * 1024).await;
        let mut second = Box::pin(memory.room(100 * 1024 * 1024));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.now_or_never().is_some());
        let first = memory.disk(u64::MAX).await;
        assert!(memory.disk(1).now_or_never().is_none());
        assert!(memory.room(u64::MAX).now_or_never().is_some());
        drop(first);
        assert!(memory.disk(1).now_or_never().is_some());
    }
}
