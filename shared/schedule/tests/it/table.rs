//! What fires when, as tables: calendars in UTC first, then the days on which clocks change.

use crate::{at, schedule, shown, times};
use domain::Millis;

/// The times of each expression after a moment.
fn check(zone: &str, after: &str, table: &[(&str, &[&str])]) {
    for (expression, expected) in table {
        let found = times(&schedule(expression, zone), after, expected.len());
        assert_eq!(found, *expected, "{expression} in {zone} after {after}");
    }
}

/// The last moment before a time in a table.
fn just_before(time: &str) -> Millis {
    Millis(at(time).0 - 1)
}

#[test]
fn every_field_is_kept() {
    // A Thursday.
    check(
        "UTC",
        "2026-01-01T00:00:00Z",
        &[
            ("* * * * *", &["2026-01-01T00:01Z", "2026-01-01T00:02Z"]),
            ("5 * * * *", &["2026-01-01T00:05Z", "2026-01-01T01:05Z"]),
            ("*/20 * * * *", &["2026-01-01T00:20Z", "2026-01-01T00:40Z", "2026-01-01T01:00Z"]),
            (
                "5/25 * * * *",
                &["2026-01-01T00:05Z", "2026-01-01T00:30Z", "2026-01-01T00:55Z", "2026-01-01T01:05Z"],
            ),
            (
                "10-14/2,50 3 * * *",
                &[
                    "2026-01-01T03:10Z",
                    "2026-01-01T03:12Z",
                    "2026-01-01T03:14Z",
                    "2026-01-01T03:50Z",
                    "2026-01-02T03:10Z",
                ],
            ),
            ("0 */8 * * *", &["2026-01-01T08:00Z", "2026-01-01T16:00Z", "2026-01-02T00:00Z"]),
            ("0 8 * * MON-FRI", &["2026-01-01T08:00Z", "2026-01-02T08:00Z", "2026-01-05T08:00Z"]),
            ("0 8 * * 1-5", &["2026-01-01T08:00Z", "2026-01-02T08:00Z", "2026-01-05T08:00Z"]),
            (
                "0 8 * * fri-mon",
                &[
                    "2026-01-02T08:00Z",
                    "2026-01-03T08:00Z",
                    "2026-01-04T08:00Z",
                    "2026-01-05T08:00Z",
                    "2026-01-09T08:00Z",
                ],
            ),
            ("0 0 * * 0", &["2026-01-04T00:00Z", "2026-01-11T00:00Z"]),
            ("0 0 * * 7", &["2026-01-04T00:00Z", "2026-01-11T00:00Z"]),
            ("0 0 * * 6-7", &["2026-01-03T00:00Z", "2026-01-04T00:00Z", "2026-01-10T00:00Z"]),
            ("0 0 * * SAT-SUN", &["2026-01-03T00:00Z", "2026-01-04T00:00Z", "2026-01-10T00:00Z"]),
            (
                "0 0 * * 0-7",
                &["2026-01-02T00:00Z", "2026-01-03T00:00Z", "2026-01-04T00:00Z", "2026-01-05T00:00Z"],
            ),
            ("0 0 1 FEB,jul *", &["2026-02-01T00:00Z", "2026-07-01T00:00Z", "2027-02-01T00:00Z"]),
            ("0 0 1 */5 *", &["2026-06-01T00:00Z", "2026-11-01T00:00Z", "2027-01-01T00:00Z"]),
        ],
    );
}

#[test]
fn days_of_month_and_week_meet_as_in_vixie_cron() {
    check(
        "UTC",
        "2026-01-01T00:00:00Z",
        &[
            // Neither with a star: either will do.
            (
                "0 0 13 * FRI",
                &["2026-01-02T00:00Z", "2026-01-09T00:00Z", "2026-01-13T00:00Z", "2026-01-16T00:00Z"],
            ),
            // A star in front: both.
            (
                "0 0 */2 * SAT",
                &["2026-01-03T00:00Z", "2026-01-17T00:00Z", "2026-01-31T00:00Z", "2026-02-07T00:00Z"],
            ),
            ("0 0 13 * */5", &["2026-02-13T00:00Z", "2026-03-13T00:00Z", "2026-09-13T00:00Z"]),
            ("0 0 ? * MON", &["2026-01-05T00:00Z", "2026-01-12T00:00Z"]),
        ],
    );
}

