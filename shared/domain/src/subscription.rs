//! Subscriptions: an app is asked to tell of what happens, at an address of ours, until it is asked to stop.

use crate::poll::{Failing, next_after};
use crate::read::{Reader, Walk};
use crate::workflow::Challenge;
use crate::workflow::verify::{self, Scheme};
use crate::{ConnectionId, Fault, Millis, WorkflowId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many subscriptions of one trigger may wait for their end.
pub const MAX_LEAVING: usize = 20;
/// How many that have ended are known for a while.
const MAX_PAST: usize = 5;
/// For how long: an app may deliver again what it could not before.
const PAST: Duration = Duration::from_mins(15);
/// For how long one whose app cannot be asked is still tried to be ended.
const LEAVES: Duration = Duration::from_hours(7 * 24);
/// How often a subscription is looked after where nothing happens.
const DAY: Duration = Duration::from_hours(24);

/// The next time at which a subscription is looked after in any case. `of` names it.
pub fn next_look(of: &str, after: Millis) -> Millis {
    next_after(of, DAY, after)
}

/// How an app's deliveries are taken: what a manifest says, and what stands with a subscription as long as it is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Deliveries {
    pub scheme: Scheme,
    /// Whose question before the first delivery is answered.
    pub challenge: Option<Challenge>,
    /// An expression: equal results start one run only.
    pub key: Option<Value>,
    /// An expression: whether a delivery starts a run.
    pub when: Option<Value>,
}

impl Deliveries {
    /// The fields that say it.
    pub const FIELDS: [&str; 4] = ["verify", "challenge", "key", "when"];

    /// Reads it among the fields of an object.
    pub fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.required("verify");
        let scheme = r.nested("verify", verify::scheme).flatten();
        let challenge = r.choice("challenge", &Challenge::NAMES).map(|i| Challenge::ALL[i]);
        let (key, when) = (r.take("key").cloned(), r.take("when").cloned());
        Some(Self { scheme: scheme?, challenge, key, when })
    }

    /// Reads what stands with a subscription.
    pub fn of(value: &Value) -> Result<Self, Vec<Fault>> {
        let mut walk = Walk::default();
        let read = Reader::open(&mut walk, value, String::new()).and_then(|mut r| {
            let read = Self::read(&mut r);
            r.close();
            read
        });
        let faults = walk.finish();
        read.filter(|_| faults.is_empty()).ok_or(faults)
    }
}

/// What an app was asked to tell of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Which question it is: another one is another subscription.
    #[serde(rename = "q")]
    pub question: String,
    /// `<app>.<trigger>`, and the connector's version.
    #[serde(rename = "u")]
    pub uses: String,
    #[serde(rename = "v")]
    pub version: u32,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    #[serde(rename = "i")]
    pub input: Value,
    /// Where it tells.
    #[serde(rename = "a")]
    pub address: String,
    /// What no other has: apps that know their webhooks by name know it by this.
    #[serde(rename = "m")]
    pub name: String,
    /// What its deliveries are made with, sealed.
    #[serde(rename = "x")]
    pub secret: String,
    /// What the app calls it, as the manifest says.
    #[serde(rename = "k", default)]
    pub kept: Value,
    /// How its deliveries are taken, for [`Deliveries::of`].
    #[serde(rename = "d")]
    pub deliveries: Value,
    /// Since when it is there, or was last renewed; before its answer, since when it is asked for.
    #[serde(rename = "s")]
    pub since: Millis,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// Until when it is tried to be ended; after its end, until when its deliveries are taken.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
}

impl Subscription {
    /// What secrets of a trigger's subscriptions are sealed for: they open in no other place.
    pub fn sealed_for(workflow: &WorkflowId, trigger: &str) -> String {
        format!("subscription/{workflow}/{trigger}")
    }

    /// When it is to be renewed: a third of its time is left for what goes wrong.
    pub fn renew_at(&self) -> Option<Millis> {
        let lasts = self.since.until(self.expires_at?);
        Some(self.since.plus((lasts / 3 * 2).max(Duration::from_mins(1))))
    }

    /// Whether the app calls both the same: then they are one.
    pub fn is_same(&self, other: &Self) -> bool {
        self.kept == other.kept && self.connection == other.connection
    }

    /// Whether its answer was lost: what the app calls it is not known.
    pub fn is_lost(&self) -> bool {
        self.kept.is_null()
    }
}

/// How the subscription of a trigger stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SubscriptionState {
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Subscription>,
    /// The one that an app is being asked for.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Subscription>,
    /// Those that are to be ended.
    #[serde(rename = "l", default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<Subscription>,
    /// Those that have ended a while ago.
    #[serde(rename = "o", default, skip_serializing_if = "Vec::is_empty")]
    past: Vec<Subscription>,
    /// What failed, and before which time it is not tried: questions, and an end, which is empty.
    #[serde(rename = "w", default, skip_serializing_if = "BTreeMap::is_empty")]
    again: BTreeMap<String, Millis>,
    /// When the app was last seen to have the current one.
    #[serde(rename = "h", default)]
    pub seen_at: Millis,
    /// Since when it fails, and why.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// When it last changed.
    #[serde(rename = "at", default)]
    pub changed_at: Millis,
}

