//! Token buckets. Each vendor names its own and says in its own words that one is empty.

use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many calls are taken in what time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// So many calls at once.
    pub calls: u32,
    /// An empty bucket is full again after this time.
    pub per: Duration,
    /// Once a call was refused, all are for this time.
    pub penalty: Duration,
}

impl Rule {
    pub const fn per_second(calls: u32) -> Self {
        Self { calls, per: Duration::from_secs(1), penalty: Duration::ZERO }
    }

    pub const fn per_minute(calls: u32) -> Self {
        Self { calls, per: Duration::from_mins(1), penalty: Duration::ZERO }
    }

    /// The same rule, where a refused call costs this much time.
    pub const fn with_penalty(self, penalty: Duration) -> Self {
        Self { penalty, ..self }
    }
}

/// The buckets of a fake, by name.
#[derive(Debug)]
pub struct Rates {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    enabled: bool,
    buckets: HashMap<String, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Timestamp,
    shut_until: Option<Timestamp>,
}

impl Default for Rates {
    fn default() -> Self {
        Self { state: Mutex::new(State { enabled: true, buckets: HashMap::new() }) }
    }
}

impl Rates {
    /// Takes one call out of the bucket: gives how many are left, or after what time it makes sense to ask again.
    pub fn take(&self, name: &str, rule: Rule, now: Timestamp) -> Result<u32, Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.enabled {
            return Ok(rule.calls);
        }
        let full = f64::from(rule.calls);
        let bucket =
            state.buckets.entry(name.to_owned()).or_insert(Bucket { left: full, at: now, shut_until: None });
        if let Some(until) = bucket.shut_until {
            if now < until {
                return Err(Duration::try_from(until.duration_since(now)).unwrap_or_default());
            }
            *bucket = Bucket { left: full, at: now, shut_until: None };
        }
        let passed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        bucket.left = (bucket.left + passed * full / rule.per.as_secs_f64()).min(full);
        bucket.at = now;
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Ok(bucket.left as u32);
        }
        if rule.penalty > Duration::ZERO {
            bucket.shut_until = now.checked_add(rule.penalty).ok();
            return Err(rule.penalty);
        }
        Err(Duration::from_secs_f64((1.0 - bucket.left) * rule.per.as_secs_f64() / full))
    }

    /// Whether calls are counted at all.
    pub fn enable(&self, enabled: bool) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).enabled = enabled;
    }

    /// All buckets are full again, and calls are counted.
    pub fn reset(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) =
            State { enabled: true, buckets: HashMap::new() };
    }
}

/// A wait as a `Retry-After` header says it: whole seconds, at least one.
pub fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs_f64().ceil() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_bucket_is_emptied_and_fills_again() {
        let rates = Rates::default();
        let rule = Rule::per_minute(2);
        assert_eq!(rates.take("a", rule, at(0)), Ok(1));
        assert_eq!(rates.take("a", rule, at(0)), Ok(0));
        assert_eq!(rates.take("a", rule, at(0)), Err(Duration::from_secs(30)));
        assert_eq!(rates.take("b", rule, at(0)), Ok(1), "another bucket has calls of its own");
        assert_eq!(rates.take("a", rule, at(30)), Ok(0));
        rates.enable(false);
        assert_eq!(rates.take("a", rule, at(30)), Ok(2));
    }

    #[test]
    fn a_penalty_shuts_the_bucket_though_it_would_have_filled() {
        let rates = Rates::default();
        let rule = Rule::per_second(1).with_penalty(Duration::from_secs(30));
        assert_eq!(rates.take("a", rule, at(0)), Ok(0));
        assert_eq!(rates.take("a", rule, at(0)), Err(Duration::from_secs(30)));
        assert_eq!(rates.take("a", rule, at(29)), Err(Duration::from_secs(1)));
        assert_eq!(rates.take("a", rule, at(30)), Ok(0));
    }
}
