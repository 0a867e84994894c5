//! What AWS would bill.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counts, while it is switched on.
#[derive(Debug, Default)]
pub struct Meter {
    on: AtomicBool,
    counts: Mutex<BTreeMap<String, Metered>>,
}

/// How often an operation was called, and the capacity units or billed requests that it took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Metered {
    pub calls: u64,
    pub units: f64,
}

impl Meter {
    pub fn switch(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Adds one call of `name`, such as `dynamodb.PutItem patchbay-runs`, that took `units`.
    pub fn add(&self, name: &str, units: f64) {
        if self.is_on() {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = counts.entry(name.to_owned()).or_default();
            slot.calls += 1;
            slot.units += units;
        }
    }

    /// Everything counted since the last time this was asked.
    pub fn take(&self) -> BTreeMap<String, Metered> {
        std::mem::take(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
