//! Moments as text.

use jiff::Timestamp;

/// `2026-01-01T00:00:00.000Z`, the form in which these vendors write a moment.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `Thu, 01 Jan 2026 00:00:00 GMT`.
pub(crate) fn of_http(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
