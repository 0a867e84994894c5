//! The time, and what workers take for it.

use domain::Millis;
use runtime::Clock;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Time that goes on when the scheduler says so.
#[derive(Debug)]
pub struct SimClock(AtomicI64);

impl SimClock {
    pub fn at(now: Millis) -> Self {
        Self(AtomicI64::new(now.0))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as i64, Ordering::Relaxed);
    }

    pub(crate) fn advance_to(&self, at: Millis) {
        self.0.fetch_max(at.0, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed))
    }

    /// Nobody sleeps by the wall's clock here; what waits for this has another way to go on.
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

/// What the worker that is at it takes for the time: workers' clocks differ, and jump.
#[derive(Debug)]
pub(crate) struct WorkerClock {
    of: Arc<SimClock>,
    /// In milliseconds.
    ahead: AtomicI64,
}

impl WorkerClock {
    pub(crate) fn new(of: Arc<SimClock>) -> Self {
        Self { of, ahead: AtomicI64::new(0) }
    }

    /// Another worker goes on, whose clock is so many milliseconds ahead.
    pub(crate) fn set(&self, ahead: i64) {
        self.ahead.store(ahead, Ordering::Relaxed);
    }
}

impl Clock for WorkerClock {
    fn now(&self) -> Millis {
        Millis(self.of.now().0 + self.ahead.load(Ordering::Relaxed))
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.of.sleep(time)
    }
}
