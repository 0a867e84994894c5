//! Tests of the crate from outside: what people write, and what comes of it.

mod due;
mod oracle;
mod parse;
mod table;

use domain::Millis;
use schedule::Schedule;

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::parse(expression, Some(zone)).unwrap_or_else(|e| panic!("{expression} in {zone}: {e}"))
}

fn at(time: &str) -> Millis {
    Millis::parse_rfc3339(time).unwrap_or_else(|| panic!("{time}"))
}

/// A time as the tables write it: UTC, to the minute unless it has more.
fn shown(time: Millis) -> String {
    let text = time.rfc3339();
    text.strip_suffix(":00.000Z").map_or(text.clone(), |minute| format!("{minute}Z"))
}

/// The first `count` times after `after`.
fn times(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let anchor = at(after);
    std::iter::successors(schedule.next_after(anchor, anchor), |t| schedule.next_after(anchor, *t))
        .take(count)
        .map(shown)
        .collect()
}