#[test]
fn last_nearest_and_nth_days() {
    check(
        "UTC",
        "2026-01-01T00:00:00Z",
        &[
            ("0 0 L * *", &["2026-01-31T00:00Z", "2026-02-28T00:00Z", "2026-03-31T00:00Z"]),
            ("0 0 L 2 *", &["2026-02-28T00:00Z", "2027-02-28T00:00Z", "2028-02-29T00:00Z"]),
            ("0 0 1,L * *", &["2026-01-31T00:00Z", "2026-02-01T00:00Z", "2026-02-28T00:00Z"]),
            // 31 January is a Saturday, 28 February too, 31 May a Sunday.
            (
                "0 0 LW * *",
                &[
                    "2026-01-30T00:00Z",
                    "2026-02-27T00:00Z",
                    "2026-03-31T00:00Z",
                    "2026-04-30T00:00Z",
                    "2026-05-29T00:00Z",
                ],
            ),
            // 15 February and 15 March are Sundays, 15 August is a Saturday.
            ("0 0 15W 2,3,8 *", &["2026-02-16T00:00Z", "2026-03-16T00:00Z", "2026-08-14T00:00Z"]),
            // The nearest day never lies in another month: 1 August is a Saturday, 31 May a Sunday.
            ("0 0 1W 8 *", &["2026-08-03T00:00Z", "2027-08-02T00:00Z"]),
            ("0 0 31W 5,6 *", &["2026-05-29T00:00Z", "2027-05-31T00:00Z"]),
            ("0 0 * * MON#1", &["2026-01-05T00:00Z", "2026-02-02T00:00Z"]),
            ("0 0 * * 5#5", &["2026-01-30T00:00Z", "2026-05-29T00:00Z", "2026-07-31T00:00Z"]),
            ("0 0 * * FRIL", &["2026-01-30T00:00Z", "2026-02-27T00:00Z"]),
            ("0 0 * * 7L", &["2026-01-25T00:00Z", "2026-02-22T00:00Z"]),
        ],
    );
}

#[test]
fn aws_counts_weekdays_from_sunday_as_one() {
    check(
        "UTC",
        "2026-01-01T00:00:00Z",
        &[
            ("cron(0 8 ? * MON-FRI *)", &["2026-01-01T08:00Z", "2026-01-02T08:00Z", "2026-01-05T08:00Z"]),
            ("cron(0 8 ? * 2-6 *)", &["2026-01-01T08:00Z", "2026-01-02T08:00Z", "2026-01-05T08:00Z"]),
            ("cron(0 8 ? * 1 *)", &["2026-01-04T08:00Z", "2026-01-11T08:00Z"]),
            ("cron(0 8 ? * 7 *)", &["2026-01-03T08:00Z", "2026-01-10T08:00Z"]),
            ("cron(0 8 ? * 7-1 *)", &["2026-01-03T08:00Z", "2026-01-04T08:00Z", "2026-01-10T08:00Z"]),
            ("cron(0 8 ? * L *)", &["2026-01-03T08:00Z", "2026-01-10T08:00Z"]),
            ("cron(0 8 ? * 6L *)", &["2026-01-30T08:00Z", "2026-02-27T08:00Z"]),
            ("cron(0 8 ? * 2/2 *)", &["2026-01-02T08:00Z", "2026-01-05T08:00Z", "2026-01-07T08:00Z"]),
            // The documentation's example: the second Tuesday.
            ("cron(0 8 ? * 3#2 *)", &["2026-01-13T08:00Z", "2026-02-10T08:00Z"]),
            ("cron(0 8 3W * ? *)", &["2026-01-02T08:00Z", "2026-02-03T08:00Z"]),
            ("cron(1/10 0 1 * ? *)", &["2026-01-01T00:01Z", "2026-01-01T00:11Z"]),
            ("cron(0 8 1 1 ? 2026-2030/2)", &["2026-01-01T08:00Z", "2028-01-01T08:00Z", "2030-01-01T08:00Z"]),
            ("cron(0 8 1 1 ? 2027,2199)", &["2027-01-01T08:00Z", "2199-01-01T08:00Z"]),
        ],
    );
    let ended = schedule("cron(0 8 1 1 ? 2025)", "UTC");
    assert_eq!(ended.next_after(Millis(0), at("2026-01-01T00:00:00Z")), None);
}

