//! What an app tells of: when it is asked again and again, records that were not there before; or by itself ([`Hook`]).
//!
//! Nothing is sent here, and nothing is kept: [`Poll::question`] gives what to ask, [`Poll::records`] what the answer holds.

use crate::call::{MAX_ITEMS, MAX_ITEMS_FIELD};
use crate::dynamic::{self, Dynamic};
use crate::hook::{self, Hook};
use crate::manifest::{Action, Manifest};
use crate::read::{Scope, of, template};
use crate::{evaluate, schema};
use domain::fault::{self, Fault};
use domain::read::Reader;
use domain::run::StepError;
use expr::Template;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::time::Duration;

/// How many records one answer may have; an action that lists more is cut there.
pub const MAX_RECORDS: u64 = 5_000;
const _: () = assert!(MAX_RECORDS <= MAX_ITEMS, "a list gives no more");
/// How far behind the cursor records may turn up, where the manifest says nothing.
const OVERLAP: Duration = Duration::from_mins(5);
/// How far an app's clock may be before ours, in milliseconds.
const CLOCKS_DIFFER: i64 = 300_000;
/// A key is part of a run's name.
const MAX_KEY: usize = 1000;

/// One thing that an app tells of.
#[derive(Debug)]
pub struct Trigger {
    pub title: String,
    pub description: String,
    pub docs: Option<String>,
    /// A JSON Schema of an object: what is asked for.
    pub input: Value,
    /// A JSON Schema of a record, which runs read as `trigger.record`, or of what the app tells, which they read as `trigger.body`.
    pub output: Value,
    /// For triggers of type `poll`.
    pub poll: Option<Poll>,
    /// For triggers of type `app`. There is one of the two, or both.
    pub hook: Option<Hook>,
    /// Where in `input` and `output` columns stand.
    pub dynamic: Dynamic,
}

/// How an app is asked for records.
#[derive(Debug)]
pub struct Poll {
    /// The action that lists them. It changes nothing.
    pub action: String,
    /// What it is given; reads `input` and `cursor`, which is null the first time.
    pub input: Template,
    /// The records in what it gives, `output`.
    pub items: Template,
    /// What a record is known by; reads `item`. Equal keys start one run.
    pub key: Template,
    /// How far a record brings the cursor; reads `item`. The greatest is kept, and what lies before it is not new, whatever the app lists.
    pub cursor: Option<Template>,
    /// How far behind the cursor records may still turn up.
    pub overlap: Duration,
    /// In which order they are listed.
    pub order: Order,
}

/// In which order an app lists its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// A list that was cut is gone on with by the cursor.
    OldestFirst,
    NewestFirst,
    /// None that tells of time.
    Any,
}

const ORDERS: [(&str, Order); 3] =
    [("oldest_first", Order::OldestFirst), ("newest_first", Order::NewestFirst), ("any", Order::Any)];

/// A record of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub key: String,
    pub cursor: Option<Value>,
    pub item: Value,
}

/// What an answer holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Records {
    /// The oldest first.
    pub records: Vec<Record>,
    /// The answer was cut: the app has more of them.
    pub more: bool,
}

impl Poll {
    /// From where on records may be new: a little before the cursor. Times and counts of seconds can be moved, other cursors cannot.
    pub fn since(&self, cursor: &Value) -> Value {
        let seconds = i64::try_from(self.overlap.as_secs()).unwrap_or(i64::MAX);
        match cursor {
            Value::String(text) => domain::Millis::parse_rfc3339(text).map_or_else(
                || cursor.clone(),
                |time| {
                    let moved = domain::Millis(time.0.saturating_sub(seconds.saturating_mul(1000))).rfc3339();
                    // As the app writes it: some read no fractions.
                    if text.contains('.') { moved.into() } else { moved.replace(".000Z", "Z").into() }
                },
            ),
            Value::Number(number) => number.as_i64().map_or_else(
                || number.as_f64().map_or(Value::Null, |number| (number - self.overlap.as_secs_f64()).into()),
                |number| number.saturating_sub(seconds).into(),
            ),
            _ => cursor.clone(),
        }
    }

    /// Whether a record may be new, as far as the cursor tells.
    pub fn may_be_new(&self, record: &Record, cursor: &Value) -> bool {
        record.cursor.as_ref().is_none_or(|at| !is_later(&self.since(cursor), at))
    }

