//! What a flood costs those who have nothing to do with it: how long their messages wait for a worker.

use crate::library;
use domain::run::Priority;
use simulation::{Scenario, waits};
use std::time::Duration;

/// How many runs the flood has: one each five milliseconds, which is twice what the workers can do.
const FLOOD: usize = 1500;
/// How many quiet ones come meanwhile, one after the other.
const QUIET: usize = 40;
/// How long a worker is at one message when all are busy: eight of them take turns, a millisecond a call. Nobody can be served
/// before one of them is free.
const GRAIN: Duration = Duration::from_millis(100);
/// The workflow of both: map, branch, get, map.
const CASE: &str = "map, branch, get, map";

#[derive(Clone, Copy)]
struct Setting {
    flood: usize,
    /// Whose the quiet runs are: the flood is organisation 0's.
    quiet_org: usize,
    flood_priority: Priority,
    fair: bool,
}

/// The wait that 95 of 100 messages of the quiet runs stay below.
fn quiet_wait(setting: Setting) -> Duration {
    let (library, plans) = library();
    let case = library.cases.iter().position(|case| case.name == CASE).expect("the case is there");
    let total = setting.flood + QUIET;
    let is_quiet = |n: usize| n >= setting.flood;
    let scenario = Scenario {
        cases: vec![case; total],
        // The flood has a backlog when the quiet runs begin, and lasts longer.
        begin_after: (0..total)
            .map(|n| {
                let millis = if is_quiet(n) { 2000 + 100 * (n - setting.flood) } else { 5 * n };
                Duration::from_millis(millis as u64)
            })
            .collect(),
        orgs: (0..total).map(|n| if is_quiet(n) { setting.quiet_org } else { 0 }).collect(),
        priorities: (0..total)
            .map(|n| if is_quiet(n) { Priority::Interactive } else { setting.flood_priority })
            .collect(),
        workers: 8,
        bulk_workers: 4,
        fair: setting.fair,
        ..Scenario::calm(11)
    };
    let waits = waits(&library, &plans, &scenario);
    let mut quiet = waits[&(setting.quiet_org, Priority::Interactive)].clone();
    quiet.sort();
    quiet[quiet.len() * 95 / 100]
}

const ALONE: Setting = Setting { flood: 0, quiet_org: 1, flood_priority: Priority::Interactive, fair: true };

#[test]
fn the_flood_of_one_tenant_costs_another_nothing_to_speak_of() {
    let alone = quiet_wait(ALONE);
    let beside = quiet_wait(Setting { flood: FLOOD, ..ALONE });
    let unfair = quiet_wait(Setting { flood: FLOOD, fair: false, ..ALONE });
    say!(
        "a quiet tenant waits {alone:?} alone, {beside:?} beside a flood, {unfair:?} beside it in a queue without groups"
    );
    assert!(beside <= 2 * alone + GRAIN, "{beside:?} beside a flood, {alone:?} alone");
    assert!(unfair > 2 * alone + GRAIN, "the measure would not notice: {unfair:?}");
}

#[test]
fn bulk_work_does_not_delay_interactive_work_of_the_same_tenant() {
    let same = Setting { quiet_org: 0, ..ALONE };
    let alone = quiet_wait(same);
    let beside = quiet_wait(Setting { flood: FLOOD, flood_priority: Priority::Bulk, ..same });
    say!("interactive work waits {alone:?} alone, {beside:?} beside bulk work of the same tenant");
    assert!(beside <= 2 * alone + GRAIN, "{beside:?} beside bulk work, {alone:?} alone");
}