impl SubscriptionState {
    /// Those whose deliveries are taken, the likeliest first: an app may tell before it answers, and deliver again what it could not
    /// before. Only those that ask for the same thing as `uses` and `input`.
    pub fn taken<'s>(
        &'s self,
        uses: &'s str,
        input: &'s Value,
        now: Millis,
    ) -> impl Iterator<Item = &'s Subscription> {
        let past = self.past.iter().filter(move |one| one.until.is_some_and(|until| until > now));
        let all = self.current.iter().chain(&self.pending).chain(&self.leaving).chain(past);
        all.filter(move |one| one.uses == uses && one.input == *input)
    }

    /// Puts one among those that are to be ended; the oldest is given up where there are too many.
    pub fn leave(&mut self, subscription: Subscription, now: Millis) {
        if self.leaving.len() >= MAX_LEAVING {
            self.leaving.remove(0);
        }
        self.leaving.push(Subscription { until: Some(now.plus(LEAVES)), ..subscription });
    }

    /// Takes the first of those that were to be ended away: it has, or nobody can end it.
    pub fn ended(&mut self, now: Millis) {
        let ended = self.leaving.remove(0);
        self.past.retain(|one| one.until.is_some_and(|until| until > now));
        if self.past.len() >= MAX_PAST {
            self.past.remove(0);
        }
        self.past.push(Subscription { until: Some(now.plus(PAST)), ..ended });
    }

    /// Until when this question, or an end, is not tried.
    pub fn not_before(&self, question: &str, now: Millis) -> Option<Millis> {
        self.again.get(question).copied().filter(|at| *at > now)
    }

    /// Notes that a question, or an end, is not tried before a time; what was to wait until `now` is forgotten.
    pub fn wait(&mut self, question: &str, at: Millis, now: Millis) {
        self.again.retain(|_, at| *at > now);
        self.again.insert(question.to_owned(), at);
    }

    /// All is as it is wanted; whether that is new.
    pub fn is_well(&mut self) -> bool {
        let failed = self.failing.take().is_some() || !self.again.is_empty();
        self.again.clear();
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn subscription(question: &str) -> Subscription {
        Subscription {
            question: question.into(),
            uses: "github.issue_event".into(),
            version: 1,
            connection: Some(ConnectionId::from_bytes([1; 16])),
            input: json!({"repo": "a"}),
            address: "https://example.com/hooks/x".into(),
            name: "patchbay-1".into(),
            secret: "sealed".into(),
            kept: json!({"id": 7}),
            deliveries: json!({"verify": {"scheme": "github"}}),
            since: Millis(1_000),
            expires_at: Some(Millis(301_000)),
            until: None,
        }
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let mut state =
            SubscriptionState { current: Some(subscription("a")), ..SubscriptionState::default() };
        for n in 0..=MAX_LEAVING {
            state.leave(subscription(&n.to_string()), Millis(0));
        }
        let questions: Vec<_> = state.leaving.iter().map(|one| one.question.clone()).collect();
        assert_eq!((questions.len(), &*questions[0]), (MAX_LEAVING, "1"), "the oldest is given up");
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<SubscriptionState>(&text).unwrap(), state);
        assert_eq!(serde_json::from_str::<SubscriptionState>("{}").unwrap(), SubscriptionState::default());
    }

    #[test]
    fn what_comes_late_or_early_is_taken_from_those_that_ask_for_the_same() {
        let taken = |state: &SubscriptionState, now: i64| {
            let input = json!({"repo": "a"});
            let taken = state.taken("github.issue_event", &input, Millis(now));
            taken.map(|one| one.question.clone()).collect::<Vec<_>>()
        };
        let mut state =
            SubscriptionState { pending: Some(subscription("new")), ..SubscriptionState::default() };
        assert_eq!(taken(&state, 0), ["new"]);
        state.current = Some(subscription("old"));
        state.leave(Subscription { input: json!({"repo": "b"}), ..subscription("another") }, Millis(0));
        state.leave(subscription("older"), Millis(0));
        assert_eq!(taken(&state, 0), ["old", "new", "older"]);
        state.ended(Millis(0));
        state.ended(Millis(0));
        assert_eq!(taken(&state, 899_999), ["old", "new", "older"]);
        assert_eq!(taken(&state, 900_000), ["old", "new"]);
        for _ in 0..9 {
            state.leave(subscription("x"), Millis(1_000_000));
            state.ended(Millis(1_000_000));
        }
        assert_eq!(state.past.len(), MAX_PAST);
    }

    #[test]
    fn what_failed_waits_and_another_question_does_not() {
        let mut state = SubscriptionState::default();
        state.wait("a", Millis(10), Millis(0));
        assert_eq!(state.not_before("a", Millis(9)), Some(Millis(10)));
        assert_eq!((state.not_before("a", Millis(10)), state.not_before("b", Millis(9))), (None, None));
        state.wait("", Millis(20), Millis(5));
        assert_eq!(state.not_before("a", Millis(9)), Some(Millis(10)), "each for itself");
        state.wait("", Millis(30), Millis(15));
        assert_eq!(state.again.len(), 1);
        assert!(state.is_well() && !state.is_well());
        assert_eq!(state.not_before("", Millis(0)), None);
    }

    #[test]
    fn it_is_renewed_before_it_ends() {
        let mut one = subscription("a");
        assert_eq!(one.renew_at(), Some(Millis(201_000)));
        one.expires_at = Some(Millis(0));
        assert_eq!(one.renew_at(), Some(Millis(61_000)), "not over and over");
        one.expires_at = None;
        assert_eq!(one.renew_at(), None);
    }

    #[test]
    fn deliveries_say_how_they_are_verified() {
        let read =
            Deliveries::of(&json!({"verify": {"scheme": "token", "header": "X-Gitlab-Token"}, "when": true}));
        let read = read.unwrap();
        assert_eq!((read.scheme.name(), read.when, read.key), ("token", Some(json!(true)), None));
        for bad in [
            json!({}),
            json!({"verify": {"scheme": "no"}}),
            json!({"verify": {"scheme": "github"}, "x": 1}),
            json!(1),
        ] {
            assert!(!Deliveries::of(&bad).unwrap_err().is_empty(), "{bad}");
        }
    }
}