    /// What the action is given. `from` is where to begin, which [`Poll::since`] gives; null before the first answer.
    pub fn question(
        &self,
        manifest: &Manifest,
        input: &Value,
        from: &Value,
        now_ms: i64,
    ) -> Result<Value, StepError> {
        let scope = json!({"input": input, "cursor": from});
        let mut question = match evaluate(&self.input, &scope, now_ms)? {
            Value::Object(question) => question,
            _ => Map::new(),
        };
        // A field that is not asked for is not sent.
        question.retain(|_, value| !value.is_null());
        if manifest.actions.get(&self.action).is_some_and(|action| action.pages.is_some()) {
            question.entry(MAX_ITEMS_FIELD).or_insert(MAX_RECORDS.into());
        }
        Ok(Value::Object(question))
    }

    /// The records of an answer.
    ///
    /// One without a key fails the whole: it could never be told from those that are known.
    pub fn records(&self, mut output: Value, now_ms: i64) -> Result<Records, StepError> {
        let unreadable = |what: &str| StepError::fatal("app_response_invalid", what.to_owned());
        let mut more = output["more"] == true;
        let mut scope = json!({});
        scope["output"] = output.take();
        let found = evaluate(&self.items, &scope, now_ms)?;
        drop(scope);
        let items = match found {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            // Of a list of one, an expression may give the one.
            one @ Value::Object(_) => vec![one],
            _ => return Err(unreadable("the app gave no list of records")),
        };
        let mut records = Vec::with_capacity(items.len());
        for item in items {
            if records.len() as u64 == MAX_RECORDS {
                more = true;
                break;
            }
            let mut scope = json!({});
            scope["item"] = item;
            let key = match evaluate(&self.key, &scope, now_ms)? {
                Value::String(key) if !key.is_empty() => key,
                Value::Number(key) => key.to_string(),
                _ => return Err(unreadable("the app gave a record without what it is known by")),
            };
            if key.len() > MAX_KEY {
                return Err(unreadable("what the app's records are known by is longer than 1,000 bytes"));
            }
            let cursor = self.cursor.as_ref().map(|cursor| evaluate(cursor, &scope, now_ms)).transpose()?;
            let cursor = cursor.filter(|cursor| cursor.is_string() || cursor.is_number());
            let Value::Object(mut scope) = scope else { continue };
            records.push(Record { key, cursor, item: scope.remove("item").unwrap_or_default() });
        }
        if self.order == Order::NewestFirst {
            records.reverse();
        }
        Ok(Records { records, more })
    }
}

/// Where the cursor stands after these records. A time that is yet to come moves it nowhere: all that is made until then would lie behind.
pub fn advanced(cursor: &Value, records: &[Record], now_ms: i64) -> Value {
    let has_come = |cursor: &&Value| {
        let time = cursor.as_str().and_then(domain::Millis::parse_rfc3339);
        time.is_none_or(|time| time.0 <= now_ms.saturating_add(CLOCKS_DIFFER))
    };
    let cursors = records.iter().filter_map(|record| record.cursor.as_ref()).filter(has_come);
    let greatest = cursors.fold(cursor, |so_far, next| if is_later(next, so_far) { next } else { so_far });
    greatest.clone()
}

/// Whether a cursor is further than another: by time where both are times, by number where both are numbers, else as texts. Anything is
/// further than null.
fn is_later(one: &Value, other: &Value) -> bool {
    let order = match (one, other) {
        (_, Value::Null) => return !one.is_null(),
        (Value::Null, _) => return false,
        (Value::Number(one), Value::Number(other)) => {
            if let (Some(one), Some(other)) = (one.as_i64(), other.as_i64()) {
                one.cmp(&other)
            } else {
                let float = |number: &serde_json::Number| number.as_f64().unwrap_or(f64::NEG_INFINITY);
                float(one).total_cmp(&float(other))
            }
        }
        (Value::String(one), Value::String(other)) => {
            match (domain::Millis::parse_rfc3339(one), domain::Millis::parse_rfc3339(other)) {
                // Finer than a millisecond only the text tells.
                (Some(a), Some(b)) => a.cmp(&b).then_with(|| one.cmp(other)),
                _ => one.cmp(other),
            }
        }
        // The app changed its mind about what it counts by.
        _ => Ordering::Greater,
    };
    order == Ordering::Greater
}

