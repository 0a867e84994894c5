#![doc = include_str!("../README.md")]

mod batch;
mod config;
mod event;
mod one;

pub use batch::batch;
pub use config::Config;
pub use event::{BusRecord, InvalidEvent};
pub use one::{IngestError, one};

use dispatch::{Plans, Starter};
use runtime::Clock;
use std::sync::Arc;
use store::Store;

/// What the function works with.
#[derive(Clone)]
pub struct App {
    pub store: Arc<Store>,
    pub starter: Starter,
    pub plans: Plans,
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
