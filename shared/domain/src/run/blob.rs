//! Values that are too large for the journal, and files: kept as objects, named here.

use crate::id::{base32, digest16};
use crate::{OrgId, RunId, limits};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What names an object of a run: the journal and messages hold this in the place of the value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlobRef {
    /// The run whose object it is.
    #[serde(rename = "r")]
    pub run: RunId,
    #[serde(rename = "n")]
    pub name: BlobName,
    /// Its size.
    #[serde(rename = "b")]
    pub bytes: u64,
}

/// The last part of an object's key: how long it is kept, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlobName {
    days: u16,
    id: String,
}

/// Objects are deleted by their age, and their keys begin with it: one rule of the bucket for each of these.
///
/// Each covers a run's time limit and the retention: 1, 31, 92 and 366 days of limit.
pub const KEPT_DAYS: [u16; 4] = [32, 62, 123, 397];

impl BlobName {
    /// The name of what a step gave at an attempt. The content is part of it: whoever loses the race for the journal has written
    /// beside the winner's object, and a repetition writes the same one.
    pub fn of(limit: Duration, path: &str, attempt: u16, content: &str) -> Self {
        let id = base32(digest16(&["blob", path, &attempt.to_string(), content]));
        Self { days: days(limit), id }
    }

    /// The name under which a run that takes an object over keeps it, with a time limit of its own.
    pub fn taken_over(&self, limit: Duration) -> Self {
        Self { days: days(limit), id: self.id.clone() }
    }

    /// Reads a name as an address has it.
    pub fn parse(text: &str) -> Option<Self> {
        let (days, id) = text.split_once('-')?;
        let days = days.parse().ok().filter(|days| KEPT_DAYS.contains(days))?;
        // The id of a run has the same form.
        RunId::parse(&format!("{}_{id}", RunId::PREFIX)).ok()?;
        Some(Self { days, id: id.to_owned() })
    }

    /// The key of the object in the bucket.
    pub fn key(&self, org: &OrgId, run: &RunId) -> String {
        format!("d{}/{org}/{run}/{}", self.days, self.id)
    }
}

impl BlobRef {
    /// The key of the object in the bucket. It begins with the organisation of whoever asks, whatever the reference says.
    pub fn key(&self, org: &OrgId) -> String {
        self.name.key(org, &self.run)
    }
}

impl std::fmt::Display for BlobName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.days, self.id)
    }
}

impl TryFrom<String> for BlobName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not the name of an object")
    }
}

impl From<BlobName> for String {
    fn from(name: BlobName) -> Self {
        name.to_string()
    }
}

/// How many days an object of a run with this time limit is kept.
fn days(limit: Duration) -> u16 {
    let needed = (limit + limits::RETENTION).as_secs().div_ceil(86_400) + 1;
    KEPT_DAYS.into_iter().find(|days| u64::from(*days) >= needed).unwrap_or(KEPT_DAYS[KEPT_DAYS.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_kept_for_the_limit_of_its_run_and_the_retention() {
        for (hours, days) in [(1, 32), (24, 32), (25, 62), (720, 62), (744, 62), (745, 123), (8784, 397)] {
            assert_eq!(super::days(Duration::from_hours(hours)), days, "{hours} h");
        }
        assert!(limits::MAX_RUN_TIMEOUT + limits::RETENTION < Duration::from_hours(397 * 24));
    }

    #[test]
    fn a_name_says_whose_what_and_how_long() {
        let (org, run) = (OrgId::from_bytes([1; 16]), RunId::from_bytes([2; 16]));
        let name = BlobName::of(Duration::from_hours(1), "each[3].call", 1, "abc");
        assert_eq!(BlobName::parse(&name.to_string()), Some(name.clone()));
        assert!(name.key(&org, &run).starts_with(&format!("d32/{org}/{run}/")));
        for other in [("each[4].call", 1, "abc"), ("each[3].call", 2, "abc"), ("each[3].call", 1, "abd")] {
            assert_ne!(BlobName::of(Duration::from_hours(1), other.0, other.1, other.2), name);
        }
        assert_eq!(name.taken_over(Duration::from_hours(8784)).to_string().split('-').next(), Some("397"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in
            ["", "62", "62-", "61-00000000000000000000000000", "62-../../../../../../../../aa", "62-a/b"]
        {
            assert_eq!(BlobName::parse(text), None, "{text}");
        }
    }
}