/// Reads a trigger of a manifest.
pub(crate) fn read(r: &mut Reader<'_>) -> Option<Trigger> {
    let title = r.text("title");
    let description = r.optional_text("description", 10_000).unwrap_or_default();
    let docs = r.optional_text("docs", 2000);
    let input = r.take("input").cloned().unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    let output = r.take("output").cloned().unwrap_or_else(|| json!({}));
    if r.take("poll").is_none() && r.take("hook").is_none() {
        r.fault(
            "missing_field",
            "a trigger has `poll`, `hook` or both: how it comes to know of what happens",
        );
    }
    let poll = r.nested("poll", poll).flatten();
    let hook = r.nested("hook", hook::read).flatten();
    let dynamic = dynamic::dynamic(r);
    Some(Trigger { title: title?, description, docs, input, output, poll, hook, dynamic })
}

fn poll(r: &mut Reader<'_>) -> Option<Poll> {
    r.required("key");
    let input = template(r, "input", Scope::Poll);
    let items = match r.take("items") {
        Some(_) => template(r, "items", Scope::Output),
        None => of(r, "items", &json!("{{ output.items }}"), Scope::Output),
    };
    let key = template(r, "key", Scope::Item);
    let cursor = r.take("cursor").is_some().then(|| template(r, "cursor", Scope::Item));
    let overlap = r.duration("overlap", Duration::from_secs(1), Duration::from_hours(24)).unwrap_or(OVERLAP);
    let order = r.choice("order", &ORDERS.map(|(name, _)| name)).map_or(Order::OldestFirst, |i| ORDERS[i].1);
    Some(Poll { action: r.text("action")?, input, items, key, cursor, overlap, order })
}

