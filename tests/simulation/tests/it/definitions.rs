//! Definitions that chance made.

use dispatch::Plans;
use engine::Plan;
use proptest::prelude::*;
use runtime::Draw;
use serde_json::{Value, json};
use simulation::{Library, Report, Scenario, definition, simulate};
use std::collections::BTreeSet;

use crate::storms::add;

/// How many definitions are simulated in storms.
const GROWN: u64 = 300;

#[test]
fn runs_of_any_definition_keep_every_promise_in_storms() {
    let library = Library::grown(1..=GROWN);
    let plans = Plans::new(library.clone());
    let mut total = Report::default();
    for seed in 1..=GROWN {
        add(&mut total, simulate(&library, &plans, &Scenario::stormy(seed, &library, 10)));
    }
    say!("{} runs of {GROWN} grown definitions, {} calls, {} faults", total.runs, total.calls, total.struck);
}

#[test]
fn grown_definitions_have_everything_in_them() {
    let text: String = (1..=GROWN).map(|seed| definition(seed).to_string()).collect();
    let missing: Vec<&str> =
        ["map", "action", "wait", "filter", "emit", "branch", "parallel", "for_each", "while", "try", "stop"]
            .into_iter()
            .filter(|kind| text.matches(&format!("\"type\":\"{kind}\"")).count() < 20)
            .collect();
    assert!(missing.is_empty(), "hardly any {missing:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn what_is_grown_is_valid_and_what_is_spoiled_is_told_in_its_place(seed in any::<u64>(), spoils in 1usize..4) {
        spoiled_is_told(seed, spoils);
    }
}

/// A definition that chance made is valid; spoiled in some places, all its faults are told, each once and where it is.
pub(crate) fn spoiled_is_told(seed: u64, spoils: usize) {
    let mut document = definition(seed);
    if let Err(faults) = Plan::parse_new(&document) {
        panic!("{seed}: {document:#}: {faults:?}");
    }
    let draw = harness::SeededDraw::new(seed ^ 1);
    for _ in 0..spoils {
        spoil(&mut document, &draw);
    }
    let faults = Plan::parse_new(&document).err().unwrap_or_default();
    for fault in &faults {
        assert!(document.pointer(&fault.pointer).is_some(), "{seed}: {fault:?} in {document:#}");
        assert!(!fault.message.is_empty() && !fault.code.is_empty());
    }
    let once: BTreeSet<_> = faults.iter().map(|f| (&f.pointer, &f.code, &f.message)).collect();
    assert_eq!(once.len(), faults.len(), "{seed}: a fault is told twice: {faults:?}");
    // Whatever is stored as valid now has to be read later.
    assert!(!faults.is_empty() || Plan::parse(&document).is_ok());
}

/// Replaces, removes or repeats something somewhere.
fn spoil(document: &mut Value, draw: &harness::SeededDraw) {
    let mut pointers = Vec::new();
    all_pointers(document, String::new(), &mut pointers);
    let pointer = &pointers[(draw.draw() % pointers.len() as u64) as usize];
    let (parent, last) = pointer.rsplit_once('/').unwrap_or_default();
    let other = pointers[(draw.draw() % pointers.len() as u64) as usize].clone();
    let instead = match draw.draw() % 6 {
        0 => json!(null),
        1 => json!(["{{ steps.s1.nothing }}"]),
        2 => json!("{{ "),
        3 => json!({"id": "s1", "type": "stop"}),
        _ => document.pointer(&other).cloned().unwrap_or_default(),
    };
    match document.pointer_mut(parent) {
        Some(Value::Object(fields)) if draw.draw().is_multiple_of(3) => {
            fields.remove(last);
        }
        Some(Value::Array(items)) if draw.draw().is_multiple_of(3) => items.insert(0, instead),
        _ => {
            if let Some(place) = document.pointer_mut(pointer) {
                *place = instead;
            }
        }
    }
}

/// The pointers of everything inside a value.
fn all_pointers(value: &Value, at: String, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                all_pointers(item, format!("{at}/{i}"), into);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                all_pointers(field, format!("{at}/{name}"), into);
            }
        }
        _ => {}
    }
    if !at.is_empty() {
        into.push(at);
    }
}
