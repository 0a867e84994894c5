//! The forms of an expression.

use crate::cron::{Cron, Dialect};
use crate::error::{refuse, shown};
use crate::{InvalidSchedule, MAX_EXPRESSION_CHARS, When};

const MINUTE: i64 = 60_000;
/// The longest period of a rate, in minutes: ten years.
const MAX_PERIOD: i64 = 3650 * 24 * 60;

/// Reads an expression in any of its forms.
pub(crate) fn expression(text: &str) -> Result<When, InvalidSchedule> {
    let text = text.trim();
    if text.chars().nth(MAX_EXPRESSION_CHARS).is_some() {
        return Err(refuse(format!(
            "the schedule has more than {MAX_EXPRESSION_CHARS} characters: shorten it, or spread it over several triggers"
        )));
    }
    let upper = text.to_ascii_uppercase();
    if let Some(inner) = call(&upper, "RATE") {
        return rate(inner).map(When::Rate);
    }
    let cron = if upper.starts_with('@') {
        Cron::parse(alias(&upper)?, Dialect::Unix)
    } else if let Some(inner) = call(&upper, "CRON") {
        Cron::parse(fields(inner).ok_or_else(|| wrong_count(inner, Dialect::Aws))?, Dialect::Aws)
    } else {
        let [minute, hour, day, month, weekday] =
            fields(&upper).ok_or_else(|| wrong_count(&upper, Dialect::Unix))?;
        Cron::parse([minute, hour, day, month, weekday, "*"], Dialect::Unix)
    };
    cron.map(|cron| When::Cron(Box::new(cron)))
}

/// What stands between the parentheses of `name(…)`.
fn call<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')')
}

/// Exactly `N` fields.
fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split_whitespace().collect::<Vec<_>>().try_into().ok()
}

fn wrong_count(text: &str, dialect: Dialect) -> InvalidSchedule {
    let count = text.split_whitespace().count();
    refuse(match dialect {
        Dialect::Aws => format!(
            "`cron(…)` has six fields, not {count}: minute, hour, day of the month, month, day of the week and year, \
             as in `cron(0 8 ? * MON-FRI *)`"
        ),
        Dialect::Unix if count == 0 => {
            "the schedule is empty: write cron fields such as `0 8 * * MON-FRI`, or `rate(5 minutes)`"
                .to_owned()
        }
        Dialect::Unix if count == 1 || text.contains(['(', ')']) => format!(
            "`{}` is not a schedule: write cron fields such as `0 8 * * MON-FRI`, `cron(0 8 ? * MON-FRI *)` or `rate(5 minutes)`",
            shown(text)
        ),
        Dialect::Unix => format!(
            "a cron expression has five fields, not {count}: minute, hour, day of the month, month and day of the week, as in \
             `0 8 * * MON-FRI`; there are no seconds, and a year can be given in `cron(0 8 ? * MON-FRI 2027)`"
        ),
    })
}

fn alias(text: &str) -> Result<[&'static str; 6], InvalidSchedule> {
    Ok(match text {
        "@HOURLY" => ["0", "*", "*", "*", "*", "*"],
        "@DAILY" | "@MIDNIGHT" => ["0", "0", "*", "*", "*", "*"],
        "@WEEKLY" => ["0", "0", "*", "*", "0", "*"],
        "@MONTHLY" => ["0", "0", "1", "*", "*", "*"],
        "@YEARLY" | "@ANNUALLY" => ["0", "0", "1", "1", "*", "*"],
        _ => {
            return Err(refuse(format!(
                "`{}` is not known: write `@hourly`, `@daily`, `@weekly`, `@monthly` or `@yearly`",
                shown(text)
            )));
        }
    })
}

/// The period of `rate(…)` in milliseconds.
fn rate(inner: &str) -> Result<i64, InvalidSchedule> {
    let wrong = || {
        refuse(format!(
            "`rate({})` is not a rate: write a whole number and a unit, as in `rate(5 minutes)`, `rate(1 hour)` or `rate(7 days)`; \
             the least is one minute, the most 3650 days",
            shown(inner)
        ))
    };
    let [count, unit] = fields(inner).ok_or_else(wrong)?;
    let minutes = match unit {
        "MINUTE" | "MINUTES" => 1,
        "HOUR" | "HOURS" => 60,
        "DAY" | "DAYS" => 24 * 60,
        _ => return Err(wrong()),
    };
    if count.len() > 9 || !count.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let period = count.parse::<i64>().map_err(|_| wrong())? * minutes;
    if (1..=MAX_PERIOD).contains(&period) { Ok(period * MINUTE) } else { Err(wrong()) }
}