/// What can be said of triggers only once all is read.
pub(crate) fn cross(manifest: &Manifest) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, trigger) in &manifest.triggers {
        let at = fault::join("/triggers", name);
        schema::well_formed(&trigger.input, &format!("{at}/input"), &manifest.schemas, &mut faults);
        schema::well_formed(&trigger.output, &format!("{at}/output"), &manifest.schemas, &mut faults);
        if let Some(hook) = &trigger.hook {
            hook::cross(manifest, hook, &trigger.input, &format!("{at}/hook"), &mut faults);
        }
        let Some(poll) = &trigger.poll else { continue };
        let listing = manifest.actions.get(&poll.action);
        // It is asked for ever, and may be asked twice.
        if !listing.is_some_and(Action::changes_nothing) {
            let message = "`action` must be an action of this connector that changes nothing";
            faults.push(Fault::new(format!("{at}/poll/action"), "action_unknown", message));
        }
        let known = schema::properties(&trigger.input, &manifest.schemas);
        for (_, expression) in poll.input.expressions() {
            for read in expression.reads() {
                if let [first, field, ..] = read.as_slice()
                    && *first == "input"
                    && !known.iter().any(|known| known == field)
                {
                    let message = format!("the trigger's input has no field `{field}`");
                    faults.push(Fault::new(format!("{at}/poll/input"), "unknown_reference", message));
                }
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;

    const NOW: i64 = 1_772_366_400_000;

    fn manifest(poll: &Value) -> Result<Manifest, Vec<Fault>> {
        read(
            &json!({"name": "shop", "title": "Shop", "version": 1, "base_url": "https://shop.example.com", "auth": [],
            "actions": {
                "list": {"title": "List", "input": {"type": "object", "properties": {"since": {"type": "string"}}},
                    "request": {"method": "GET", "path": "/orders"}, "pages": {"items": "{{ response.body }}", "by": "link"}},
                "make": {"title": "Make", "request": {"method": "POST", "path": "/orders"}}},
            "triggers": {"new_order": {"title": "New order",
                "input": {"type": "object", "properties": {"shop": {"type": "string"}}}, "poll": poll}}}),
        )
    }

    #[test]
    fn an_answer_becomes_records_oldest_first() {
        let manifest = manifest(&json!({"action": "list", "order": "newest_first",
            "input": {"since": "{{ cursor }}", "shop": "{{ input.shop }}"},
            "key": "{{ item.id }}", "cursor": "{{ item.at }}"}))
        .unwrap();
        let poll = manifest.triggers["new_order"].poll.as_ref().unwrap();
        let asked =
            |cursor: &Value| poll.question(&manifest, &json!({"shop": "a"}), &poll.since(cursor), 0).unwrap();
        assert_eq!(asked(&Value::Null), json!({"shop": "a", "max_items": 5000}), "null is not asked");
        assert_eq!(asked(&json!("2026"))["since"], "2026");
        // A little earlier, written as it was.
        assert_eq!(asked(&json!("2026-01-02T00:00:00+01:00"))["since"], "2026-01-01T22:55:00Z");
        assert_eq!(asked(&json!("2026-01-02T00:00:00.5Z"))["since"], "2026-01-01T23:55:00.500Z");
        assert_eq!(
            (asked(&json!(1000))["since"].clone(), asked(&json!(1000.5))["since"].clone()),
            (json!(700), json!(700.5))
        );
        let items = json!([{"id": 9_007_199_254_740_993_u64, "at": "2026-01-02T00:00:00+01:00"}, {"id": "a", "at": "2026-01-01T23:30:00Z"}]);
        let got = poll.records(json!({"items": items, "more": true}), 0).unwrap();
        assert!(got.more);
        let keys: Vec<_> = got.records.iter().map(|record| record.key.as_str()).collect();
        assert_eq!(keys, ["a", "9007199254740993"]);
        let cursor = advanced(&Value::Null, &got.records, NOW);
        assert_eq!(cursor, "2026-01-01T23:30:00Z", "the later instant, whatever its zone");
        assert_eq!(advanced(&json!("2027-01-01T00:00:00Z"), &got.records, NOW), "2027-01-01T00:00:00Z");
        assert_eq!(advanced(&Value::Null, &got.records, 0), Value::Null, "a time that is yet to come");
        let of = |at: &str| Record { key: "k".into(), cursor: Some(at.into()), item: Value::Null };
        let cursor = json!("2026-01-01T12:00:00Z");
        assert!(!poll.may_be_new(&of("2026-01-01T11:54:59Z"), &cursor), "an old record that was changed");
        for new in ["2026-01-01T11:55:00Z", "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"] {
            assert!(poll.may_be_new(&of(new), &cursor) && poll.may_be_new(&of(new), &Value::Null));
        }
        assert!(poll.may_be_new(&Record { cursor: None, ..of("") }, &cursor));
        assert_eq!(poll.records(json!({"items": null}), 0).unwrap(), Records::default());
        for bad in [
            json!({"items": [{"at": "x"}]}),
            json!({"items": "x"}),
            json!({"items": [{"id": "x".repeat(1001)}]}),
        ] {
            assert_eq!(poll.records(bad, 0).unwrap_err().code, "app_response_invalid");
        }
    }

    #[test]
    fn cursors_are_compared_as_what_they_are() {
        for (later, earlier) in [
            (json!(10), json!(9)),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64)),
            (json!(1.5), json!(1)),
            (json!("2026-01-02"), json!("2026-01-01")),
            (json!("2026-01-01T00:00:00.0000002Z"), json!("2026-01-01T00:00:00.0000001Z")),
            (json!("b"), json!("a")),
            (json!(""), Value::Null),
        ] {
            assert!(is_later(&later, &earlier) && !is_later(&earlier, &later), "{later} {earlier}");
            assert!(!is_later(&later, &later));
        }
    }

    #[test]
    fn every_fault_of_a_trigger_is_named() {
        let faults =
            manifest(&json!({"action": "make", "input": {"x": "{{ input.nothing }}", "y": "{{ response }}"},
            "order": "random"}))
            .unwrap_err();
        let found: Vec<_> =
            faults.iter().map(|fault| (fault.pointer.as_str(), fault.code.as_ref())).collect();
        assert!(found.contains(&("/triggers/new_order/poll", "missing_field")), "{found:?}");
        assert!(found.contains(&("/triggers/new_order/poll/input", "unknown_reference")), "{found:?}");
        assert!(found.iter().any(|(at, _)| *at == "/triggers/new_order/poll/order"), "{found:?}");
        let faults = manifest(
            &json!({"action": "make", "key": "{{ item.id }}", "input": {"x": "{{ input.nothing }}"}}),
        )
        .unwrap_err();
        let found: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(found, ["/triggers/new_order/poll/action", "/triggers/new_order/poll/input"]);
    }
}
