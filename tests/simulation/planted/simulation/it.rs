//! Bugs planted in the code itself: the simulation notices each. One that it did not notice would show that a promise is not
//! watched.

use dispatch::{Bug, Plans, plant};
use planted_simulation::{Library, Scenario, simulate};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Worlds of twenty runs.
const MOST_WORLDS: u64 = 2000;

#[test]
fn every_bug_planted_in_the_code_is_caught() {
    let library = Library::new();
    let plans = Plans::new(library.clone());
    let (gathering, its_plans) = (Library::gathering(), Plans::new(Library::gathering()));
    let world = |seed, gathers| {
        if gathers {
            let storm = Scenario::stormy(seed, &gathering, 20);
            let begin_after = (0..20).map(|n| Duration::from_secs(n * (seed % 30))).collect();
            simulate(&gathering, &its_plans, &Scenario { begin_after, gathers, ..storm })
        } else {
            simulate(&library, &plans, &Scenario::stormy(seed, &library, 20))
        }
    };
    let noticed = |seed, gathers| {
        let told = catch_unwind(AssertUnwindSafe(|| world(seed, gathers))).err()?;
        let text = told.downcast_ref::<String>().cloned().unwrap_or_default();
        Some(format!("caught in world {seed}: {}", text.lines().next().unwrap_or_default()))
    };
    std::panic::set_hook(Box::new(|_| {}));
    for gathers in [false, true] {
        let told = (1..=20).find_map(|seed| noticed(seed, gathers));
        assert_eq!(told, None, "without a bug there is nothing to notice");
    }
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        plant(Some(bug));
        match (1..=MOST_WORLDS).find_map(|seed| noticed(seed, bug == Bug::GathersAgain)) {
            Some(said) => {
                // Past the harness, which keeps what passing tests print to itself.
                let _ = writeln!(std::io::stderr(), "{bug:?}: {}", said.get(..150).unwrap_or(&said));
            }
            None => missed.push(bug),
        }
    }
    plant(None);
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
