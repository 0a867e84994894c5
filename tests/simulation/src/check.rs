//! What holds of every world, whatever struck it.

use crate::library::{Outcome, outcome};
use crate::ports::{MAIL, lock};
use crate::world::{Ended, World};
use domain::Millis;
use domain::run::{Mark, RunStatus};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

pub(crate) fn all(world: &World, expected: &[Arc<Outcome>]) {
    let runs = world.ended();
    let seed = world.seed();
    // 1. What was accepted is there, once.
    let of_cases = runs.iter().filter(|run| run.case.is_some()).count();
    assert_eq!(of_cases, world.wanted(), "seed {seed}: every accepted start is one run");
    let ids: BTreeSet<_> = runs.iter().map(|run| &run.head.id).collect();
    assert_eq!(ids.len(), runs.len(), "seed {seed}: a run is there twice");
    for run in &runs {
        recorded_once(world, run);
        // 4. Every run ends, and tells whom it must.
        assert!(run.head.status.is_terminal() && run.head.outbox.is_empty(), "seed {seed}");
        if let Some(n) = run.case {
            as_expected(world, run, n, &expected[n]);
        }
        // 5. A run is its organisation's.
        let began = run.head.started_at;
        let apart = world.clocks_differ_by();
        assert!(run.journal.entries.iter().all(|e| e.started_at.plus(apart) >= began), "seed {seed}");
    }
    assert_eq!(world.ended_again(), [], "seed {seed}: an end is an end");
    called_once(seed, &runs);
    within_limits(world, &runs);
    answers(world, &runs);
    effects(world, &runs);
    turns(world, &runs);
    events(world, &runs);
    // No key is written by everybody at the rate of their runs.
    for (key, writes) in world.shared_writes() {
        assert!(writes <= 2 * world.ticks(), "seed {seed}: `{key}` was written {writes} times");
    }
}

/// Each event that was to be gathered is in one run, once, and every run ends.
pub(crate) fn gathered(world: &World) {
    let seed = world.seed();
    let mut events = Vec::new();
    let mut lost = 0;
    for run in world.ended() {
        let code = run.head.error.as_ref().map(|e| e.code.as_str());
        assert!(run.head.status.is_terminal() && run.head.outbox.is_empty(), "seed {seed}");
        match run.head.input.as_ref().and_then(|input| input["items"].as_array()) {
            Some(items) => {
                assert!(items.len() <= 3, "seed {seed}: {} events in a batch of 3", items.len());
                events.extend(items.iter().filter_map(|item| item["event"].as_u64()));
            }
            // Ten crashes over its first message are a visible failure; what it had gathered is with it.
            None if code == Some("dead_letter") => lost += 3,
            None => assert_eq!(code, Some("nothing_gathered"), "seed {seed}: {:?}", run.head),
        }
    }
    let told = events.len();
    events.sort_unstable();
    events.dedup();
    assert_eq!(events.len(), told, "seed {seed}: an event is in two runs: {events:?}");
    assert!(
        told + lost >= world.wanted() && told <= world.wanted(),
        "seed {seed}: an event is lost: {events:?}"
    );
}

/// Whoever answered a step was told which answer counts, and that is the one that the run went on with.
fn answers(world: &World, runs: &[Ended]) {
    let seed = world.seed();
    for (run, path, told) in world.taken() {
        let Some(run) = runs.iter().find(|r| r.head.id == run) else { continue };
        let outcome = run.journal.entries.iter().find_map(|e| match &e.mark {
            Mark::Succeeded(output) if e.path == path => Some(output),
            _ => None,
        });
        let Some(output) = outcome else { continue };
        let counted = output.get("body").or(output.get("comment")).cloned().unwrap_or_default();
        assert_eq!(
            counted, told,
            "seed {seed}: the answer to `{path}` that counts is not the one that was told"
        );
    }
}

/// 2. Each step instance has one recorded outcome, each attempt of an effect one record.
fn recorded_once(world: &World, run: &Ended) {
    let seed = world.seed();
    let mut outcomes: BTreeMap<&str, &Mark> = BTreeMap::new();
    let mut attempts = BTreeSet::new();
    for entry in &run.journal.entries {
        let open = matches!(
            entry.mark,
            Mark::Forked { .. } | Mark::Awaiting { .. } | Mark::Started { .. } | Mark::Retrying { .. }
        );
        if !open {
            let before = outcomes.insert(&entry.path, &entry.mark);
            assert!(
                before.is_none_or(|before| *before == entry.mark),
                "seed {seed}: two outcomes of `{}`",
                entry.path
            );
        }
        let effect = open || entry.input.is_some() || matches!(entry.mark, Mark::Waiting { .. });
        assert!(
            !effect || attempts.insert((&entry.path, entry.attempt)),
            "seed {seed}: `{}` recorded twice",
            entry.path
        );
    }
}

/// A step that waits for a run of another workflow has called one.
fn called_once(seed: u64, runs: &[Ended]) {
    let mut steps = BTreeSet::new();
    for parent in runs.iter().filter_map(|run| run.head.parent.as_ref()) {
        assert!(
            steps.insert((&parent.run, &parent.path)),
            "seed {seed}: `{}` called more than one run",
            parent.path
        );
    }
}

