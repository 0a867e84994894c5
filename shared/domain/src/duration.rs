//! Lengths of time as ISO 8601 (`PT1S`, `P2D`): weeks, days, hours, minutes and seconds; a day is 24 hours.
//!
//! Years and months are refused: they have no fixed length.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as `PT30S` or `P2D`"
)]
pub struct InvalidDuration(String);

/// Reads an ISO 8601 duration, to the millisecond.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let refuse = || InvalidDuration(text.chars().take(64).collect());
    let span: jiff::Span = text.parse().map_err(|_| refuse())?;
    if !text.starts_with('P') || span.is_negative() || span.get_years() != 0 || span.get_months() != 0 {
        return Err(refuse());
    }
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let seconds = days
        .checked_mul(86_400)
        .and_then(|s| s.checked_add(i64::from(span.get_hours()) * 3600))
        .and_then(|s| s.checked_add(span.get_minutes().checked_mul(60)?))
        .and_then(|s| s.checked_add(span.get_seconds()))
        .ok_or_else(refuse)?;
    let millis =
        span.get_milliseconds() + span.get_microseconds() / 1000 + span.get_nanoseconds() / 1_000_000;
    Ok(Duration::from_millis(
        u64::try_from(seconds).map_err(|_| refuse())?.saturating_mul(1000)
            + u64::try_from(millis).map_err(|_| refuse())?,
    ))
}

/// Writes a duration back as ISO 8601, in seconds where it is not whole days.
pub fn format(d: Duration) -> String {
    match (d.as_millis() % 86_400_000, d.as_secs() / 86_400, d.subsec_millis()) {
        (0, days, _) if days > 0 => format!("P{days}D"),
        (_, _, 0) => format!("PT{}S", d.as_secs()),
        (_, _, ms) => format!("PT{}.{ms:03}S", d.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_definitions_use() {
        for (text, seconds) in [
            ("PT1S", 1),
            ("PT5M", 300),
            ("PT6H", 21_600),
            ("P2D", 172_800),
            ("P1W", 604_800),
            ("P1DT1H", 90_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("PT0.25S"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn refuses_what_has_no_fixed_length() {
        for text in ["P1M", "P1Y", "-PT1S", "1h", "", "PT", "PT1S ", "5"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["PT1S", "P2D", "PT0.250S", "PT300S"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
    }
}
