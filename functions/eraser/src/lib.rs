#![doc = include_str!("../README.md")]

mod config;
mod erase;

pub use config::Config;
pub use erase::{EraseError, Outcome, erase};

use blobs::BlobStore;
use runtime::Clock;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use vault::SecretFolder;

/// How long one invocation goes on; its function may run for a minute, and a step takes seconds at most.
pub const ENOUGH: Duration = Duration::from_secs(40);

/// What the function works with.
#[derive(Clone)]
pub struct App {
    pub store: Arc<Store>,
    pub blobs: Arc<dyn BlobStore>,
    pub secrets: SecretFolder,
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
