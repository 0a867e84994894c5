#![doc = include_str!("../README.md")]

mod cron;
mod error;
mod field;
mod missed;
mod parse;
mod zone;

pub use error::InvalidSchedule;
pub use missed::{Missed, Since, TOLERANCE};
pub use zone::database_version;

use cron::Cron;
use domain::Millis;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The longest expression that is read, in characters.
pub const MAX_EXPRESSION_CHARS: usize = 200;

/// The last year in which a cron expression fires, as in AWS.
pub const LAST_YEAR: i16 = 2199;

/// From where triggers' rates count, whenever they were enabled: `rate(5 minutes)` is at every fifth minute of the hour.
pub const ANCHOR: Millis = Millis(0);

/// When a trigger fires: a cron expression in its time zone, or a rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    when: When,
    zone: TimeZone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum When {
    Cron(Box<Cron>),
    /// The period in milliseconds, at least a minute.
    Rate(i64),
}

impl Schedule {
    /// Reads an expression and the name of a time zone.
    ///
    /// `expression` has one of the forms in the README, in capitals or not: five cron fields, `cron(…)` with six as AWS has them,
    /// `rate(…)`, or `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`. `zone` is a name of the IANA
    /// database, such as `Europe/Berlin`; `None` is UTC. A rate takes no notice of its zone, but an unknown one is refused there too.
    ///
    /// An expression whose date never comes (`0 0 31 2 *`) is read: [`next_after`](Self::next_after) gives `None` for it.
    ///
    /// The error's code is `invalid_schedule` for the expression, `unknown_zone` for the zone.
    pub fn parse(expression: &str, zone: Option<&str>) -> Result<Self, InvalidSchedule> {
        let when = parse::expression(expression)?;
        let zone = zone.map_or(Ok(TimeZone::UTC), zone::find)?;
        Ok(Self { when, zone })
    }

    /// The zone's name as the database spells it; `UTC` when none was given.
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The period of a rate in milliseconds; `None` for cron.
    pub fn period(&self) -> Option<i64> {
        match self.when {
            When::Cron(_) => None,
            When::Rate(period) => Some(period),
        }
    }

    /// The first time strictly after `after`, or `None` when there is none.
    ///
    /// All times are milliseconds since the Unix epoch. A rate fires at `anchor`, `anchor` + period, `anchor` + 2 periods, …: give it
    /// the moment at which the trigger was enabled, and always the same one. Cron takes no notice of the anchor; its times are whole
    /// minutes of local time from 1970 to [`LAST_YEAR`], and the README says what happens when clocks change.
    pub fn next_after(&self, anchor: Millis, after: Millis) -> Option<Millis> {
        match &self.when {
            When::Rate(period) => next_of_rate(*period, anchor.0, after.0).map(Millis),
            When::Cron(cron) => {
                let after = Timestamp::from_millisecond(after.0.max(-1)).ok()?;
                cron.next_after(&self.zone, after).map(|t| Millis(t.as_millisecond()))
            }
        }
    }
}

fn next_of_rate(period: i64, anchor: i64, after: i64) -> Option<i64> {
    if after < anchor {
        return Some(anchor);
    }
    let passed = (i128::from(after) - i128::from(anchor)) / i128::from(period);
    i64::try_from(i128::from(anchor) + (passed + 1) * i128::from(period)).ok()
}
