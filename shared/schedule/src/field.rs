//! One field of a cron expression: lists of values, ranges and steps.

use crate::InvalidSchedule;
use crate::error::{refuse, shown};

/// What a field may hold.
#[derive(Debug)]
pub(crate) struct Field {
    /// For messages: what one value is, and what several are.
    pub(crate) one: &'static str,
    pub(crate) many: &'static str,
    /// The values that may be written.
    pub(crate) first: u16,
    pub(crate) last: u16,
    /// Names of the values from `named` on.
    pub(crate) names: &'static [&'static str],
    pub(crate) named: u16,
    /// The value after the last is the first again: `FRI-MON`.
    pub(crate) round: bool,
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const fn plain(one: &'static str, many: &'static str, first: u16, last: u16) -> Field {
    Field { one, many, first, last, names: &[], named: 0, round: false }
}

pub(crate) const MINUTE: Field = plain("a minute", "minutes", 0, 59);
pub(crate) const HOUR: Field = plain("an hour", "hours", 0, 23);
pub(crate) const DAY: Field = plain("a day of the month", "days of the month", 1, 31);
pub(crate) const MONTH: Field = Field { names: &MONTHS, named: 1, ..plain("a month", "months", 1, 12) };
pub(crate) const YEAR: Field = plain("a year", "years", 1970, crate::LAST_YEAR.cast_unsigned());
/// Sunday is 0, and 7 too.
pub(crate) const WEEKDAY: Field =
    Field { names: &WEEKDAYS, round: true, ..plain("a day of the week", "days of the week", 0, 7) };
/// Sunday is 1.
pub(crate) const AWS_WEEKDAY: Field = Field { named: 1, first: 1, ..WEEKDAY };

/// One item of a field's list: every `step`th value from `from` to `to`. In a field that goes round, `to` may lie past the last value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) step: u16,
    /// It has no end of its own: `*`, `*/5`, `3/5`.
    pub(crate) open: bool,
}

impl Span {
    pub(crate) fn values(self) -> impl Iterator<Item = u16> {
        (self.from..=self.to).step_by(usize::from(self.step))
    }
}

impl Field {
    /// The last value of `*` and of a step without an end. Sunday is not counted twice.
    fn end(&self) -> u16 {
        if self.round { self.first + 6 } else { self.last }
    }

    /// Reads one value: a number or a name.
    pub(crate) fn value(&self, text: &str) -> Result<u16, InvalidSchedule> {
        if let Some(at) = self.names.iter().position(|name| *name == text) {
            return Ok(self.named + at as u16);
        }
        number(text).filter(|n| (self.first..=self.last).contains(n)).ok_or_else(|| {
            let names = match self.names {
                [first, .., last] => format!(", or `{first}` to `{last}`"),
                _ => String::new(),
            };
            refuse(format!(
                "`{}` is not {}: write {} to {}{names}",
                shown(text),
                self.one,
                self.first,
                self.last
            ))
        })
    }

    /// Reads one item: `*`, a value or a range, each with or without a step.
    pub(crate) fn span(&self, text: &str) -> Result<Span, InvalidSchedule> {
        let (base, step) = match text.split_once('/') {
            Some((base, step)) => (base, Some(self.step(step)?)),
            None => (text, None),
        };
        let (from, to, open) = if base == "*" {
            (self.first, self.end(), true)
        } else if let Some((from, to)) = base.split_once('-') {
            (self.value(from)?, self.value(to)?, false)
        } else {
            let from = self.value(base)?;
            match step {
                // Where Sunday is 0 and 7, one cannot tell whether it is still part of this.
                Some(_) if self.last > self.end() => {
                    return Err(refuse(format!(
                        "`{}` does not say where it ends: write a range, such as `MON-FRI/2`",
                        shown(text)
                    )));
                }
                Some(_) => (from, self.end(), true),
                None => (from, from, false),
            }
        };
        let to = match (from <= to, self.round) {
            (true, _) => to,
            (false, true) => to + 7,
            (false, false) => {
                return Err(refuse(format!(
                    "the range `{}` of {} runs backwards: write it as two, `{from}-{},{}-{to}`",
                    shown(base),
                    self.many,
                    self.last,
                    self.first
                )));
            }
        };
        Ok(Span { from, to, step: step.unwrap_or(1), open })
    }

    fn step(&self, text: &str) -> Result<u16, InvalidSchedule> {
        let most = self.end() - self.first + 1;
        number(text).filter(|step| (1..=most).contains(step)).ok_or_else(|| {
            refuse(format!(
                "`/{}` is not a step of {}: write 1 to {most}; for longer intervals there is `rate(90 minutes)`",
                shown(text),
                self.many
            ))
        })
    }

    /// The values of a list as bits.
    pub(crate) fn bits(&self, text: &str) -> Result<(u64, bool), InvalidSchedule> {
        let (mut bits, mut open) = (0, false);
        for item in text.split(',') {
            let span = self.span(item)?;
            open |= span.open;
            bits |= span.values().fold(0, |bits, value| bits | 1 << value);
        }
        Ok((bits, open))
    }
}

/// A whole number of at most four digits, without a sign.
pub(crate) fn number(text: &str) -> Option<u16> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
