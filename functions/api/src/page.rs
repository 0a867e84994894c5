//! Pages of lists.

use crate::error::{ApiError, ApiResult};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::OrgKey;
use std::sync::Arc;
use vault::Codes;

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
    codes: Arc<Codes>,
    purpose: String,
}

impl Pages {
    pub(crate) fn new(codes: Arc<Codes>, list: &str, org: &OrgKey) -> Self {
        Self { codes, purpose: format!("cursor {list} {}", org.org()) }
    }

    pub(crate) fn encode(&self, position: &str) -> String {
        format!("{}.{}", URL_SAFE_NO_PAD.encode(position), self.codes.mac(&self.purpose, position))
    }

    /// Reads a cursor that an earlier page gave.
    pub(crate) fn decode(&self, cursor: Option<&str>) -> ApiResult<Option<String>> {
        let Some(cursor) = cursor else { return Ok(None) };
        let read = cursor.split_once('.').and_then(|(position, mac)| {
            let position = String::from_utf8(URL_SAFE_NO_PAD.decode(position).ok()?).ok()?;
            self.codes.is_mac(&self.purpose, &position, mac).then_some(position)
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

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{OrgId, Provenance};
    use proptest::prelude::*;

    fn pages(list: &str, org: u8) -> Pages {
        let org = OrgKey::verified(OrgId::from_bytes([org; 16]), Provenance::Token);
        Pages::new(Arc::new(Codes::new([7; 32])), list, &org)
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back_and_anything_else_is_refused(
            position in "\\PC{0,60}", text in "\\PC{0,60}", at in any::<prop::sample::Index>(), other in "[A-Za-z0-9_.-]"
        ) {
            let pages = pages("runs", 1);
            let cursor = pages.encode(&position);
            prop_assert_eq!(pages.decode(Some(&cursor)).unwrap(), Some(position.clone()));
            prop_assert!(pages.decode(Some(&text)).is_err(), "nobody makes one up: {}", text);
            let mut spoiled: Vec<char> = cursor.chars().collect();
            let at = at.index(spoiled.len());
            spoiled[at] = other.chars().next().unwrap();
            let spoiled: String = spoiled.into_iter().collect();
            prop_assert_eq!(pages.decode(Some(&spoiled)).is_ok(), spoiled == cursor, "{}", spoiled);
            for others in [super::tests::pages("members", 1), super::tests::pages("runs", 2)] {
                prop_assert!(others.decode(Some(&cursor)).is_err());
            }
        }
    }
}
