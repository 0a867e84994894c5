//! Fairness: callers of one lane never hold every child.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

/// A share of the guard by name, such as an org's id.
#[derive(Debug)]
pub(crate) struct Lanes {
    permits: usize,
    open: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Lanes {
    pub(crate) fn new(max_children: usize) -> Self {
        Lanes { permits: max_children.saturating_sub(1).max(1), open: Mutex::new(HashMap::new()) }
    }

    /// The lane of that name; it lives as long as someone holds it.
    pub(crate) fn enter(&self, name: &str) -> Arc<Semaphore> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = open.get(name).and_then(Weak::upgrade) {
            return lane;
        }
        open.retain(|_, lane| lane.strong_count() > 0);
        let lane = Arc::new(Semaphore::new(self.permits));
        open.insert(name.to_owned(), Arc::downgrade(&lane));
        lane
    }
}
