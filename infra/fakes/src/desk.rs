//! What the frame keeps for a fake, and gives it to use.

use crate::clock::Clock;
use crate::faults::Faults;
use crate::rate::{Rates, Rule};
use crate::received::Received;
use std::time::Duration;

/// One fake's clock, buckets, planned faults and received requests.
#[derive(Debug)]
pub struct Desk {
    /// Where this fake listens, such as `http://127.0.0.1:8801`.
    pub url: String,
    pub clock: Clock,
    pub rates: Rates,
    pub faults: Faults,
    pub received: Received,
}

impl Desk {
    pub fn new(url: String, clock: Clock) -> Self {
        Self { url, clock, rates: Rates::default(), faults: Faults::default(), received: Received::default() }
    }

    /// Takes a call out of a bucket, now.
    pub fn take(&self, bucket: &str, rule: Rule) -> Result<u32, Duration> {
        self.rates.take(bucket, rule, self.clock.now())
    }

    /// As new.
    pub fn reset(&self) {
        self.clock.reset();
        self.rates.reset();
        self.faults.reset();
        self.received.reset();
    }
}
