//! Polls: an app is asked again and again, and each record that was not there before starts a run.

use crate::Millis;
use crate::id::digest16;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;
use std::time::Duration;

/// How many keys of records are remembered beside those of the last answer.
pub const REMEMBERED: usize = 5_000;

/// How far a poll has come.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PollState {
    /// Which question it is: another one begins anew.
    #[serde(rename = "q")]
    pub question: String,
    /// Whether all that was there at first is known.
    #[serde(rename = "b", default)]
    pub begun: bool,
    /// What the app is asked to begin at; null before its first answer.
    #[serde(rename = "c", default)]
    pub cursor: Value,
    /// Whether the last answer was cut: the next one begins where that ended, and not a little before.
    #[serde(rename = "u", default)]
    pub cut: bool,
    /// Digests of the keys of records that are known, the newest last.
    #[serde(rename = "s", default)]
    seen: Vec<u64>,
    /// Since when it fails, and why.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// When it last changed.
    #[serde(rename = "at", default)]
    pub changed_at: Millis,
}

/// Why a poll fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    pub code: String,
    pub message: String,
    pub since: Millis,
}

impl PollState {
    /// Before the first answer to this question.
    pub fn of(question: String) -> Self {
        Self { question, ..Self::default() }
    }

    /// Which of these records are not known, by their places. A key that stands there twice is one record.
    pub fn unknown<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> Vec<usize> {
        let mut known: HashSet<u64> = self.seen.iter().copied().collect();
        keys.into_iter().enumerate().filter(|(_, key)| known.insert(digest(key))).map(|(at, _)| at).collect()
    }

    /// Notes that these records are known. Those that were known before are forgotten first, when there are too many.
    pub fn learn<'k>(&mut self, keys: impl IntoIterator<Item = &'k str>) {
        let new: Vec<u64> = keys.into_iter().map(digest).collect();
        let among: HashSet<u64> = new.iter().copied().collect();
        self.seen.retain(|one| !among.contains(one));
        let over = self.seen.len().saturating_sub(REMEMBERED);
        self.seen.drain(..over);
        let mut once = HashSet::new();
        self.seen.extend(new.into_iter().filter(|one| once.insert(*one)));
    }

    /// How many records are known.
    pub fn known(&self) -> usize {
        self.seen.len()
    }
}

fn digest(key: &str) -> u64 {
    (u128::from_be_bytes(digest16(&["poll", key])) >> 64) as u64
}

/// The first time after `after` at which a poll is due. Polls of the same pace are spread over it by `of`, which names the poll.
pub fn next_after(of: &str, every: Duration, after: Millis) -> Millis {
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
    let part = (u128::from_be_bytes(digest16(&["poll at", of])) >> 96) as u32;
    let offset = i64::from(part).rem_euclid(every);
    let since = (after.0 - offset).rem_euclid(every);
    Millis(after.0 + (every - since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_new_once() {
        let mut state = PollState::of("q".into());
        assert_eq!(state.unknown(["a", "b", "a"]), [0, 1]);
        state.learn(["a", "b", "a"]);
        assert_eq!((state.unknown(["b", "c", "a"]), state.known()), (vec![1], 2));
        // What the last answer held stays known, however much that is; of what was before, the oldest go.
        let many: Vec<String> = (0..REMEMBERED + 10).map(|n| format!("n{n}")).collect();
        state.learn(many.iter().map(String::as_str));
        assert!(state.unknown(many.iter().map(String::as_str)).is_empty());
        assert!(state.unknown(["a", "b"]).is_empty());
        state.learn(["z"]);
        assert_eq!(state.known(), REMEMBERED + 1);
        assert_eq!(state.unknown(["a", "n0", "n11", "z"]), [0, 1]);
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let mut state = PollState { cursor: "2026".into(), ..PollState::of("q".into()) };
        state.learn(["a"]);
        state.failing = Some(Failing { code: "app_error".into(), message: "no".into(), since: Millis(1) });
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<PollState>(&text).unwrap(), state);
        assert_eq!(serde_json::from_str::<PollState>(r#"{"q": "q"}"#).unwrap(), PollState::of("q".into()));
    }

    #[test]
    fn polls_come_at_their_pace_and_not_all_at_once() {
        let every = Duration::from_mins(5);
        let first = next_after("a", every, Millis(1_772_366_430_000));
        assert!(first.0 > 1_772_366_430_000 && first.0 <= 1_772_366_430_000 + 300_000);
        assert_eq!(next_after("a", every, first), first.plus(every));
        assert_eq!(next_after("a", every, Millis(first.0 - 1)), first);
        let seconds: HashSet<i64> =
            (0..200).map(|n| next_after(&n.to_string(), every, Millis(0)).0 / 60_000).collect();
        assert_eq!(seconds.len(), 5, "every minute has some");
    }
}
