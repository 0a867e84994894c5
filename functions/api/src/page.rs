//! Pages of lists.

use crate::error::{ApiError, ApiResult};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const DEFAULT: usize = 50;
const LARGEST: usize = 100;

/// How many items a page holds.
pub(crate) fn limit(asked: Option<u32>) -> ApiResult<usize> {
    match asked.map_or(DEFAULT, |n| n as usize) {
        n if (1..=LARGEST).contains(&n) => Ok(n),
        n => Err(ApiError::new(422, "invalid_limit", format!("`limit` is {n}; it goes from 1 to {LARGEST}"))),
    }
}

/// Hides what a cursor is made of, so that nobody builds on it.
pub(crate) fn encode(position: &str) -> String {
    URL_SAFE_NO_PAD.encode(position)
}

/// Reads a cursor that an earlier page gave.
pub(crate) fn decode(cursor: Option<&str>) -> ApiResult<Option<String>> {
    cursor
        .map(|text| {
            URL_SAFE_NO_PAD
                .decode(text)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(invalid)
        })
        .transpose()
}

pub(crate) fn invalid() -> ApiError {
    ApiError::new(422, "invalid_cursor", "`cursor` must be the `next_cursor` of an earlier page, unchanged")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_reads_back_and_anything_else_is_refused(position in "\\PC{0,60}", text in "\\PC{0,60}") {
            prop_assert_eq!(decode(Some(&encode(&position))).unwrap(), Some(position));
            if let Ok(Some(read)) = decode(Some(&text)) {
                prop_assert_eq!(encode(&read), text, "one cursor for each position");
            }
        }
    }
}
