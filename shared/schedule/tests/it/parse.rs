//! What is read, what is refused and what the refusal says.

use proptest::prelude::*;
use schedule::{InvalidSchedule, MAX_EXPRESSION_CHARS, Schedule, database_version};

fn refusal(expression: &str) -> String {
    let error = Schedule::parse(expression, None).expect_err(expression);
    assert_eq!(error.code(), "invalid_schedule", "{expression}");
    error.to_string()
}

#[test]
fn refusals_say_what_to_do() {
    for (expression, says) in [
        ("", "the schedule is empty: write"),
        ("   ", "the schedule is empty: write"),
        ("daily", "`DAILY` is not a schedule: write"),
        ("at(2026-01-01T00:00:00)", "is not a schedule: write"),
        ("every(5 minutes)", "is not a schedule: write"),
        ("@reboot", "`@REBOOT` is not known: write `@hourly`"),
        ("* * * *", "five fields, not 4"),
        ("0 0 8 * * MON", "five fields, not 6"),
        ("60 * * * *", "`60` is not a minute: write 0 to 59"),
        ("-5 * * * *", "`` is not a minute"),
        ("1.5 * * * *", "`1.5` is not a minute"),
        ("+5 * * * *", "`+5` is not a minute"),
        ("5, * * * *", "`` is not a minute"),
        ("* 24 * * *", "`24` is not an hour"),
        ("* 22-6 * * *", "write it as two, `22-23,0-6`"),
        ("* * 0 * *", "`0` is not a day of the month: write 1 to 31"),
        ("* * 32W * *", "`32` is not a day of the month"),
        ("* * W * *", "`` is not a day of the month"),
        ("* * L-3 * *", "`L` is not a day of the month"),
        ("* * * 13 *", "write 1 to 12, or `JAN` to `DEC`"),
        ("* * * JANUARY *", "`JANUARY` is not a month"),
        ("* * * * 8", "write 0 to 7, or `SUN` to `SAT`"),
        ("* * * * MON#6", "write 1 to 5 behind `#`"),
        ("* * * * L", "write which is the last"),
        ("* * * * 1/2", "`1/2` does not say where it ends: write a range"),
        ("* * * * FOO", "`FOO` is not a day of the week"),
        ("? * * * *", "`?` is not a minute"),
        ("*/0 * * * *", "`/0` is not a step of minutes: write 1 to 60"),
        ("*/90 * * * *", "there is `rate(90 minutes)`"),
        ("*/ * * * *", "`/` is not a step"),
        ("*/5/5 * * * *", "`/5/5` is not a step"),
        ("cron(0 8 * * MON-FRI)", "six fields, not 5"),
        ("cron()", "six fields, not 0"),
        ("cron(0 8 * * MON-FRI *)", "is `?`, and only one"),
        ("cron(0 8 ? * ? *)", "is `?`, and only one"),
        ("cron(0 8 ? * 0 *)", "`0` is not a day of the week: write 1 to 7"),
        ("cron(0 8 ? * 8#1 *)", "`8` is not a day of the week: write 1 to 7"),
        ("cron(0 8 1 1 ? 1969)", "`1969` is not a year: write 1970 to 2199"),
        ("cron(0 8 1 1 ? 2200)", "`2200` is not a year"),
        ("cron(0 8 1 1 ? 65536)", "`65536` is not a year"),
        ("rate(0 minutes)", "the least is one minute"),
        ("rate(30 seconds)", "the least is one minute"),
        ("rate(-5 minutes)", "the least is one minute"),
        ("rate(1.5 hours)", "whole number"),
        ("rate(5)", "whole number and a unit"),
        ("rate(3651 days)", "the most 3650 days"),
        ("rate(999999999 days)", "the most 3650 days"),
        ("rate(99999999999999999999 days)", "the most 3650 days"),
    ] {
        let message = refusal(expression);
        assert!(message.contains(says), "{expression}: {message}");
    }
    assert!(Schedule::parse("rate(3650 days)", None).is_ok());
}

#[test]
fn the_length_is_limited() {
    let list = |n: usize| format!("{} * * * *", vec!["1"; n].join(","));
    assert!(Schedule::parse(&list(96), None).is_ok());
    let message = refusal(&list(97));
    assert!(message.contains(&MAX_EXPRESSION_CHARS.to_string()), "{message}");
    // A message repeats only the beginning of what was written.
    assert!(refusal(&"ä".repeat(200)).chars().count() < 250);
    assert!(refusal(&"9".repeat(1 << 20)).chars().count() < 250);
}

#[test]
fn zones_are_those_of_the_database() {
    for (zone, name) in [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("UTC", "UTC"),
        ("Etc/UTC", "Etc/UTC"),
    ] {
        assert_eq!(Schedule::parse("@daily", Some(zone)).unwrap().zone(), name);
    }
    assert_eq!(Schedule::parse("@daily", None).unwrap().zone(), "UTC");
    for zone in ["", "Berlin", "Europe/Berlin ", "+02:00", "CEST", "../etc/passwd", "Europe\u{0}/Berlin"] {
        for expression in ["@daily", "rate(1 hour)"] {
            let error = Schedule::parse(expression, Some(zone)).expect_err(zone);
            assert_eq!(error.code(), "unknown_zone", "{zone}");
            assert!(error.to_string().contains("write a name such as `Europe/Berlin`"), "{error}");
        }
    }
    assert!(database_version().starts_with("20"), "{}", database_version());
}

#[test]
fn a_refusal_is_a_fault_of_the_definition() {
    let error = Schedule::parse("@daily", Some("Mars/Base")).unwrap_err();
    assert!(matches!(error, InvalidSchedule::Zone(_)));
    let fault = error.fault("/triggers/0/zone");
    assert_eq!((fault.pointer.as_str(), fault.code.as_str()), ("/triggers/0/zone", "unknown_zone"));
    assert_eq!(fault.message, error.to_string());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,250}", zone in proptest::option::of("\\PC{0,40}"), after: i64) {
        if let Ok(schedule) = Schedule::parse(&text, zone.as_deref()) {
            schedule.next_after(domain::Millis(0), domain::Millis(after));
        }
    }

    #[test]
    fn nor_does_one_of_its_own_characters(
        text in "(cron\\(|rate\\(|@)?([0-9A-Z*/,#?L-]{0,4} ?){3,8}\\)?",
        after: i64, anchor: i64,
    ) {
        if let Ok(schedule) = Schedule::parse(&text, Some("Europe/Berlin"))
            && let Some(next) = schedule.next_after(domain::Millis(anchor), domain::Millis(after)) {
            prop_assert!(next.0 > after);
        }
    }
}
