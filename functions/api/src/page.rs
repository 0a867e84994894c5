//! Pages of lists.

use crate::error::{ApiError, ApiResult};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::OrgKey;
use std::sync::Arc;
use vault::Keyring;

const DEFAULT: usize = 50;
const LARGEST: usize = 100;

/// How many items a page holds.
pub(crate) fn limit(asked: Option<u32>) -> ApiResult<usize> {
    match asked.map_or(DEFAULT, |n| n as usize) {
        n if (1..=LARGEST).contains(&n) => Ok(n),
        n => Err(ApiError::new(422, "invalid_limit", format!("`limit` is {n}; it goes from 1 to {LARGEST}"))),
    }
}

/// Makes and reads the cursors of one list of one organisation. They are signed: one that we did not make for this list is refused,
/// so that nobody builds on what a cursor is made of, or hands it to another organisation.
pub(crate) struct Pages {
    keyring: Arc<Keyring>,
    purpose: String,
}

impl Pages {
    pub(crate) fn new(keyring: Arc<Keyring>, list: &str, org: &OrgKey) -> Self {
        Self { keyring, purpose: format!("cursor {list} {}", org.org()) }
    }

    pub(crate) fn encode(&self, position: &str) -> String {
        format!("{}.{}", URL_SAFE_NO_PAD.encode(position), self.keyring.mac(&self.purpose, position))
    }

    /// Reads a cursor that an earlier page gave.
    pub(crate) fn decode(&self, cursor: Option<&str>) -> ApiResult<Option<String>> {
        let Some(cursor) = cursor else { return Ok(None) };
        let read = cursor.split_once('.').and_then(|(position, mac)| {
            let position = String::from_utf8(URL_SAFE_NO_PAD.decode(position).ok()?).ok()?;
            self.keyring.is_mac(&self.purpose, &position, mac).then_some(position)
        });
        read.map(Some).ok_or_else(invalid)
    }

    /// One item more than a page holds was read: cuts it off, and tells where to go on.
    pub(crate) fn cut<T>(
        &self,
        found: &mut Vec<T>,
        limit: usize,
        position: impl Fn(&T) -> String,
    ) -> Option<String> {
        if found.len() <= limit {
            return None;
        }
        found.truncate(limit);
        found.last().map(|last| self.encode(&position(last)))
    }
}

pub(crate) fn invalid() -> ApiError {
    ApiError::new(
        422,
        "invalid_cursor",
        "`cursor` must be the `next_cursor` of an earlier page of this list, unchanged",
    )
}
