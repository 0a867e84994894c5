#![doc = include_str!("../README.md")]

mod check;
mod config;
mod polls;
mod reconnect;
mod resend;
mod schedules;
mod tick;

pub use config::Config;
pub use resend::resend_unfinished;
pub use tick::{TickError, Ticked, tick};

use dispatch::{EventBus, Plans, Quotas, StepQueue};
use mailer::Mailer;
use runtime::Clock;
use std::sync::Arc;
use store::{ConnectionStore, DueStore, RunStore};

/// What the function works with.
#[derive(Clone)]
pub struct App {
    pub runs: Arc<dyn RunStore>,
    pub due: Arc<dyn DueStore>,
    pub queue: Arc<dyn StepQueue>,
    pub bus: Arc<dyn EventBus>,
    pub clock: Arc<dyn Clock>,
    pub connections: Arc<dyn ConnectionStore>,
    /// What tells people of connections that must be made anew.
    pub mailer: Arc<dyn Mailer>,
    pub plans: Plans,
    /// What organisations may start in a day; `None` bounds nothing.
    pub quotas: Option<Quotas>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
