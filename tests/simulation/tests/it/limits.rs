//! Turns at an app: no more requests than it takes, whatever happens to those who took them, and however their clocks differ.

use dispatch::Plans;
use simulation::{Bug, Fault, Library, Scenario, Weather, simulate};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// How many runs want their turns at the same time; each sends two mails.
const RUNS: usize = 6;

fn hurried() -> (Arc<Library>, Plans) {
    let library = Library::hurried();
    let plans = Plans::new(library.clone());
    (library, plans)
}

fn world(seed: u64) -> Scenario {
    let clocks_differ_by = Duration::from_secs([0, 120][(seed % 2) as usize]);
    Scenario { cases: vec![0; RUNS], orgs: vec![0; RUNS], clocks_differ_by, ..Scenario::calm(seed) }
}

#[test]
fn an_app_is_sent_no_more_than_it_takes_by_workers_whose_clocks_differ() {
    let (library, plans) = hurried();
    for seed in 0..300 {
        simulate(&library, &plans, &world(seed));
    }
}

#[test]
fn whoever_dies_between_its_turn_and_its_request_costs_a_turn_and_no_request() {
    let (library, plans) = hurried();
    for seed in [4, 5] {
        let calls = simulate(&library, &plans, &world(seed)).calls;
        for n in 0..calls {
            for fault in [Fault::Before, Fault::After, Fault::CrashBefore, Fault::CrashAfter] {
                let weather = Weather { at: [Some((n, fault)), None], ..Weather::CALM };
                simulate(&library, &plans, &Scenario { weather, ..world(seed) });
            }
        }
    }
}

#[test]
fn in_storms_every_run_ends_as_it_should() {
    let (library, plans) = hurried();
    for seed in 1..200 {
        let clocks_differ_by = Duration::from_secs([0, 120][(seed % 2) as usize]);
        simulate(&library, &plans, &Scenario { clocks_differ_by, ..Scenario::stormy(seed, &library, 12) });
    }
}

#[test]
fn turns_that_two_are_given_are_noticed() {
    let (library, plans) = hurried();
    let scenario = Scenario { bug: Some(Bug::TurnsAreShared), ..world(2) };
    let told =
        catch_unwind(AssertUnwindSafe(|| simulate(&library, &plans, &scenario))).expect_err("it is noticed");
    let text = told.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.contains("three requests in a second"), "{text}");
}
