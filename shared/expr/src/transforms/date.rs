//! Times. A `time` is ISO 8601 text or milliseconds since 1970; text without an offset is in the zone of the call, or in UTC.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::rfc2822;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};
use jsonata_core::value::{JMap, JValue};

use super::call::{Call, Fault, Outcome, Writer, object, said, text};
use super::zone::{offset, zone};
use super::{Cost, Definition, define, eg};

const DAY_MS: i64 = 86_400_000;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Feeds have days of the week that are not the date's.
const MAIL: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);

pub(super) const ALL: [Definition; 18] = [
    define(
        "addTime(time: time, duration: string, zone?: string) -> string",
        "The time moved by an ISO 8601 duration; years to days follow the calendar of the zone.",
        &[
            eg("$addTime('2024-01-31T10:00:00Z', 'P1M')", "{}", r#""2024-02-29T10:00:00.000Z""#),
            eg(
                "$addTime('2024-03-30T12:00:00Z', 'P1D', 'Europe/Berlin')",
                "{}",
                r#""2024-03-31T11:00:00.000Z""#,
            ),
            eg("$addTime('2024-01-01T00:00:00Z', '-PT90M')", "{}", r#""2023-12-31T22:30:00.000Z""#),
        ],
        Cost::Time,
        |call| {
            let (span, zone) = (span(call, 1)?, zone(call, 2)?);
            let months = i64::from(span.get_years()) * 12 + i64::from(span.get_months());
            let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
            let mut time = instant(call, 0, &zone)?;
            if months != 0 || days != 0 {
                time = local(&zone, shifted(zone.to_datetime(time), months, days)?)?;
            }
            let moved = in_range(time.as_millisecond().checked_add(clock(&span)?).ok_or(()))?;
            iso(in_range(Timestamp::from_millisecond(moved))?)
        },
    ),
    define(
        "addWorkdays(time: time, days: number, zone?: string) -> string",
        "The time moved by so many days from Monday to Friday, at most 10000 either way.",
        &[eg("$addWorkdays('2024-07-19T09:00:00Z', 2)", "{}", r#""2024-07-23T09:00:00.000Z""#)],
        Cost::Guarded,
        |call| {
            let (days, zone) = (call.number(1), zone(call, 2)?);
            if days.fract() != 0.0 || days.abs() > 10_000.0 {
                return call.wrong(1, "a whole number from -10000 to 10000");
            }
            let mut at = zone.to_datetime(instant(call, 0, &zone)?);
            let mut left = days.abs();
            while left > 0.0 {
                at = shifted(at, 0, days.signum() as i64)?;
                if at.weekday().to_monday_one_offset() < 6 {
                    left -= 1.0;
                }
            }
            iso(local(&zone, at)?)
        },
    ),
    define(
        "dateDiff(from: time, to: time, unit: string, zone?: string) -> number",
        "How many complete `milliseconds`, `seconds`, `minutes`, `hours`, `days`, `weeks`, `months` or `years` there are from the one to the other; from days on as the calendar of the zone has them.",
        &[
            eg("$dateDiff('2024-01-31', '2024-03-01', 'days')", "{}", "30"),
            eg("$dateDiff('2024-01-31', '2024-03-01', 'months')", "{}", "1"),
            eg("$dateDiff('1990-07-23', '2024-07-22', 'years')", "{}", "33"),
        ],
        Cost::Time,
        date_diff,
    ),
    define(
        "dateParts(time: time, zone?: string) -> object",
        "The parts of a time: `year`, `quarter`, `month`, `week` (ISO), `day`, `dayOfYear`, `weekday` (1 is Monday), `hour`, `minute`, `second`, `millisecond`.",
        &[eg(
            "$dateParts('2024-07-22T12:15:30.123Z')",
            "{}",
            r#"{"year":2024,"quarter":3,"month":7,"week":30,"day":22,"dayOfYear":204,"weekday":1,"hour":12,"minute":15,"second":30,"millisecond":123}"#,
        )],
        Cost::Time,
        |call| {
            let at = civil(call, 0, 1)?;
            let mut out = JMap::default();
            for (name, value) in [
                ("year", i32::from(at.year())),
                ("quarter", (i32::from(at.month()) + 2) / 3),
                ("month", at.month().into()),
                ("week", at.date().iso_week_date().week().into()),
                ("day", at.day().into()),
                ("dayOfYear", at.day_of_year().into()),
                ("weekday", at.weekday().to_monday_one_offset().into()),
                ("hour", at.hour().into()),
                ("minute", at.minute().into()),
                ("second", at.second().into()),
                ("millisecond", at.millisecond().into()),
            ] {
                out.insert(name.to_owned(), JValue::Number(value.into()));
            }
            Ok(object(out))
        },
    ),
    define(
        "durationSeconds(duration: string) -> number",
        "The length of an ISO 8601 duration of weeks to seconds, a day being 24 hours.",
        &[eg("$durationSeconds('P1DT1H30M')", "{}", "91800")],
        Cost::Time,
        |call| {
            let span = span(call, 0)?;
            if span.get_years() != 0 || span.get_months() != 0 {
                return call.wrong(0, "a duration without months and years, which have no fixed length");
            }
            let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
            Ok(JValue::Number(days as f64 * 86_400.0 + clock(&span)? as f64 / 1_000.0))
        },
    ),
    define(
        "endOf(time: time, unit: string, zone?: string) -> string",
        "The last millisecond of the `year`, `quarter`, `month`, `week`, `day`, `hour` or `minute` that the time is in.",
        &[eg("$endOf('2024-02-10T10:00:00Z', 'month')", "{}", r#""2024-02-29T23:59:59.999Z""#)],
        Cost::Time,
        |call| bound_of(call, true),
    ),
    define(
        "formatDate(time: time, pattern: string, zone?: string) -> string",
        "The time by a pattern of `yyyy` `yy` `MMMM` `MMM` `MM` `M` `dd` `d` `EEEE` `EEE` `HH` `H` `hh` `h` `mm` `m` `ss` `s` `SSS` `a` `XXX`; other letters stand in single quotes.",
        &[
            eg(
                "$formatDate('2024-07-22T12:15:30Z', 'EEE d MMMM yyyy, HH:mm', 'Europe/Berlin')",
                "{}",
                r#""Mon 22 July 2024, 14:15""#,
            ),
            eg(
                "$formatDate(0, \"yyyy-MM-dd'T'HH:mm:ss.SSSXXX\", '+01:00')",
                "{}",
                r#""1970-01-01T01:00:00.000+01:00""#,
            ),
        ],
        Cost::Time,
        format_date,
    ),
    define(
        "fromMailDate(text: string) -> string",
        "A time as mail, feeds and headers of HTTP write it (RFC 2822) as ISO 8601 in UTC; undefined if it is none.",
        &[
            eg("$fromMailDate('Mon, 22 Jul 2024 14:15:30 +0200')", "{}", r#""2024-07-22T12:15:30.000Z""#),
            eg("$fromMailDate('Mon, 22 Jul 2024 12:15:30 GMT')", "{}", r#""2024-07-22T12:15:30.000Z""#),
        ],
        Cost::Time,
        |call| match MAIL.parse_timestamp(call.text(0).trim()) {
            Ok(time) => iso(time),
            Err(_) => Ok(JValue::Undefined),
        },
    ),
    define(
        "fromUnix(seconds: number) -> string",
        "Seconds since 1970 as ISO 8601 in UTC.",
        &[eg("$fromUnix(1721650530)", "{}", r#""2024-07-22T12:15:30.000Z""#)],
        Cost::Time,
        |call| iso(from_ms(call.number(0) * 1_000.0)?),
    ),
    define(
        "isAfter(time: time, other: time) -> boolean",
        "Whether the first time is after the other.",
        &[eg("$isAfter('2024-07-22T12:00:00+02:00', '2024-07-22T11:00:00Z')", "{}", "false")],
        Cost::Time,
        |call| Ok(JValue::Bool(instant(call, 0, &TimeZone::UTC)? > instant(call, 1, &TimeZone::UTC)?)),
    ),
    define(
        "isBefore(time: time, other: time) -> boolean",
        "Whether the first time is before the other.",
        &[eg("$isBefore('2024-07-22', '2024-07-23')", "{}", "true")],
        Cost::Time,
        |call| Ok(JValue::Bool(instant(call, 0, &TimeZone::UTC)? < instant(call, 1, &TimeZone::UTC)?)),
    ),
    define(
        "isWeekend(time: time, zone?: string) -> boolean",
        "Whether the time is on a Saturday or Sunday.",
        &[eg("$isWeekend('2024-07-20')", "{}", "true")],
        Cost::Time,
        |call| Ok(JValue::Bool(civil(call, 0, 1)?.weekday().to_monday_one_offset() > 5)),
    ),
    define(
        "parseDate(text: string, pattern: string, zone?: string) -> string",
        "A time written by a pattern (see `formatDate`) as ISO 8601 in UTC; what the pattern leaves open is the start of it.",
        &[
            eg(
                "$parseDate('22.07.2024 14:15', 'dd.MM.yyyy HH:mm', 'Europe/Berlin')",
                "{}",
                r#""2024-07-22T12:15:00.000Z""#,
            ),
            eg("$parseDate('Jul 4, 2024', 'MMM d, yyyy')", "{}", r#""2024-07-04T00:00:00.000Z""#),
        ],
        Cost::Time,
        parse_date,
    ),
    define(
        "startOf(time: time, unit: string, zone?: string) -> string",
        "The first moment of the `year`, `quarter`, `month`, `week` (from Monday), `day`, `hour` or `minute` that the time is in.",
        &[
            eg("$startOf('2024-07-24T10:00:00Z', 'week')", "{}", r#""2024-07-22T00:00:00.000Z""#),
            eg(
                "$startOf('2024-07-24T10:00:00Z', 'day', 'America/New_York')",
                "{}",
                r#""2024-07-24T04:00:00.000Z""#,
            ),
        ],
        Cost::Time,
        |call| bound_of(call, false),
    ),
    define(
        "toIso(time: time, zone?: string) -> string",
        "The time as ISO 8601 in UTC, with milliseconds.",
        &[
            eg("$toIso('2024-07-22T14:15:30+02:00')", "{}", r#""2024-07-22T12:15:30.000Z""#),
            eg("$toIso('2024-07-22 14:15', 'Europe/Berlin')", "{}", r#""2024-07-22T12:15:00.000Z""#),
        ],
        Cost::Time,
        |call| iso(instant(call, 0, &zone(call, 1)?)?),
    ),
    define(
        "toUnix(time: time) -> number",
        "Whole seconds since 1970.",
        &[eg("$toUnix('2024-07-22T12:15:30.900Z')", "{}", "1721650530")],
        Cost::Time,
        |call| {
            Ok(JValue::Number(instant(call, 0, &TimeZone::UTC)?.as_millisecond().div_euclid(1_000) as f64))
        },
    ),
    define(
        "toZone(time: time, zone: string) -> string",
        "The time as ISO 8601 with the offset of a zone.",
        &[eg("$toZone('2024-07-22T12:15:30Z', 'Asia/Kolkata')", "{}", r#""2024-07-22T17:45:30.000+05:30""#)],
        Cost::Time,
        |call| {
            let zone = zone(call, 1)?;
            let time = instant(call, 0, &zone)?;
            let mut out = call.writer();
            pattern(&mut out, "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", zone.to_datetime(time), zone.to_offset(time))?;
            Ok(out.done())
        },
    ),
    define(
        "weekday(time: time, zone?: string) -> number",
        "The day of the week, from 1 for Monday to 7 for Sunday.",
        &[eg("$weekday('2024-07-22T23:30:00Z', 'Europe/Berlin')", "{}", "2")],
        Cost::Time,
        |call| Ok(JValue::Number(civil(call, 0, 1)?.weekday().to_monday_one_offset().into())),
    ),
];

fn in_range<T, E>(result: Result<T, E>) -> Result<T, Fault> {
    result.or_else(|_| said("the time is out of range"))
}

fn from_ms(ms: f64) -> Result<Timestamp, Fault> {
    in_range(Timestamp::from_millisecond(ms.floor() as i64))
}

/// The time of argument `at`.
fn instant(call: &Call, at: usize, zone: &TimeZone) -> Result<Timestamp, Fault> {
    if let Some(JValue::Number(ms)) = call.given(at) {
        return from_ms(*ms);
    }
    let written = call.text(at);
    if let Ok(time) = written.parse::<Timestamp>() {
        return Ok(time);
    }
    match written.parse::<DateTime>() {
        Ok(time) => local(zone, time),
        Err(_) => call.wrong(at, "ISO 8601 text or milliseconds since 1970"),
    }
}

fn civil(call: &Call, at: usize, zone_at: usize) -> Result<DateTime, Fault> {
    let zone = zone(call, zone_at)?;
    Ok(zone.to_datetime(instant(call, at, &zone)?))
}

/// What the clocks of a zone show as an instant: of two the first, and in a gap as much later as the gap is long.
fn local(zone: &TimeZone, time: DateTime) -> Result<Timestamp, Fault> {
    in_range(zone.to_timestamp(time))
}

#[expect(clippy::unnecessary_wraps, reason = "the last word of a transform")]
fn iso(time: Timestamp) -> Outcome {
    Ok(text(&format!("{time:.3}")))
}

fn span(call: &Call, at: usize) -> Result<Span, Fault> {
    call.text(at).parse().or_else(|_| call.wrong(at, "an ISO 8601 duration such as PT1H or P1M"))
}

/// The hours and less of a span, in milliseconds.
fn clock(span: &Span) -> Result<i64, Fault> {
    let minutes = i64::from(span.get_hours()) * 60 + span.get_minutes();
    let seconds =
        in_range(minutes.checked_mul(60).and_then(|s| s.checked_add(span.get_seconds())).ok_or(()))?;
    let small =
        span.get_milliseconds() + span.get_microseconds() / 1_000 + span.get_nanoseconds() / 1_000_000;
    in_range(seconds.checked_mul(1_000).and_then(|ms| ms.checked_add(small)).ok_or(()))
}

/// The time so many months and days later, a day that the month does not have being its last.
fn shifted(at: DateTime, months: i64, days: i64) -> Result<DateTime, Fault> {
    let month = i64::from(at.year()) * 12 + i64::from(at.month()) - 1 + months;
    let year = in_range(i16::try_from(month.div_euclid(12)))?;
    let first = in_range(Date::new(year, month.rem_euclid(12) as i8 + 1, 1))?;
    let date = in_range(Date::new(year, first.month(), at.day().min(first.days_in_month())))?;
    let moved = in_range(
        days.checked_mul(DAY_MS)
            .and_then(|ms| ms.checked_add(civil_ms(date.to_datetime(at.time())).ok()?))
            .ok_or(()),
    )?;
    Ok(Offset::UTC.to_datetime(in_range(Timestamp::from_millisecond(moved))?))
}

/// What a clock shows, as if it was in UTC.
fn civil_ms(at: DateTime) -> Result<i64, Fault> {
    Ok(in_range(Offset::UTC.to_timestamp(at))?.as_millisecond())
}

fn date_diff(call: &Call) -> Outcome {
    let zone = zone(call, 3)?;
    let (from, to) = (instant(call, 0, &zone)?, instant(call, 1, &zone)?);
    let exact = to.as_millisecond() - from.as_millisecond();
    let (start, end) = (zone.to_datetime(from.min(to)), zone.to_datetime(from.max(to)));
    let sign = exact.signum();
    let elapsed = civil_ms(end)? - civil_ms(start)?;
    let months = || {
        let count = (i64::from(end.year()) - i64::from(start.year())) * 12 + i64::from(end.month())
            - i64::from(start.month());
        shifted(start, count, 0).map(|whole| if whole > end { count - 1 } else { count })
    };
    let count = match call.text(2).trim_end_matches('s') {
        "millisecond" => exact,
        "second" => exact / 1_000,
        "minute" => exact / 60_000,
        "hour" => exact / 3_600_000,
        "day" => sign * (elapsed / DAY_MS),
        "week" => sign * (elapsed / DAY_MS / 7),
        "month" => sign * months()?,
        "year" => sign * (months()? / 12),
        _ => return call.wrong(2, "a unit of time"),
    };
    Ok(JValue::Number(count as f64))
}

/// The first moment of the unit, or the last millisecond.
fn bound_of(call: &Call, end: bool) -> Outcome {
    let zone = zone(call, 2)?;
    let time = instant(call, 0, &zone)?;
    let at = zone.to_datetime(time);
    let midnight = at.date().to_datetime(Time::midnight());
    let day = i64::from(at.day()) - 1;
    let month = i64::from(at.month()) - 1;
    // How far back the unit began, and how long it is.
    let (months, days, length_months, length_days) = match call.text(1) {
        "year" => (month, day, 12, 0),
        "quarter" => (month % 3, day, 3, 0),
        "month" => (0, day, 1, 0),
        "week" => (0, i64::from(at.weekday().to_monday_zero_offset()), 0, 7),
        "day" => (0, 0, 0, 1),
        unit @ ("hour" | "minute") => {
            let length = if unit == "hour" { 3_600_000 } else { 60_000 };
            let into = civil_ms(at)?.rem_euclid(length);
            let start = time.as_millisecond() - into;
            return iso(from_ms((if end { start + length - 1 } else { start }) as f64)?);
        }
        _ => return call.wrong(1, "year, quarter, month, week, day, hour or minute"),
    };
    let start = shifted(shifted(midnight, 0, -days)?, -months, 0)?;
    if !end {
        return iso(local(&zone, start)?);
    }
    let next = local(&zone, shifted(start, length_months, length_days)?)?;
    iso(from_ms((next.as_millisecond() - 1) as f64)?)
}

/// The next part of a pattern: its letter and how often it stands there, or a text as it is.
enum Part<'p> {
    Letter(char, usize),
    Literal(&'p str),
}

fn next_part(pattern: &str) -> Option<(Part<'_>, &str)> {
    let first = pattern.chars().next()?;
    if let Some(quoted) = pattern.strip_prefix('\'') {
        let (inner, rest) = quoted.split_once('\'').unwrap_or((quoted, ""));
        return Some((Part::Literal(if inner.is_empty() { "'" } else { inner }), rest));
    }
    if !first.is_ascii_alphabetic() {
        let (literal, rest) = pattern.split_at(first.len_utf8());
        return Some((Part::Literal(literal), rest));
    }
    let rest = pattern.trim_start_matches(first);
    Some((Part::Letter(first, pattern.len() - rest.len()), rest))
}

fn format_date(call: &Call) -> Outcome {
    let zone = zone(call, 2)?;
    let time = instant(call, 0, &zone)?;
    let mut out = call.writer();
    pattern(&mut out, check_pattern(call)?, zone.to_datetime(time), zone.to_offset(time))?;
    Ok(out.done())
}

fn check_pattern<'a>(call: &Call<'a>) -> Result<&'a str, Fault> {
    if call.text(1).len() > 200 { call.wrong(1, "at most 200 bytes long") } else { Ok(call.text(1)) }
}

fn unknown<T>(letter: char, count: usize) -> Result<T, Fault> {
    said(format!(
        "a pattern has no `{}`; text stands in single quotes",
        letter.to_string().repeat(count.min(10))
    ))
}

fn pattern(out: &mut Writer, mut rest: &str, at: DateTime, offset: Offset) -> Result<(), Fault> {
    while let Some((part, after)) = next_part(rest) {
        rest = after;
        let (letter, count) = match part {
            Part::Literal(literal) => {
                out.push(literal)?;
                continue;
            }
            Part::Letter(letter, count) => (letter, count),
        };
        let month = MONTHS[usize::from(at.month().unsigned_abs().clamp(1, 12)) - 1];
        let day = DAYS[usize::from(at.weekday().to_monday_zero_offset().unsigned_abs().min(6))];
        let number: i32 = match (letter, count) {
            ('y', 4) => at.year().into(),
            ('y', 2) => i32::from(at.year()).rem_euclid(100),
            ('M', 1 | 2) => at.month().into(),
            ('d', 1 | 2) => at.day().into(),
            ('H', 1 | 2) => at.hour().into(),
            ('h', 1 | 2) => (i32::from(at.hour()) + 11) % 12 + 1,
            ('m', 1 | 2) => at.minute().into(),
            ('s', 1 | 2) => at.second().into(),
            ('S', 3) => at.millisecond().into(),
            ('M' | 'E' | 'X', 3) | ('M' | 'E', 4) | ('a', 1) => {
                let name = if letter == 'M' { month } else { day };
                match letter {
                    'a' => out.push(if at.hour() < 12 { "AM" } else { "PM" })?,
                    'X' if offset.seconds() == 0 => out.push("Z")?,
                    'X' => {
                        let minutes = offset.seconds().abs() / 60;
                        let sign = if offset.seconds() < 0 { '-' } else { '+' };
                        out.push(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60))?;
                    }
                    _ if count == 3 => out.push(&name[..3])?,
                    _ => out.push(name)?,
                }
                continue;
            }
            _ => return unknown(letter, count),
        };
        out.push(&format!("{number:0count$}"))?;
    }
    Ok(())
}

fn parse_date(call: &Call) -> Outcome {
    let (zone, mut pattern, mut rest) = (zone(call, 2)?, check_pattern(call)?, call.text(0));
    let shown = || crate::failure::cut(call.text(0), 40);
    let mismatch = || format!("`{}` does not follow the pattern", shown());
    let [mut year, mut month, mut day, mut hour, mut minute, mut second, mut millisecond] =
        [1970, 1, 1, 0, 0, 0, 0];
    let (mut afternoon, mut fixed) = (None, None);
    while let Some((part, after)) = next_part(pattern) {
        pattern = after;
        let (letter, count) = match part {
            Part::Literal(literal) => {
                match rest.strip_prefix(literal) {
                    Some(after) => rest = after,
                    None => return said(mismatch()),
                }
                continue;
            }
            Part::Letter(letter, count) => (letter, count),
        };
        match (letter, count) {
            ('y', 2 | 4) | ('S', 3) | ('M' | 'd' | 'H' | 'h' | 'm' | 's', 1 | 2) => {
                let most = count.max(2);
                let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
                let (number, after) = rest.split_at(digits);
                let Ok(number) = number.parse::<i16>() else { return said(mismatch()) };
                if count > 1 && digits != count {
                    return said(mismatch());
                }
                rest = after;
                let place = match letter {
                    'y' => &mut year,
                    'M' => &mut month,
                    'd' => &mut day,
                    'm' => &mut minute,
                    's' => &mut second,
                    'S' => &mut millisecond,
                    _ => &mut hour,
                };
                *place = if count == 2 && letter == 'y' { 2_000 + number } else { number };
            }
            ('M' | 'E', 3 | 4) => {
                let names = if letter == 'M' { &MONTHS[..] } else { &DAYS[..] };
                let length = |name: &&'static str| if count == 3 { 3 } else { name.len() };
                let found = names.iter().position(|name| {
                    rest.get(..length(name))
                        .is_some_and(|start| start.eq_ignore_ascii_case(&name[..length(name)]))
                });
                let Some(found) = found else { return said(mismatch()) };
                rest = &rest[length(&names[found])..];
                if letter == 'M' {
                    month = i16::try_from(found).unwrap_or(0) + 1;
                }
            }
            ('a', 1) => {
                let start = rest.get(..2).unwrap_or_default().to_ascii_lowercase();
                if start != "am" && start != "pm" {
                    return said(mismatch());
                }
                afternoon = Some(start == "pm");
                rest = &rest[2..];
            }
            ('X', 3) => {
                let end = rest.find(|char: char| !char.is_ascii_digit() && !"+-:Z".contains(char));
                let (written, after) = rest.split_at(end.unwrap_or(rest.len()));
                fixed = offset(written);
                if fixed.is_none() {
                    return said(mismatch());
                }
                rest = after;
            }
            _ => return unknown(letter, count),
        }
    }
    if let Some(afternoon) = afternoon {
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    let small = |number: i16| i8::try_from(number).unwrap_or(-1);
    let nanos = i32::from(millisecond) * 1_000_000;
    let read =
        DateTime::new(year, small(month), small(day), small(hour), small(minute), small(second), nanos);
    match read {
        Ok(at) if rest.is_empty() => iso(local(&fixed.map_or(zone, TimeZone::fixed), at)?),
        Ok(_) => said(mismatch()),
        Err(_) => said(format!("`{}` is no date of the calendar", shown())),
    }
}
