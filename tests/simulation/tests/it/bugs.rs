//! Faults planted on purpose: the simulation notices each. One that it did not notice would show that a promise is not watched.

use crate::library;
use simulation::{Bug, Scenario, simulate};
use std::panic::{AssertUnwindSafe, catch_unwind};

const BUGS: [Bug; 10] = [
    Bug::JournalOverwrites,
    Bug::ClaimsAreShared,
    Bug::FencesAreIgnored,
    Bug::EndsAreOverwritten,
    Bug::JoinsCount,
    Bug::AnswersAreOverwritten,
    Bug::StartsOverwrite,
    Bug::DueEntriesGetLost,
    Bug::OutboxIsForgotten,
    Bug::LowWaterRunsAhead,
];
/// Worlds of twenty runs.
const MOST_WORLDS: u64 = 4000;

#[test]
fn every_planted_bug_is_caught() {
    let (library, plans) = library();
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for bug in BUGS {
        let caught = (1..=MOST_WORLDS).find_map(|seed| {
            let scenario = Scenario { bug: Some(bug), ..Scenario::stormy(seed, &library, 20) };
            let told = catch_unwind(AssertUnwindSafe(|| simulate(&library, &plans, &scenario))).err()?;
            let text = told.downcast_ref::<String>().cloned().unwrap_or_default();
            Some((seed, text.lines().next().unwrap_or_default().to_owned()))
        });
        match caught {
            Some((seed, text)) => {
                say!("{bug:?}: caught in world {seed}: {}", text.get(..110).unwrap_or(&text));
            }
            None => missed.push(bug),
        }
    }
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
