//! Cron expressions: which local times they name, and the moments of those times.

use crate::error::{refuse, shown};
use crate::field::{self, AWS_WEEKDAY, DAY, Field, HOUR, MINUTE, MONTH, WEEKDAY, YEAR};
use crate::zone::{first_moment, next_change};
use crate::{InvalidSchedule, LAST_YEAR};
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const FIRST_YEAR: i16 = 1970;

/// Longer than any clock was ever put back.
const TWO_DAYS: SignedDuration = SignedDuration::from_hours(48);

/// Whose rules the fields follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Sunday is 0 or 7.
    Unix,
    /// Sunday is 1, and one of the two fields for days is `?`.
    Aws,
}

/// A cron expression. In every set of bits, bit `n` stands for the value `n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: u64,
    hours: u32,
    /// The hour is `*` or a step without an end: fires by the clock, whatever the clock does.
    every_hour: bool,
    days: Days,
    months: u16,
    weekdays: Weekdays,
    /// By years since 1970.
    years: [u64; 4],
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Days {
    plain: u32,
    /// `15W`: the day from Monday to Friday nearest to it, in the same month.
    nearest: u32,
    /// `L`.
    last: bool,
    /// `LW`: the month's last day from Monday to Friday.
    last_workday: bool,
    /// The field begins with `*` or `?`.
    star: bool,
}

/// Sunday is bit 0.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Weekdays {
    plain: u8,
    /// `MON#2`: `nth[1]` has bit 1.
    nth: [u8; 5],
    /// `FRIL`: the last of the month.
    last: u8,
    star: bool,
}

impl Cron {
    /// Reads six fields, in capitals: minute, hour, day of the month, month, day of the week, year.
    pub(crate) fn parse(fields: [&str; 6], dialect: Dialect) -> Result<Self, InvalidSchedule> {
        let [minute, hour, day, month, weekday, year] = fields;
        if dialect == Dialect::Aws && (day == "?") == (weekday == "?") {
            return Err(refuse(
                "in `cron(…)` one of day of the month and day of the week is `?`, and only one: write \
                 `cron(0 8 ? * MON-FRI *)` or `cron(0 8 1 * ? *)`",
            ));
        }
        let (hours, every_hour) = HOUR.bits(hour)?;
        Ok(Self {
            minutes: MINUTE.bits(minute)?.0,
            hours: hours as u32,
            every_hour,
            days: Days::parse(day)?,
            months: MONTH.bits(month)?.0 as u16,
            weekdays: Weekdays::parse(weekday, dialect)?,
            years: years(year)?,
        })
    }

    /// The first moment strictly after `after`.
    pub(crate) fn next_after(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        if self.every_hour { self.next_by_clock(zone, after) } else { self.next_once(zone, after) }
    }

    /// Each local time that matches fires once: when clocks first show it or, where it is left out, what comes after it.
    fn next_once(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        // What clocks show now, and all before it, has had its moment.
        let mut shown = zone.to_datetime(after);
        loop {
            let local = self.next_local(next_minute(shown)?)?;
            let moment = first_moment(zone, local)?;
            if moment > after {
                return Some(moment);
            }
            // Clocks show an hour for the second time, and this was in the first.
            shown = local;
        }
    }

    /// Each minute fires whose local time matches: what is left out does not, what repeats does twice.
    fn next_by_clock(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let mut at = after;
        let mut from = next_minute(zone.to_datetime(at))?;
        loop {
            let offset = zone.to_offset(at);
            let moment = self.next_local(from).and_then(|local| offset.to_timestamp(local).ok());
            let change = next_change(zone, at, offset);
            match (moment, change) {
                (Some(moment), Some(change)) if moment >= change => {}
                (Some(moment), _) => return Some(moment),
                // Past the last match, a clock may still be put back to it.
                (None, Some(change)) if change.duration_since(at) < TWO_DAYS => {}
                (None, _) => return None,
            }
            at = change?;
            let shown = zone.to_datetime(at);
            let minute = whole_minute(shown);
            from = if minute == shown { minute } else { next_minute(shown)? };
        }
    }

    /// The first local time that matches, from `from` on, which is a whole minute.
    fn next_local(&self, from: DateTime) -> Option<DateTime> {
        for year in from.year().max(FIRST_YEAR)..=LAST_YEAR {
            if !self.has_year(year) {
                continue;
            }
            let first_month = if year == from.year() { from.month() } else { 1 };
            for month in (first_month..=12).filter(|month| self.months & 1 << month != 0) {
                let mut days = self.days_of(year, month);
                if (year, month) == (from.year(), from.month()) {
                    days &= u32::MAX << from.day();
                }
                while days != 0 {
                    let day = date(year, month, days.trailing_zeros() as i8);
                    days &= days - 1;
                    let (hour, minute) =
                        if day == from.date() { (from.hour(), from.minute()) } else { (0, 0) };
                    if let Some((hour, minute)) = self.next_time(hour, minute) {
                        return Some(day.at(hour, minute, 0, 0));
                    }
                }
            }
        }
        None
    }