#[test]
fn aliases() {
    check(
        "Asia/Kolkata",
        "2026-01-01T00:00:00Z",
        &[
            ("@hourly", &["2026-01-01T00:30Z", "2026-01-01T01:30Z"]),
            ("@daily", &["2026-01-01T18:30Z", "2026-01-02T18:30Z"]),
            ("@midnight", &["2026-01-01T18:30Z", "2026-01-02T18:30Z"]),
            ("@weekly", &["2026-01-03T18:30Z", "2026-01-10T18:30Z"]),
            ("@monthly", &["2026-01-31T18:30Z", "2026-02-28T18:30Z"]),
            ("@Yearly", &["2026-12-31T18:30Z"]),
            ("@annually", &["2026-12-31T18:30Z"]),
        ],
    );
}

#[test]
fn rates_count_from_their_anchor() {
    check(
        "UTC",
        "2026-01-01T00:00:12.345Z",
        &[
            ("rate(1 minute)", &["2026-01-01T00:01:12.345Z", "2026-01-01T00:02:12.345Z"]),
            ("rate(90 minutes)", &["2026-01-01T01:30:12.345Z", "2026-01-01T03:00:12.345Z"]),
            ("Rate( 1 hour )", &["2026-01-01T01:00:12.345Z"]),
            ("rate(7 days)", &["2026-01-08T00:00:12.345Z", "2026-01-15T00:00:12.345Z"]),
        ],
    );
    let rate = schedule("rate(5 minutes)", "Europe/Berlin");
    let anchor = at("2026-01-01T00:00:00Z");
    for (after, expected) in [
        ("2026-01-01T00:04:59.999Z", "2026-01-01T00:05Z"),
        ("2026-01-01T00:05:00Z", "2026-01-01T00:10Z"),
        ("2027-06-01T12:34:56Z", "2027-06-01T12:35Z"),
        // Before the anchor, the anchor is next.
        ("2025-06-01T00:00:00Z", "2026-01-01T00:00Z"),
    ] {
        assert_eq!(rate.next_after(anchor, at(after)).map(shown).as_deref(), Some(expected), "{after}");
    }
    assert_eq!(rate.next_after(anchor, Millis(i64::MAX)), None);
    assert_eq!(rate.next_after(Millis(i64::MIN), Millis(i64::MAX)), None);
    assert!(rate.next_after(Millis(i64::MIN), Millis(0)).is_some());
    assert_eq!(rate.period(), Some(300_000));
}

