//! How fast requests may follow each other so that a limit of an app is kept.

use std::time::Duration;

/// Requests arrive not quite as far apart as they were sent: a limit's time is taken for this much longer.
const UNEVEN: Duration = Duration::from_millis(80);

/// The pace that keeps a limit of so many requests in so much time, whenever one begins to count: never more than that are sent within
/// any stretch of this length.
///
/// About a twentieth of them may be sent at once, the others follow evenly. For a limit of `n` requests in the time `p`, with `b` of them
/// at once, one each `p / (n - b + 1)`: within `p`, those at once and those that follow are `n` together, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From one request to the next, in microseconds.
    pub each: i64,
    /// How far a request may come before its time, in microseconds: what lets some be sent at once.
    pub early: i64,
}

impl Pace {
    pub fn of(requests: u32, per: Duration) -> Self {
        let requests = i64::from(requests.max(1));
        let at_once = 1 + requests / 20;
        let per = i64::try_from((per + UNEVEN).as_micros()).unwrap_or(i64::MAX);
        let gaps = requests - at_once + 1;
        // Rounded up: a little too slow is within the limit.
        let each = (per / gaps).saturating_add(1);
        Self { each, early: each.saturating_mul(at_once - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When so many requests are sent that all wait from the beginning on, after a pause of everybody.
    fn sent(pace: Pace, count: usize) -> Vec<i64> {
        let mut next = 0;
        let mut times = Vec::new();
        for _ in 0..count {
            times.push((next - pace.early).max(0));
            next += pace.each;
        }
        times
    }

    #[test]
    fn no_stretch_of_a_limits_time_has_more_requests_than_it_allows() {
        for (requests, seconds) in [
            (1, 1),
            (2, 1),
            (3, 1),
            (5, 1),
            (25, 1),
            (50, 1),
            (100, 10),
            (30, 60),
            (60, 60),
            (5000, 3600),
            (1_000_000, 1),
        ] {
            let pace = Pace::of(requests, Duration::from_secs(seconds));
            let times = sent(pace, 3 * requests.min(5000) as usize);
            let stretch = i64::try_from(Duration::from_secs(seconds).as_micros()).unwrap();
            for (i, from) in times.iter().enumerate() {
                let within = times[i..].iter().take_while(|at| **at < from + stretch).count();
                assert!(within <= requests as usize, "{requests} in {seconds} s: {within} at {from}");
            }
        }
    }

    #[test]
    fn nine_tenths_of_what_is_allowed_are_used_and_a_twentieth_at_once() {
        for (requests, seconds) in [(5, 1), (100, 10), (30, 60), (5000, 3600)] {
            let pace = Pace::of(requests, Duration::from_secs(seconds));
            let in_the_time = seconds as f64 * 1e6 / pace.each as f64;
            assert!(in_the_time / f64::from(requests) > 0.9, "{requests}: {in_the_time}");
            let at_once = sent(pace, requests as usize).iter().filter(|at| **at == 0).count();
            assert_eq!(at_once, 1 + requests as usize / 20);
        }
    }
}
