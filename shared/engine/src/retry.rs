//! How long to wait before the next attempt.

use domain::workflow::Retry;
use std::time::Duration;

/// The longest that a `Retry-After` is obeyed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

/// The pause after attempt `attempt` (from 1): exponential, capped, spread by full jitter, and never shorter than what the
/// other side asked for. `draw` is uniform over `u64`.
pub fn delay(retry: &Retry, attempt: u16, retry_after_ms: Option<u64>, draw: u64) -> Duration {
    let growth = retry.backoff.powi(i32::from(attempt.saturating_sub(1)));
    let cap = retry.max_delay.as_secs_f64();
    let bound = (retry.initial.as_secs_f64() * growth).min(cap);
    let chosen = if retry.jitter { bound * (draw as f64 / u64::MAX as f64) } else { bound };
    let asked = retry_after_ms.map_or(Duration::ZERO, Duration::from_millis).min(LONGEST_RETRY_AFTER);
    Duration::from_secs_f64(chosen).max(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry() -> Retry {
        Retry { jitter: false, ..Retry::default() }
    }

    #[test]
    fn pauses_grow_to_their_cap() {
        let seconds: Vec<u64> = (1..=12).map(|n| delay(&retry(), n, None, 0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    }

    #[test]
    fn full_jitter_spans_from_zero_to_the_bound() {
        let retry = Retry { jitter: true, ..retry() };
        assert_eq!(delay(&retry, 3, None, 0), Duration::ZERO);
        assert_eq!(delay(&retry, 3, None, u64::MAX), Duration::from_secs(4));
        let middle = delay(&retry, 3, None, u64::MAX / 2);
        assert!(middle > Duration::from_millis(1990) && middle < Duration::from_millis(2010));
    }

    #[test]
    fn a_wish_to_be_left_alone_is_obeyed_within_a_day() {
        assert_eq!(delay(&retry(), 1, Some(90_000), 0), Duration::from_secs(90));
        assert_eq!(delay(&retry(), 1, Some(u64::MAX), 0), LONGEST_RETRY_AFTER);
    }

    #[test]
    fn the_last_attempt_of_the_longest_retry_does_not_overflow() {
        let retry = Retry { backoff: 10.0, max_attempts: 20, ..retry() };
        assert_eq!(delay(&retry, 20, None, 0), retry.max_delay);
    }
}