#[test]
fn leap_days_and_dates_that_never_come() {
    check(
        "UTC",
        "2026-01-01T00:00:00Z",
        &[
            ("0 0 29 2 *", &["2028-02-29T00:00Z", "2032-02-29T00:00Z"]),
            ("0 0 29 2 */7", &["2032-02-29T00:00Z", "2060-02-29T00:00Z"]),
        ],
    );
    // 2100 is no leap year.
    check("UTC", "2096-03-01T00:00:00Z", &[("0 0 29 2 *", &["2104-02-29T00:00Z"])]);

    let started = std::time::Instant::now();
    for expression in
        ["0 0 31 2 *", "* * 31 2,4,6,9,11 *", "*/5 * 30 FEB *", "0 0 31W 2 *", "cron(0 0 29 2 ? 2100)"]
    {
        for zone in ["UTC", "Europe/Berlin", "Africa/Casablanca"] {
            for after in [i64::MIN, 0, at("2026-01-01T00:00:00Z").0, i64::MAX] {
                assert_eq!(
                    schedule(expression, zone).next_after(Millis(0), Millis(after)),
                    None,
                    "{expression}"
                );
            }
        }
    }
    assert!(started.elapsed().as_millis() < 1000, "{:?}", started.elapsed());
}

#[test]
fn the_ends_of_time() {
    let minutely = schedule("* * * * *", "UTC");
    assert_eq!(minutely.next_after(Millis(0), Millis(i64::MIN)), Some(Millis(0)));
    assert_eq!(minutely.next_after(Millis(0), Millis(-1)), Some(Millis(0)));
    assert_eq!(minutely.next_after(Millis(0), Millis(0)), Some(Millis(60_000)));
    assert_eq!(
        minutely.next_after(Millis(0), at("2199-12-31T23:58:59.999Z")).map(shown).unwrap(),
        "2199-12-31T23:59Z"
    );
    // The last minute of 2199 is one of local time.
    for (zone, last) in [
        ("UTC", "2199-12-31T23:59:00Z"),
        ("Europe/Berlin", "2199-12-31T22:59:00Z"),
        ("America/New_York", "2200-01-01T04:59:00Z"),
        ("Pacific/Apia", "2199-12-31T10:59:00Z"),
    ] {
        for expression in ["* * * * *", "* 0-23 * * *"] {
            let schedule = schedule(expression, zone);
            assert_eq!(
                schedule.next_after(Millis(0), just_before(last)),
                Some(at(last)),
                "{expression} {zone}"
            );
            for after in [at(last).0, at("2300-01-01T00:00:00Z").0, at("9999-12-30T00:00:00Z").0, i64::MAX] {
                assert_eq!(
                    schedule.next_after(Millis(0), Millis(after)),
                    None,
                    "{expression} {zone} {after}"
                );
            }
        }
    }
}

#[test]
fn berlin_in_spring() {
    // 29 March 2026: at 01:00Z, 02:00 becomes 03:00.
    check(
        "Europe/Berlin",
        "2026-03-28T12:00:00Z",
        &[
            ("30 2 * * *", &["2026-03-29T01:00Z", "2026-03-30T00:30Z"]),
            ("0 2 * * *", &["2026-03-29T01:00Z", "2026-03-30T00:00Z"]),
            ("30 2 29 3 *", &["2026-03-29T01:00Z", "2027-03-29T00:30Z"]),
            ("30 1 * * *", &["2026-03-29T00:30Z", "2026-03-29T23:30Z"]),
            ("0 3 * * *", &["2026-03-29T01:00Z", "2026-03-30T01:00Z"]),
            // All that was left out fires once, together with what comes at 03:00 anyway.
            ("*/15 2 * * *", &["2026-03-29T01:00Z", "2026-03-30T00:00Z", "2026-03-30T00:15Z"]),
            ("0,30 2,3 * * *", &["2026-03-29T01:00Z", "2026-03-29T01:30Z", "2026-03-30T00:00Z"]),
            ("0 8 * * *", &["2026-03-29T06:00Z", "2026-03-30T06:00Z"]),
        ],
    );
    check(
        "Europe/Berlin",
        "2026-03-29T00:30:00Z",
        &[
            ("*/15 * * * *", &["2026-03-29T00:45Z", "2026-03-29T01:00Z", "2026-03-29T01:15Z"]),
            ("@hourly", &["2026-03-29T01:00Z", "2026-03-29T02:00Z"]),
            ("30 * * * *", &["2026-03-29T01:30Z", "2026-03-29T02:30Z"]),
            // Every second hour of the clock: 02:00 is left out.
            ("0 */2 * * *", &["2026-03-29T02:00Z", "2026-03-29T04:00Z"]),
        ],
    );
}

