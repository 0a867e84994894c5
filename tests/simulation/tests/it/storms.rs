//! Many runs in bad weather.

use crate::library;
use dispatch::Plans;
use simulation::{Fault, Library, Report, Scenario, simulate};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many runs `make test` simulates; `make soak` sets more.
const RUNS: u64 = 100_000;
/// How many share a world.
const TOGETHER: usize = 20;

#[test]
fn a_hundred_thousand_runs_in_storms_keep_every_promise() {
    let wanted = asked("PATCHBAY_SOAK_RUNS").unwrap_or(RUNS);
    let first = asked("PATCHBAY_SEED").unwrap_or(1);
    let next = AtomicU64::new(first);
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let totals: Vec<Report> = std::thread::scope(|scope| {
        let worker = || {
            let (library, plans) = library();
            let mut total = Report::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if (seed - first) * TOGETHER as u64 >= wanted {
                    return total;
                }
                let scenario = Scenario::stormy(seed, &library, TOGETHER);
                add(&mut total, simulate(&library, &plans, &scenario));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|w| w.join().expect("a seed failed; it is named above")).collect()
    });
    let mut total = Report::default();
    for report in totals {
        add(&mut total, report);
    }
    say!(
        "{} runs from seed {first}, {} calls, {} faults {:?} = {:?}, {} dead letters, in {:.0} s",
        total.runs,
        total.calls,
        total.struck,
        Fault::ALL,
        total.by_fault,
        total.dead_letters,
        began.elapsed().as_secs_f64()
    );
    assert!(total.runs >= wanted && total.struck > total.runs / 4);
}

#[expect(
    clippy::disallowed_methods,
    reason = "`make soak` asks for more, and whoever looks into a seed for that one"
)]
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

pub(crate) fn add(total: &mut Report, more: Report) {
    total.runs += more.runs;
    total.calls += more.calls;
    total.struck += more.struck;
    total.dead_letters += more.dead_letters;
    for (sum, n) in total.by_fault.iter_mut().zip(more.by_fault) {
        *sum += n;
    }
}

#[test]
fn in_calm_weather_each_workflow_ends_as_it_should() {
    let (library, plans) = library();
    for case in 0..library.cases.len() {
        simulate(&library, &plans, &Scenario { cases: vec![case], ..Scenario::calm(7) });
    }
    say!("{} workflows", library.cases.len());
}

#[test]
fn every_single_fault_at_every_call_of_every_workflow() {
    let (library, plans) = library();
    let (mut points, mut calls_in_all) = (0, 0);
    for case in 0..library.cases.len() {
        for seed in [3, 4] {
            let calm = simulate(&library, &plans, &Scenario { cases: vec![case], ..Scenario::calm(seed) });
            calls_in_all += calm.calls;
            for call in 0..calm.calls {
                for fault in Fault::ALL {
                    simulate(&library, &plans, &Scenario::struck(case, [Some((call, fault)), None], seed));
                    points += 1;
                }
            }
        }
    }
    say!("{points} crash points at {calls_in_all} calls of {} workflows", library.cases.len());
}

/// In the other storms, hardly two runs of the workflow that limits them meet.
#[test]
fn runs_wait_for_their_slot_in_storms() {
    let (library, plans) = library();
    let mut total = Report::default();
    for seed in 1..=1000 {
        let storm = Scenario::stormy(seed, &library, 12);
        let scenario = Scenario { cases: vec![library.limited(); 12], ..storm };
        add(&mut total, simulate(&library, &plans, &scenario));
    }
    say!("{} runs, two at a time, {} faults, {} dead letters", total.runs, total.struck, total.dead_letters);
}

#[test]
fn events_are_gathered_once_in_storms() {
    let library = Library::gathering();
    let plans = Plans::new(library.clone());
    let mut total = Report::default();
    for seed in 1..=1500 {
        let storm = Scenario::stormy(seed, &library, TOGETHER);
        let begin_after = (0..TOGETHER as u64).map(|n| Duration::from_secs(n * (seed % 30))).collect();
        let clocks_differ_by = Duration::from_secs(5 * (seed % 2));
        let scenario = Scenario { begin_after, gathers: true, clocks_differ_by, ..storm };
        add(&mut total, simulate(&library, &plans, &scenario));
    }
    say!("{} events gathered, {} faults, {} dead letters", total.runs, total.struck, total.dead_letters);
}

/// A worker that was frozen goes on with the time at which it was; clocks are set back, and differ.
#[test]
fn storms_in_which_clocks_differ_and_jump() {
    let (library, plans) = library();
    let mut total = Report::default();
    for seed in 1..=1000 {
        let seconds = [1, 10, 60][seed as usize % 3];
        let storm = Scenario::stormy(seed, &library, TOGETHER);
        let scenario = Scenario { clocks_differ_by: Duration::from_secs(seconds), ..storm };
        add(&mut total, simulate(&library, &plans, &scenario));
    }
    say!("{} runs by clocks up to two minutes apart, {} faults", total.runs, total.struck);
}

#[test]
fn pairs_of_faults_at_random() {
    let (library, plans) = library();
    let draw = harness::SeededDraw::new(11);
    let pairs = 20_000;
    for n in 0..pairs {
        let pick = |most: u64| runtime::Draw::draw(&draw) % most;
        let case = pick(library.cases.len() as u64) as usize;
        let fault = |at| Some((at, Fault::ALL[pick(6) as usize]));
        let first = pick(60);
        let at = [fault(first), fault(first + 1 + pick(30))];
        simulate(&library, &plans, &Scenario::struck(case, at, n));
    }
    say!("{pairs} pairs of faults");
}
