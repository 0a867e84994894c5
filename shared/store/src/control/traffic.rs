//! How the new runs of a trigger are shared out among versions.

use crate::attr::{self, Item, b};
use crate::{StoreError, codec};
use domain::WorkflowId;
use domain::id::digest16;
use serde::{Deserialize, Serialize};

/// One version's part of a trigger's runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32)", into = "(u32, u32)")]
pub struct Share {
    pub version: u32,
    pub weight: u32,
}

impl From<(u32, u32)> for Share {
    fn from((version, weight): (u32, u32)) -> Self {
        Self { version, weight }
    }
}

impl From<Share> for (u32, u32) {
    fn from(share: Share) -> Self {
        (share.version, share.weight)
    }
}

/// The shares of a trigger. Without any, all runs take the live version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Share>")]
pub struct Split(Vec<Share>);

/// Why a list is no split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSplit {
    #[error("a split has at most {} entries", Split::MOST)]
    TooMany,
    #[error("`weight` must be a whole number above 0; leave a version out to give it no runs")]
    Weightless { at: usize },
    #[error("`version` is there twice; give it one weight")]
    Twice { at: usize },
}

impl TryFrom<Vec<Share>> for Split {
    type Error = InvalidSplit;

    fn try_from(shares: Vec<Share>) -> Result<Self, InvalidSplit> {
        Self::new(shares)
    }
}

impl Split {
    /// The most entries: an item that every webhook reads holds them.
    pub const MOST: usize = 10;

    /// The order in which they are given does not matter.
    pub fn new(mut shares: Vec<Share>) -> Result<Self, InvalidSplit> {
        if shares.len() > Self::MOST {
            return Err(InvalidSplit::TooMany);
        }
        if let Some(at) = shares.iter().position(|share| share.weight == 0) {
            return Err(InvalidSplit::Weightless { at });
        }
        let twice = |at: &usize| shares[..*at].iter().any(|other| other.version == shares[*at].version);
        if let Some(at) = (1..shares.len()).find(twice) {
            return Err(InvalidSplit::Twice { at });
        }
        shares.sort_unstable_by_key(|share| share.version);
        Ok(Self(shares))
    }

    /// By version.
    pub fn shares(&self) -> &[Share] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The version that the run of an idempotency key takes: the same key the same version, for as long as the split stays.
    pub fn choose(&self, live: u32, workflow: &WorkflowId, trigger: &str, key: &str) -> u32 {
        let all: u128 = self.0.iter().map(|share| u128::from(share.weight)).sum();
        // A point between 0 and 1, in units of 2^-64: weights that stand in the same proportion share out alike.
        let point = u128::from_be_bytes(digest16(&["split", workflow.as_str(), trigger, key])) >> 64;
        let mut rest = (point * all) >> 64;
        for share in &self.0 {
            match rest.checked_sub(u128::from(share.weight)) {
                Some(less) => rest = less,
                None => return share.version,
            }
        }
        live
    }
}

const SPLIT: &str = "sp";

/// Puts a split into the item that starts are read from.
pub(super) fn put_split(item: &mut Item, split: &Split) -> Result<(), StoreError> {
    if !split.is_empty() {
        item.insert(SPLIT.into(), b(codec::pack(split)?));
    }
    Ok(())
}

