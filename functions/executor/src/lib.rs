#![doc = include_str!("../README.md")]

mod batch;
mod budget;
mod config;
mod drive;
mod error;
mod http_request;
mod one;
mod weight;

pub use batch::batch;
pub use budget::ChainBudget;
pub use config::Config;
pub use error::ExecutorError;
pub use one::one;

use dispatch::{EventBus, Plans, StepQueue};
use egress::HttpPort;
use guard::Guard;
use runtime::{Clock, Draw};
use std::sync::Arc;
use store::{DueStore, RunStore};

/// What the executor works with: ports, so that a simulation can stand in for each.
#[derive(Clone)]
pub struct App {
    pub runs: Arc<dyn RunStore>,
    pub due: Arc<dyn DueStore>,
    pub queue: Arc<dyn StepQueue>,
    pub bus: Arc<dyn EventBus>,
    pub http: Arc<dyn HttpPort>,
    pub plans: Plans,
    pub guard: Guard,
    pub clock: Arc<dyn Clock>,
    pub draw: Arc<dyn Draw>,
    pub budget: ChainBudget,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("budget", &self.budget).finish_non_exhaustive()
    }
}
