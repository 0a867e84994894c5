//! Runs: heads, journals, claims, and the list of them.

mod change;
mod gather;
mod head;
mod journal;
mod list;
mod mail;
mod pulse;
mod slots;

pub use change::Counted;
pub(crate) use gather::groups_partition;
pub(crate) use head::condition_held;
pub use journal::{Appended, Claim, ClaimView, Held, Journal};
pub(crate) use list::{Listed, SHARDS as LIST_SHARDS, key as heads_partition};
pub use list::{RunFilter, RunPage};
pub use pulse::Pulse;

use domain::run::Head;
use domain::{OrgKey, RunId};

/// Whether `create_run` made the run.
#[derive(Debug, Clone)]
pub enum Created {
    New,
    /// The run existed: the same trigger with the same idempotency key started it before.
    Existing(Box<Head>),
}

const HEAD: &str = "h";
const INPUT: &str = "i";
const ANSWER: &str = "a";

pub(crate) fn partition(org: &OrgKey, run: &RunId) -> String {
    format!("{}#{run}", org.org())
}
