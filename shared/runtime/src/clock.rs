//! The two things that make a function impure apart from its ports: the time and chance.

use domain::Millis;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Millis;

    /// Is over after this time.
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// Chance: uniform over `u64`.
pub trait Draw: Send + Sync {
    fn draw(&self) -> u64;
}

#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDraw;

impl Draw for SystemDraw {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that draws")]
    fn draw(&self) -> u64 {
        rand::random()
    }
}