/// No more runs of a workflow were under way at the same time than it allows.
fn within_limits(world: &World, runs: &[Ended]) {
    let mut by_slots: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for run in runs {
        let Some(slot) = &run.head.slot else { continue };
        let Some(began) = run.journal.entries.iter().map(|e| e.started_at).min() else { continue };
        let limit = run.case.map(|n| world.case_of(n).definition["concurrency"]["limit"].as_u64());
        let times = (began, run.head.finished_at.unwrap_or(began));
        by_slots.entry((&run.head.org, &slot.of)).or_default().push((limit.flatten().unwrap_or(0), times));
    }
    for runs in by_slots.values() {
        for (limit, (began, _)) in runs {
            let apart = world.clocks_differ_by();
            let at_once = |from: &Millis, to: &Millis| from <= began && began.plus(apart) < *to;
            let under_way = runs.iter().filter(|(_, (from, to))| at_once(from, to)).count();
            let seed = world.seed();
            assert!(under_way as u64 <= *limit, "seed {seed}: {under_way} runs at a time, {limit} may be");
        }
    }
}

fn as_expected(world: &World, run: &Ended, n: usize, expected: &Outcome) {
    let (seed, name) = (world.seed(), world.case_of(n).name);
    let came = outcome(world.case_of(n), &run.head, &run.journal);
    let code = run.head.error.as_ref().map(|e| e.code.as_str());
    // Ten crashes over one message are a dead letter, and a visible failure.
    if code == Some("dead_letter") || (world.dead_letters > 0 && came.status != expected.status) {
        return;
    }
    assert_eq!(came.status, expected.status, "seed {seed}: {name}: {:?}", run.head.error);
    if world.case_of(n).at_most_once.is_some()
        || name == "an arm fails while another waits"
        || name.starts_with("an item fails")
    {
        // Whether an effect was under way when its worker was lost, or a strand when its neighbour failed, is chance.
        return;
    }
    assert_eq!(came.steps, expected.steps, "seed {seed}: {name}");
}

/// 3. One key for each effect, one body under each key; at most once where that was asked for.
fn effects(world: &World, runs: &[Ended]) {
    let seed = world.seed();
    let mut bodies: HashMap<String, Vec<u8>> = HashMap::new();
    let mut times: HashMap<String, u64> = HashMap::new();
    let mut urls: HashMap<String, String> = HashMap::new();
    for effect in lock(&world.http.effects).iter() {
        let before = bodies.insert(effect.key.clone(), effect.body.to_vec());
        assert!(
            before.is_none_or(|before| before == effect.body),
            "seed {seed}: another body under the same key at {}",
            effect.url
        );
        let at = urls.insert(effect.key.clone(), effect.url.clone());
        assert!(at.is_none_or(|at| at == effect.url), "seed {seed}: one key at two addresses");
        *times.entry(effect.key.clone()).or_default() += 1;
    }
    for run in runs {
        let Some(n) = run.case else { continue };
        let Some(url) = world.case_of(n).at_most_once else { continue };
        let key = engine::idempotency_key(&run.head, "once");
        let sent = times.get(&key).copied().unwrap_or(0);
        assert!(
            sent <= 1,
            "seed {seed}: {url} was called {sent} times by a step that may not be tried twice"
        );
    }
    // In calm weather a claimed effect takes place once.
    if world.gate.struck() == 0 && world.weather().one_in == 0 {
        for run in runs {
            let Some(n) = run.case else { continue };
            let case = world.case_of(n);
            for (key, url) in &urls {
                if case.claimed.contains(&url.as_str())
                    && !case.definition.to_string().contains("max_attempts")
                {
                    assert_eq!(times[key], 1, "seed {seed}: {}: {url}", case.name);
                }
            }
        }
    }
}

/// No organisation sent an app more requests in any second than it takes. Who freezes between its turn and its request is late, and
/// nobody can know.
fn turns(world: &World, runs: &[Ended]) {
    let [.., frozen_before, frozen_after] = world.gate.by_fault();
    if frozen_before + frozen_after > 0 {
        return;
    }
    let keys = runs.iter().flat_map(|run| {
        ["one", "other"].map(|path| (engine::idempotency_key(&run.head, path), &run.head.org))
    });
    let org_of: HashMap<_, _> = keys.collect();
    let mut times: HashMap<_, Vec<i64>> = HashMap::new();
    for effect in lock(&world.http.effects).iter().filter(|effect| effect.url == MAIL) {
        times.entry(org_of[&effect.key]).or_default().push(effect.at.0);
    }
    for times in times.values_mut() {
        times.sort_unstable();
        for three in times.windows(3) {
            let seed = world.seed();
            assert!(three[2] - three[0] >= 1000, "seed {seed}: three requests in a second: {three:?}");
        }
    }
}

/// A failed run is told of at least once, another never; an emitted event has one key.
fn events(world: &World, runs: &[Ended]) {
    let seed = world.seed();
    let events = lock(&world.bus.events);
    let mut told: HashMap<&str, u64> = HashMap::new();
    for event in events.iter().filter(|e| e.detail_type == "Run failed") {
        *told.entry(event.detail["run"].as_str().unwrap_or_default()).or_default() += 1;
    }
    for run in runs {
        let times = told.get(run.head.id.as_str()).copied().unwrap_or(0);
        let failed = matches!(run.head.status, RunStatus::Failed | RunStatus::TimedOut);
        assert_eq!(failed, times > 0, "seed {seed}: a failure event of a run that is {}", run.head.status);
    }
    let mut by_key: HashMap<&str, &serde_json::Value> = HashMap::new();
    for event in events.iter().filter(|e| e.detail_type == "Said") {
        let Some(chain) = &event.chain else { panic!("seed {seed}: an emitted event without a key") };
        let before = by_key.insert(&chain.key, &event.detail);
        assert!(before.is_none_or(|before| *before == event.detail), "seed {seed}: two events under one key");
    }
}
