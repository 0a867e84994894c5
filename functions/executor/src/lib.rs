#![doc = include_str!("../README.md")]

mod admit;
mod ask;
mod batch;
mod budget;
mod config;
mod drive;
mod error;
mod gather;
mod limits;
mod memory;
mod one;
mod open;
mod outputs;
mod place;
mod poll;
mod started;
mod subscription;
mod weight;

pub use batch::batch;
pub use budget::ChainBudget;
pub use config::Config;
pub use error::ExecutorError;
pub use memory::Memory;
pub use one::one;

use blobs::BlobStore;
use calls::Connectors;
use dispatch::{EventBus, Plans, Quotas, Sandbox, Starter, StepQueue};
use egress::HttpPort;
use guard::Guard;
use runtime::{Clock, Draw};
use std::sync::Arc;
use std::time::Duration;
use store::{ConnectionStore, DueStore, LimitStore, RunStore, TriggerStore};
use vault::Safe;

/// How long a worker waits for its turn at an app in place. The queue's delays are whole seconds: less would leave turns unused.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// What the executor works with: ports, so that a simulation can stand in for each.
#[derive(Clone)]
pub struct App {
    pub runs: Arc<dyn RunStore>,
    pub due: Arc<dyn DueStore>,
    pub queue: Arc<dyn StepQueue>,
    pub bus: Arc<dyn EventBus>,
    pub http: Arc<dyn HttpPort>,
    pub sandbox: Arc<dyn Sandbox>,
    pub blobs: Arc<dyn BlobStore>,
    pub connections: Arc<dyn ConnectionStore>,
    /// The turns at apps that take only so many requests.
    pub limits: Arc<dyn LimitStore>,
    /// What actions and triggers are made of.
    pub connectors: Connectors,
    /// How far polls have come, and what apps were asked to tell.
    pub triggers: Arc<dyn TriggerStore>,
    /// What organisations may start in a day, for polls; `None` bounds nothing. Runs under way start others whatever that says.
    pub quotas: Option<Quotas>,
    /// How long a worker waits for a turn in place; for a later one the step is put back.
    pub patience: Duration,
    /// What opens secret variables and credentials.
    pub secrets: Arc<Safe>,
    pub memory: Memory,
    /// The largest output that the journal itself holds.
    pub inline_bytes: usize,
    pub plans: Plans,
    pub guard: Guard,
    pub clock: Arc<dyn Clock>,
    pub draw: Arc<dyn Draw>,
    pub budget: ChainBudget,
    /// What the addresses begin with by which waiting steps are answered, without a slash at the end.
    pub public_url: Arc<str>,
}

impl App {
    /// What starts the runs that steps call for.
    pub(crate) fn starter(&self) -> Starter {
        Starter::new(self.runs.clone(), self.due.clone(), self.queue.clone(), self.plans.clone())
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("budget", &self.budget).finish_non_exhaustive()
    }
}
