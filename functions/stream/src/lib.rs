#![doc = include_str!("../README.md")]

mod batch;
mod config;
mod event;

pub use batch::batch;
pub use config::Config;
pub use event::{Done, FILTERS, StreamEvent};

use std::sync::Arc;
use store::UsageStore;

/// What the function works with.
#[derive(Clone)]
pub struct App {
    pub usage: Arc<dyn UsageStore>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
