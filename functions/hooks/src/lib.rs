#![doc = include_str!("../README.md")]

mod answer;
mod callback;
mod challenge;
mod config;
mod handle;
mod request;
mod told;
mod verify;

pub use config::Config;
pub use handle::handle;
pub use verify::Secrets;

use dispatch::{Plans, Starter};
use guard::Guard;
use runtime::Clock;
use std::sync::Arc;
use store::{RunStore, Store};
use vault::Sealers;

/// What the function works with.
#[derive(Clone)]
pub struct App {
    pub store: Arc<Store>,
    pub runs: Arc<dyn RunStore>,
    pub starter: Starter,
    pub plans: Plans,
    pub guard: Guard,
    pub clock: Arc<dyn Clock>,
    /// What opens secret variables, where a trigger verifies its sender.
    pub sealers: Arc<dyn Sealers>,
    pub secrets: Secrets,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
