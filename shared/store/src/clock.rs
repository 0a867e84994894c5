//! The tables' clock: one that all workers can see, whose own clocks may differ by minutes.
//!
//! Each answer of DynamoDB has the time at which it was made, in whole seconds (`date`). With the times at which it was asked and at
//! which it had answered, that bounds by how much our clock differs from its; what several answers leave is narrow. A clock of ours that
//! is within those bounds is believed: they are kept right to a millisecond, and the answers are not so exact.

use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use domain::Millis;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What is known of the tables' clock.
#[derive(Clone)]
pub(crate) struct TableClock {
    now: Arc<dyn Fn() -> Millis + Send + Sync>,
    ahead: Arc<Mutex<Bounds>>,
}

/// By how many milliseconds the tables' clock is ahead of ours, at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    least: i64,
    most: i64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { least: i64::MIN, most: i64::MAX }
    }
}

impl Bounds {
    /// With an answer that was made in the second that began at `made`.
    fn with(self, sent: Millis, made: Millis, came: Millis) -> Self {
        let new = Self { least: made.0 - came.0, most: made.0 + 999 - sent.0 };
        let both = Self { least: self.least.max(new.least), most: self.most.min(new.most) };
        // One of the clocks was set: what was known is over.
        if both.least > both.most { new } else { both }
    }

    /// How far ahead it is taken to be: as little as can be.
    fn ahead(self) -> i64 {
        0.clamp(self.least, self.most)
    }
}

/// When a request was sent.
#[derive(Debug)]
struct Sent(Millis);

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

impl TableClock {
    pub(crate) fn new(now: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), ahead: Arc::default() }
    }

    /// The tables' time, when it is `now` for us.
    pub(crate) fn at(&self, now: Millis) -> Millis {
        Millis(now.0.saturating_add(self.ahead.lock().unwrap_or_else(PoisonError::into_inner).ahead()))
    }
}

impl fmt::Debug for TableClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableClock").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

#[dyn_dispatch_hint]
impl Intercept for TableClock {
    fn name(&self) -> &'static str {
        "TableClock"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        bag.interceptor_state().store_put(Sent((self.now)()));
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let made = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        if let (Some(made), Some(Sent(sent))) = (made, bag.load::<Sent>()) {
            let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            *ahead = ahead.with(*sent, Millis(made.secs() * 1000), (self.now)());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known after answers at these times of the tables' clock, which took so long, by a clock that is `off` behind it.
    fn learned(off: i64, answers: &[(i64, i64)]) -> Bounds {
        answers.iter().fold(Bounds::default(), |known, (at, took)| {
            let made = Millis((at + took / 2).div_euclid(1000) * 1000);
            known.with(Millis(at - off), made, Millis(at + took - off))
        })
    }

    #[test]
    fn a_clock_that_is_right_is_believed_however_slow_the_answers() {
        assert_eq!(Bounds::default().ahead(), 0);
        for (at, took) in [(1_000_000, 4), (1_000_999, 4), (1_000_500, 3000), (1_000_001, 900)] {
            assert_eq!(learned(0, &[(at, took)]).ahead(), 0, "{at} {took}");
        }
        assert_eq!(learned(0, &[(1_000_999, 4), (1_001_000, 4), (1_000_500, 3000)]).ahead(), 0);
    }

    #[test]
    fn a_clock_that_is_wrong_is_put_right_and_the_better_the_longer() {
        for off in [-120_000, -1500, 1500, 120_000] {
            let once = learned(off, &[(1_000_400, 6)]).ahead();
            assert!((once - off).abs() <= 1006, "{off}: {once}");
            let answers: Vec<_> = (0..50).map(|n| (1_000_000 + n * 1037, 6)).collect();
            let often = learned(off, &answers).ahead();
            assert!((often - off).abs() <= 60, "{off}: {often}");
        }
    }

    #[test]
    fn a_clock_that_is_set_is_learned_anew() {
        let wrong = learned(120_000, &[(1_000_400, 6), (1_001_900, 6)]);
        let put_right = wrong.with(Millis(1_010_000), Millis(1_010_000), Millis(1_010_006));
        assert_eq!(put_right.ahead(), 0);
    }
}
