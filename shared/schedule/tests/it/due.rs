//! What is to be started after a while in which nobody looked.

use crate::{at, schedule, shown};
use domain::Millis;
use proptest::prelude::*;
use schedule::{Missed, Schedule, Since, TOLERANCE};
use std::time::Duration;

fn due(schedule: &Schedule, missed: Missed, last: &str, now: &str, limit: usize) -> Vec<String> {
    let since =
        Since { anchor: at("2026-01-01T00:00:00Z"), last: at(last), now: at(now), tolerance: TOLERANCE };
    schedule.due(missed, since, limit).into_iter().map(shown).collect()
}

#[test]
fn the_words() {
    for missed in [Missed::Skip, Missed::RunOnce, Missed::RunAll] {
        assert_eq!(Missed::parse(missed.as_str()), Some(missed));
    }
    assert_eq!(Missed::parse("run_once"), Some(Missed::default()));
    assert_eq!(Missed::parse("Skip"), None);
    assert_eq!(Missed::parse(""), None);
}

#[test]
fn nothing_missed_is_all_the_same() {
    let schedule = schedule("0 8 * * *", "UTC");
    for missed in [Missed::Skip, Missed::RunOnce, Missed::RunAll] {
        let due = |last, now| due(&schedule, missed, last, now, 10);
        assert_eq!(due("2026-01-02T07:59:00Z", "2026-01-02T08:00:30Z"), ["2026-01-02T08:00Z"]);
        // The end belongs to it, the beginning does not.
        assert_eq!(due("2026-01-02T07:59:00Z", "2026-01-02T08:00:00Z"), ["2026-01-02T08:00Z"]);
        assert!(due("2026-01-02T08:00:00Z", "2026-01-02T09:00:00Z").is_empty());
        assert_eq!(due("2026-01-02T07:59:00Z", "2026-01-02T08:05:00Z"), ["2026-01-02T08:00Z"]);
        assert!(due("2026-01-02T08:10:00Z", "2026-01-02T07:00:00Z").is_empty());
    }
}

#[test]
fn missed_times() {
    let schedule = schedule("0 8 * * *", "UTC");
    let after = |missed, now| due(&schedule, missed, "2026-01-02T09:00:00Z", now, 10);

    // Only missed ones.
    let now = "2026-01-05T08:05:00.001Z";
    assert!(after(Missed::Skip, now).is_empty());
    assert_eq!(after(Missed::RunOnce, now), ["2026-01-05T08:00Z"]);
    assert_eq!(after(Missed::RunAll, now), ["2026-01-03T08:00Z", "2026-01-04T08:00Z", "2026-01-05T08:00Z"]);

    // And one in time: it runs beside the one that stands for the missed.
    let now = "2026-01-05T08:00:30Z";
    assert_eq!(after(Missed::Skip, now), ["2026-01-05T08:00Z"]);
    assert_eq!(after(Missed::RunOnce, now), ["2026-01-04T08:00Z", "2026-01-05T08:00Z"]);
    assert_eq!(after(Missed::RunAll, now), ["2026-01-03T08:00Z", "2026-01-04T08:00Z", "2026-01-05T08:00Z"]);
}

#[test]
fn a_limit_is_kept_and_the_rest_comes_later() {
    let schedule = schedule("rate(10 minutes)", "UTC");
    let (last, now) = ("2026-01-01T00:05:00Z", "2026-01-01T01:01:00Z");
    let first = due(&schedule, Missed::RunAll, last, now, 4);
    assert_eq!(first, ["2026-01-01T00:10Z", "2026-01-01T00:20Z", "2026-01-01T00:30Z", "2026-01-01T00:40Z"]);
    let rest = due(&schedule, Missed::RunAll, "2026-01-01T00:40:00Z", now, 4);
    assert_eq!(rest, ["2026-01-01T00:50Z", "2026-01-01T01:00Z"]);

    assert_eq!(due(&schedule, Missed::RunOnce, last, now, 1), ["2026-01-01T00:50Z"]);
    assert_eq!(due(&schedule, Missed::RunOnce, "2026-01-01T00:50:00Z", now, 1), ["2026-01-01T01:00Z"]);
    assert!(due(&schedule, Missed::RunOnce, last, now, 0).is_empty());
}

#[test]
fn years_in_which_nobody_looked_are_no_work() {
    let started = std::time::Instant::now();
    for expression in ["* * * * *", "rate(1 minute)", "0 0 29 2 *", "* 0-11 * 1-6 *"] {
        let schedule = schedule(expression, "Europe/Berlin");
        for missed in [Missed::Skip, Missed::RunOnce, Missed::RunAll] {
            for (last, now) in [(0, at("2026-12-31T23:30:00Z").0), (i64::MIN, i64::MAX), (i64::MIN, i64::MIN)]
            {
                let since =
                    Since { anchor: Millis(0), last: Millis(last), now: Millis(now), tolerance: TOLERANCE };
                assert!(schedule.due(missed, since, 3).len() <= 3);
            }
        }
    }
    assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
}

proptest! {
    /// Against the plain definition: list everything, then choose.
    #[test]
    fn due_is_what_it_says(
        expression in prop::sample::select(vec!["*/7 * * * *", "0 8 * * *", "30 2 * * *", "rate(3 minutes)", "rate(25 hours)", "0 0 31 2 *"]),
        missed in prop::sample::select(vec![Missed::Skip, Missed::RunOnce, Missed::RunAll]),
        start in -300_000_000i64..4_000_000_000_000,
        anchor in -500_000_000i64..500_000_000,
        length in 0i64..400_000_000,
        tolerance in 0i64..90_000_000,
        limit in 0usize..40,
    ) {
        let schedule = schedule(expression, "Europe/Berlin");
        let (anchor, last, now) = (Millis(start + anchor), Millis(start), Millis(start + length));
        let all: Vec<Millis> =
            std::iter::successors(schedule.next_after(anchor, last), |t| schedule.next_after(anchor, *t))
                .take_while(|t| *t <= now)
                .collect();
        let missing = all.partition_point(|t| t.0 < now.0 - tolerance);
        let from = match missed {
            Missed::Skip => missing,
            Missed::RunOnce => missing.saturating_sub(1),
            Missed::RunAll => 0,
        };
        let since = Since { anchor, last, now, tolerance: Duration::from_millis(tolerance.unsigned_abs()) };
        let expected: Vec<Millis> = all[from..].iter().take(limit).copied().collect();
        prop_assert_eq!(schedule.due(missed, since, limit), expected);
    }
}
