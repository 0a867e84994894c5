//! How many runs of a workflow may be under way at the same time.

use super::read::Reader;
use crate::limits;
use serde_json::Value;

/// The limit, and what becomes of the runs above it.
#[derive(Debug, Clone, PartialEq)]
pub struct Concurrency {
    pub limit: u16,
    /// Runs for which this expression gives the same share a limit; without one all do.
    pub key: Option<Value>,
    pub when_full: WhenFull,
}

/// What becomes of a run that comes when all slots are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It waits for its turn.
    #[default]
    Queue,
    /// It is cancelled.
    Drop,
    /// The one that has been under way longest is cancelled, and it takes its place.
    CancelOldest,
}

impl WhenFull {
    pub const ALL: [Self; 3] = [Self::Queue, Self::Drop, Self::CancelOldest];
    pub const NAMES: [&str; 3] = ["queue", "drop", "cancel_oldest"];
}

pub(super) fn read(r: &mut Reader<'_>) -> Option<Concurrency> {
    r.nested("concurrency", |r| {
        r.required("limit");
        let limit = r.integer("limit", 1, limits::MAX_CONCURRENCY.into());
        let key = r.take("key").cloned();
        let when_full = r.choice("when_full", &WhenFull::NAMES).map(|i| WhenFull::ALL[i]).unwrap_or_default();
        Some(Concurrency { limit: u16::try_from(limit?).ok()?, key, when_full })
    })
    .flatten()
}