/// The split of an item. One that cannot be read is none: the live version takes all runs, and no start is lost.
pub(super) fn read_split(item: &Item) -> Split {
    attr::optional_bytes(item, SPLIT).and_then(|bytes| codec::unpack(bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn split(shares: &[(u32, u32)]) -> Split {
        Split::new(shares.iter().copied().map(Share::from).collect()).unwrap()
    }

    fn workflow() -> WorkflowId {
        WorkflowId::from_bytes([7; 16])
    }

    fn counts(split: &Split, keys: u32) -> BTreeMap<u32, u32> {
        let mut counts = BTreeMap::new();
        for n in 0..keys {
            let version = split.choose(1, &workflow(), "form", &format!("key:order-{n}"));
            *counts.entry(version).or_default() += 1;
        }
        counts
    }

    #[test]
    fn ten_thousand_keys_are_shared_out_by_weight() {
        for shares in [
            &[(3, 90), (4, 10)][..],
            &[(1, 1), (2, 1)],
            &[(9, 1), (2, 2), (5, 7)],
            &[(1, u32::MAX), (2, u32::MAX)],
            &[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1), (9, 1), (10, 1)],
        ] {
            let all: f64 = shares.iter().map(|(_, weight)| f64::from(*weight)).sum();
            let counts = counts(&split(shares), 10_000);
            assert_eq!(counts.len(), shares.len(), "{shares:?}");
            for (version, weight) in shares {
                let (is, should) = (f64::from(counts[version]) / 10_000.0, f64::from(*weight) / all);
                assert!((is - should).abs() < 0.02, "{shares:?}: version {version} has {is}, not {should}");
            }
        }
    }

    #[test]
    fn the_same_key_takes_the_same_version() {
        let split = split(&[(3, 50), (4, 50)]);
        for n in 0..1000 {
            let key = format!("key:{n}");
            let first = split.choose(1, &workflow(), "form", &key);
            assert_eq!(
                first,
                split.clone().choose(9, &workflow(), "form", &key),
                "the live version has no say"
            );
        }
        // An upgrade of the platform must not send a repeat elsewhere.
        let chosen: Vec<u32> =
            (1..9).map(|n| split.choose(1, &workflow(), "form", &format!("key:{n}"))).collect();
        assert_eq!(chosen, [3, 4, 4, 4, 3, 4, 4, 3]);
    }

    #[test]
    fn triggers_and_workflows_choose_for_themselves() {
        let split = split(&[(3, 50), (4, 50)]);
        let other = WorkflowId::from_bytes([8; 16]);
        let differ = |a: &dyn Fn(&str) -> u32, b: &dyn Fn(&str) -> u32| {
            (0..1000).filter(|n| a(&n.to_string()) != b(&n.to_string())).count()
        };
        let here = |key: &str| split.choose(1, &workflow(), "form", key);
        assert!((400..600).contains(&differ(&here, &|key| split.choose(1, &workflow(), "bus", key))));
        assert!((400..600).contains(&differ(&here, &|key| split.choose(1, &other, "form", key))));
    }

    #[test]
    fn a_larger_share_takes_keys_and_gives_none_back() {
        let (before, after) = (split(&[(3, 90), (4, 10)]), split(&[(4, 1), (3, 1)]));
        for n in 0..1000 {
            let key = n.to_string();
            if before.choose(1, &workflow(), "form", &key) == 4 {
                assert_eq!(after.choose(1, &workflow(), "form", &key), 4);
            }
        }
    }

    #[test]
    fn without_shares_the_live_version_runs() {
        assert_eq!(counts(&Split::default(), 100), BTreeMap::from([(1, 100)]));
        assert_eq!(counts(&split(&[(5, 3)]), 100), BTreeMap::from([(5, 100)]));
    }

    #[test]
    fn what_cannot_be_a_split_is_refused() {
        let of = |shares: &[(u32, u32)]| Split::new(shares.iter().copied().map(Share::from).collect());
        assert_eq!(of(&[(1, 1), (2, 0)]), Err(InvalidSplit::Weightless { at: 1 }));
        assert_eq!(of(&[(1, 1), (2, 2), (1, 3)]), Err(InvalidSplit::Twice { at: 2 }));
        let eleven: Vec<(u32, u32)> = (1..=11).map(|version| (version, 1)).collect();
        assert_eq!(of(&eleven), Err(InvalidSplit::TooMany));
        assert_eq!(of(&eleven[..10]).unwrap().shares().len(), 10);
    }

    #[test]
    fn a_split_that_cannot_be_read_is_none() {
        let split = split(&[(3, 90), (4, 10)]);
        let mut item = Item::new();
        put_split(&mut item, &Split::default()).unwrap();
        assert!(item.is_empty() && read_split(&item).is_empty());
        put_split(&mut item, &split).unwrap();
        assert_eq!(read_split(&item), split);
        for bytes in [&b"\0[[1,0]]"[..], b"\0[[1,1],[1,1]]", b"\0{}", b"\0[[1,-1]]", &[9], &[]] {
            item.insert(SPLIT.into(), b(bytes.to_vec()));
            assert!(read_split(&item).is_empty(), "{bytes:?}");
        }
        item.insert(SPLIT.into(), attr::n(1));
        assert!(read_split(&item).is_empty());
    }
}