#[test]
fn berlin_in_autumn() {
    // 25 October 2026: at 01:00Z, 03:00 becomes 02:00.
    check(
        "Europe/Berlin",
        "2026-10-24T12:00:00Z",
        &[
            ("30 2 * * *", &["2026-10-25T00:30Z", "2026-10-26T01:30Z"]),
            ("0 3 * * *", &["2026-10-25T02:00Z", "2026-10-26T02:00Z"]),
            ("*/30 2 * * *", &["2026-10-25T00:00Z", "2026-10-25T00:30Z", "2026-10-26T01:00Z"]),
            (
                "0 1-3 * * *",
                &["2026-10-24T23:00Z", "2026-10-25T00:00Z", "2026-10-25T02:00Z", "2026-10-26T00:00Z"],
            ),
        ],
    );
    check(
        "Europe/Berlin",
        "2026-10-25T00:29:00Z",
        &[
            (
                "*/15 * * * *",
                &[
                    "2026-10-25T00:30Z",
                    "2026-10-25T00:45Z",
                    "2026-10-25T01:00Z",
                    "2026-10-25T01:15Z",
                    "2026-10-25T01:30Z",
                ],
            ),
            ("@hourly", &["2026-10-25T01:00Z", "2026-10-25T02:00Z"]),
            ("0 */2 * * *", &["2026-10-25T01:00Z", "2026-10-25T03:00Z"]),
            ("30 2/3 * * *", &["2026-10-25T00:30Z", "2026-10-25T01:30Z", "2026-10-25T04:30Z"]),
        ],
    );
    // Asked in the hour that repeats, it does not fire a second time.
    check("Europe/Berlin", "2026-10-25T01:10:00Z", &[("30 2 * * *", &["2026-10-26T01:30Z"])]);
}

#[test]
fn new_york() {
    // 8 March 2026: at 07:00Z, 02:00 becomes 03:00.
    check(
        "America/New_York",
        "2026-03-08T05:00:00Z",
        &[
            ("30 2 * * *", &["2026-03-08T07:00Z", "2026-03-09T06:30Z"]),
            ("cron(30 2 ? * SUN *)", &["2026-03-08T07:00Z", "2026-03-15T06:30Z"]),
            ("0 9 * * *", &["2026-03-08T13:00Z"]),
        ],
    );
    // 1 November 2026: at 06:00Z, 02:00 becomes 01:00.
    check(
        "America/New_York",
        "2026-11-01T05:00:00Z",
        &[
            ("30 1 * * *", &["2026-11-01T05:30Z", "2026-11-02T06:30Z"]),
            ("30 * * * *", &["2026-11-01T05:30Z", "2026-11-01T06:30Z", "2026-11-01T07:30Z"]),
            ("0 2 * * *", &["2026-11-01T07:00Z"]),
        ],
    );
}

#[test]
fn lord_howe_changes_by_half_an_hour() {
    // 4 October 2026: at 15:30Z of the 3rd, 02:00 becomes 02:30.
    check(
        "Australia/Lord_Howe",
        "2026-10-03T14:00:00Z",
        &[
            ("15 2 * * *", &["2026-10-03T15:30Z", "2026-10-04T15:15Z"]),
            ("30 2 * * *", &["2026-10-03T15:30Z", "2026-10-04T15:30Z"]),
            ("45 2 * * *", &["2026-10-03T15:45Z", "2026-10-04T15:45Z"]),
            (
                "*/15 * * * *",
                &[
                    "2026-10-03T14:15Z",
                    "2026-10-03T14:30Z",
                    "2026-10-03T14:45Z",
                    "2026-10-03T15:00Z",
                    "2026-10-03T15:15Z",
                    "2026-10-03T15:30Z",
                    "2026-10-03T15:45Z",
                    "2026-10-03T16:00Z",
                ],
            ),
        ],
    );
    // 5 April 2026: at 15:00Z of the 4th, 02:00 becomes 01:30.
    check(
        "Australia/Lord_Howe",
        "2026-04-04T14:00:00Z",
        &[
            ("45 1 * * *", &["2026-04-04T14:45Z", "2026-04-05T15:15Z"]),
            ("45 * * * *", &["2026-04-04T14:45Z", "2026-04-04T15:15Z", "2026-04-04T16:15Z"]),
            ("0 2 * * *", &["2026-04-04T15:30Z", "2026-04-05T15:30Z"]),
        ],
    );
}