    /// The first time of day that matches, from this one on.
    fn next_time(&self, hour: i8, minute: i8) -> Option<(i8, i8)> {
        let first = |bits: u64| (bits != 0).then(|| bits.trailing_zeros() as i8);
        if self.hours & 1 << hour != 0
            && let Some(minute) = first(self.minutes & u64::MAX << minute)
        {
            return Some((hour, minute));
        }
        let later = first(u64::from(self.hours & u32::MAX << (hour + 1)))?;
        Some((later, first(self.minutes)?))
    }

    fn has_year(&self, year: i16) -> bool {
        let n = year.abs_diff(FIRST_YEAR);
        self.years[usize::from(n / 64)] & 1 << (n % 64) != 0
    }

    /// The days of a month that match.
    fn days_of(&self, year: i16, month: i8) -> u32 {
        let first = date(year, month, 1);
        let length = first.days_in_month().unsigned_abs();
        let weekday = |day: u8| (first.weekday().to_sunday_zero_offset().unsigned_abs() + day - 1) % 7;
        let by_day = self.days.of(length, weekday);
        let by_weekday = self.weekdays.of(length, weekday);
        // As in Vixie cron: a field with a star narrows the other one, two fields without widen each other.
        if self.days.star || self.weekdays.star { by_day & by_weekday } else { by_day | by_weekday }
    }
}

impl Days {
    fn parse(text: &str) -> Result<Self, InvalidSchedule> {
        let mut days = Self { plain: 0, nearest: 0, last: false, last_workday: false, star: false };
        days.star = text == "?" || text.starts_with('*');
        if text == "?" {
            days.plain = u32::MAX;
            return Ok(days);
        }
        for item in text.split(',') {
            match item {
                "L" => days.last = true,
                "LW" | "WL" => days.last_workday = true,
                _ => {
                    if let Some(day) = item.strip_suffix('W') {
                        days.nearest |= 1 << DAY.value(day)?;
                    } else {
                        days.plain |= DAY.bits(item)?.0 as u32;
                    }
                }
            }
        }
        Ok(days)
    }

    /// The days of a month with `length` days that match, given their weekdays.
    fn of(&self, length: u8, weekday: impl Fn(u8) -> u8) -> u32 {
        let nearest = |day: u8| match weekday(day) {
            0 if day == length => day - 2,
            0 => day + 1,
            6 if day == 1 => day + 2,
            6 => day - 1,
            _ => day,
        };
        let within = u32::MAX >> (31 - length) & !1;
        let mut days = self.plain & within;
        for day in (1..=length).filter(|day| self.nearest & 1 << day != 0) {
            days |= 1 << nearest(day);
        }
        if self.last {
            days |= 1 << length;
        }
        if self.last_workday {
            days |= 1 << nearest(length);
        }
        days
    }
}

impl Weekdays {
    fn parse(text: &str, dialect: Dialect) -> Result<Self, InvalidSchedule> {
        let field: &Field = if dialect == Dialect::Aws { &AWS_WEEKDAY } else { &WEEKDAY };
        let bit = |value: u16| 1u8 << ((value - field.first) % 7);
        let mut days = Self { plain: 0, nth: [0; 5], last: 0, star: text == "?" || text.starts_with('*') };
        if text == "?" {
            days.plain = u8::MAX;
            return Ok(days);
        }
        for item in text.split(',') {
            if item == "L" && dialect == Dialect::Aws {
                days.plain |= bit(field.last);
            } else if item == "L" {
                return Err(refuse(
                    "`L` alone is not a day of the week: write which is the last, as in `FRIL`",
                ));
            } else if let Some(day) = item.strip_suffix('L') {
                days.last |= bit(field.value(day)?);
            } else if let Some((day, nth)) = item.split_once('#') {
                let Some(nth) = field::number(nth).filter(|nth| (1..=5).contains(nth)) else {
                    return Err(refuse(format!(
                        "`{}` does not say which one of the month: write 1 to 5 behind `#`, as in `MON#2`",
                        shown(item)
                    )));
                };
                days.nth[usize::from(nth) - 1] |= bit(field.value(day)?);
            } else {
                days.plain |= field.span(item)?.values().map(bit).fold(0, |all, bit| all | bit);
            }
        }
        Ok(days)
    }

    fn of(&self, length: u8, weekday: impl Fn(u8) -> u8) -> u32 {
        (1..=length).fold(0, |days, day| {
            let last = if day + 7 > length { self.last } else { 0 };
            let all = self.plain | self.nth[usize::from(day - 1) / 7] | last;
            if all & 1 << weekday(day) == 0 { days } else { days | 1 << day }
        })
    }
}

fn years(text: &str) -> Result<[u64; 4], InvalidSchedule> {
    let mut years = [0; 4];
    for item in text.split(',') {
        for year in YEAR.span(item)?.values() {
            let n = year - YEAR.first;
            years[usize::from(n / 64)] |= 1 << (n % 64);
        }
    }
    Ok(years)
}

fn whole_minute(local: DateTime) -> DateTime {
    local.date().at(local.hour(), local.minute(), 0, 0)
}

/// The first whole minute after `local`.
fn next_minute(local: DateTime) -> Option<DateTime> {
    whole_minute(local).checked_add(SignedDuration::from_mins(1)).ok()
}