#[test]
fn apia_left_out_a_day() {
    // 30 December 2011 did not happen: the 29th ended at 10:00Z, and the 31st began.
    check(
        "Pacific/Apia",
        "2011-12-29T12:00:00Z",
        &[
            // The 29th; the 30th, when it would have been over; the 31st.
            ("0 8 * * *", &["2011-12-29T18:00Z", "2011-12-30T10:00Z", "2011-12-30T18:00Z"]),
            ("0 0 * * *", &["2011-12-30T10:00Z", "2011-12-31T10:00Z"]),
            ("0 8 30 12 *", &["2011-12-30T10:00Z", "2012-12-29T18:00Z"]),
            ("0 8 * * FRI", &["2011-12-30T10:00Z", "2012-01-05T18:00Z"]),
            ("0 */12 * * *", &["2011-12-29T22:00Z", "2011-12-30T10:00Z", "2011-12-30T22:00Z"]),
            ("*/30 * 30 12 *", &["2012-12-29T10:00Z"]),
        ],
    );
}

#[test]
fn beirut_puts_midnight_back_to_the_day_before() {
    // 25 October 2026: at 21:00Z of the 24th, 00:00 becomes 23:00 of the 24th.
    check(
        "Asia/Beirut",
        "2026-10-24T20:58:00Z",
        &[
            ("cron(* * 24 10 ? 2026)", &["2026-10-24T20:59Z", "2026-10-24T21:00Z", "2026-10-24T21:01Z"]),
            ("cron(59 23 24 10 ? 2026)", &["2026-10-24T20:59Z"]),
            ("0 0 * * *", &["2026-10-24T22:00Z", "2026-10-25T22:00Z"]),
        ],
    );
    let last = schedule("cron(* * 24 10 ? 2026)", "Asia/Beirut");
    assert_eq!(last.next_after(Millis(0), at("2026-10-24T21:59:00Z")), None);
    let once = schedule("cron(59 23 24 10 ? 2026)", "Asia/Beirut");
    assert_eq!(once.next_after(Millis(0), at("2026-10-24T20:59:00Z")), None);
}

#[test]
fn zones_without_changes() {
    check(
        "Asia/Kolkata",
        "2026-03-29T00:00:00Z",
        &[("30 2 * * *", &["2026-03-29T21:00Z", "2026-03-30T21:00Z"]), ("0 * * * *", &["2026-03-29T00:30Z"])],
    );
    check("UTC", "2026-03-29T00:00:00Z", &[("30 2 * * *", &["2026-03-29T02:30Z", "2026-03-30T02:30Z"])]);
}

#[test]
fn the_next_time_lies_strictly_after() {
    for (expression, zone, time) in [
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z"),
        ("0 8 * * *", "Pacific/Apia", "2011-12-30T10:00:00Z"),
        ("*/15 * * * *", "Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ] {
        let schedule = schedule(expression, zone);
        assert_eq!(schedule.next_after(Millis(0), just_before(time)), Some(at(time)), "{expression}");
        assert!(schedule.next_after(Millis(0), at(time)).unwrap() > at(time), "{expression}");
    }
}
