//! Each call of each port fails in turn, before and after it took effect, and the worker dies before and after it.

use domain::RunId;
use domain::run::{Mark, StepStatus};
use executor::ChainBudget;
use harness::workflows::{Case, cases, prepare};
use harness::{Delivery, Fault, RunView, World};
use runtime::Draw;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn step_by_step() -> ChainBudget {
    ChainBudget { steps: 1, ..ChainBudget::default() }
}

/// The workflows that are struck here, on the real tables; `tests/simulation` strikes all of them on a model.
fn a_few() -> Vec<Case> {
    const NAMES: [&str; 6] =
        ["two posts", "a long wait", "at most once", "a loop", "parallel arms", "everything"];
    cases().into_iter().filter(|case| NAMES.contains(&case.name)).collect()
}

/// Runs a case to its end with the faults that are planned.
async fn finish(world: &World, case: &Case, delivery: Delivery) -> (RunId, RunView) {
    prepare(&world.http);
    let id = world.start_run(&case.definition, json!({"n": 1})).await;
    world.settle_as(std::slice::from_ref(&id), delivery).await;
    let view = world.run(&id).await;
    (id, view)
}

/// What holds of every ended run, whatever struck it.
fn check(world: &World, case: &Case, view: &RunView, expected: &RunView, about: &str) {
    let name = case.name;
    assert_eq!(view.head.status, expected.head.status, "{name}: {about}");
    assert!(view.head.outbox.is_empty(), "{name}: {about}: consequences were sent");

    // One outcome for each step instance, and one record for each attempt of an effect.
    let mut outcomes: BTreeMap<&str, &Mark> = BTreeMap::new();
    let mut attempts = BTreeSet::new();
    for entry in &view.journal.entries {
        // What is not over yet has its outcome in a later attempt.
        let open = matches!(entry.mark, Mark::Forked { .. } | Mark::Awaiting { .. });
        if !open && entry.status(entry.finished_at) != StepStatus::Retrying {
            let before = outcomes.insert(&entry.path, &entry.mark);
            assert!(
                before.is_none_or(|b| *b == entry.mark),
                "{name}: {about}: two outcomes of `{}`",
                entry.path
            );
        }
        let effect = entry.input.is_some()
            || open
            || matches!(entry.mark, Mark::Waiting { .. } | Mark::Retrying { .. });
        assert!(
            !effect || attempts.insert((&entry.path, entry.attempt)),
            "{name}: {about}: `{}` recorded twice",
            entry.path
        );
    }
    assert!(view.journal.claims.is_empty(), "{name}: {about}: a claim without an outcome is left");
    let (took, wanted): (Vec<String>, Vec<String>) =
        (view.history().into_keys().collect(), expected.history().into_keys().collect());
    assert_eq!(took, wanted, "{name}: {about}: the same steps");

    // One key for each effect, and no effect more often than faults explain.
    let struck = world.faults.struck();
    let mut keys: BTreeMap<(String, Vec<u8>), BTreeSet<String>> = BTreeMap::new();
    let mut bodies: BTreeMap<String, BTreeSet<Vec<u8>>> = BTreeMap::new();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for request in world.http.sent() {
        // Steps of a loop may ask the same without a body.
        if !request.body.is_empty() {
            keys.entry((request.url.clone(), request.body.to_vec())).or_default().insert(request.key.clone());
        }
        bodies.entry(request.key.clone()).or_default().insert(request.body.to_vec());
        *times.entry(request.url).or_default() += 1;
    }
    assert!(
        keys.values().all(|keys| keys.len() == 1),
        "{name}: {about}: one effect under two keys: {keys:?}"
    );
    assert!(
        bodies.values().all(|bodies| bodies.len() == 1),
        "{name}: {about}: another body under the same key"
    );
    for url in case.claimed {
        let planned = expected_times(case, url);
        let sent = times.get(*url).copied().unwrap_or_default();
        assert!(sent <= planned + struck.len(), "{name}: {about}: {sent} effects at {url}");
    }
    if let Some(url) = case.at_most_once {
        assert!(times.get(url).copied().unwrap_or_default() <= 1, "{name}: {about}: attempted twice");
    }
    let failures = world.bus.events().iter().filter(|e| e.detail_type == "Run failed").count();
    match view.head.status.as_str() {
        // Told at least once; receivers know it by its run.
        "failed" => assert!(failures >= 1, "{name}: {about}"),
        _ => assert_eq!(failures, 0, "{name}: {about}"),
    }
}

fn expected_times(case: &Case, url: &str) -> usize {
    let text = case.definition.to_string();
    let steps = text.matches(&format!("\"{url}\"")).count();
    if text.contains("max_attempts") { steps * 2 } else { steps }
}

#[tokio::test]
async fn without_faults_each_workflow_ends_as_it_should() {
    for case in cases() {
        for budget in [ChainBudget::default(), step_by_step()] {
            let world = World::with_budget(budget).await;
            let (_, view) = finish(&world, &case, Delivery::Once).await;
            assert_eq!(view.head.status.as_str(), case.status, "{}: {:?}", case.name, view.head.error);
            check(&world, &case, &view, &view, "no fault");
        }
    }
}

#[tokio::test]
async fn every_call_may_fail_or_kill_its_worker() {
    strike_each_call(ChainBudget::default()).await;
}

#[tokio::test]
async fn every_call_may_fail_or_kill_its_worker_with_a_message_for_each_effect() {
    strike_each_call(step_by_step()).await;
}

async fn strike_each_call(budget: ChainBudget) {
    let (mut points, mut workflows) = (0, 0);
    for case in a_few() {
        workflows += 1;
        let world = World::with_budget(budget).await;
        let (_, expected) = finish(&world, &case, Delivery::Once).await;
        for (n, call) in world.faults.calls().iter().enumerate() {
            for fault in Fault::ALL {
                // An error of HTTP is an outcome of the step: the workflow's retries tell of it, not the protocol's.
                if *call == "http" && matches!(fault, Fault::Before | Fault::After) {
                    continue;
                }
                let world = World::with_budget(budget).await;
                world.faults.plan(n, fault);
                let (_, view) = finish(&world, &case, Delivery::Once).await;
                assert_eq!(world.faults.struck().len(), 1, "{}: call {n} `{call}` took place", case.name);
                check(&world, &case, &view, &expected, &format!("{fault:?} at call {n}, `{call}`"));
                points += 1;
            }
        }
    }
    println!("{points} fault points in {workflows} workflows, {} effects a message", budget.steps);
}

#[tokio::test]
async fn a_storm_of_faults_changes_no_outcome() {
    let (mut struck, mut runs) = (0, 0);
    for case in a_few() {
        let world = World::new().await;
        let (_, expected) = finish(&world, &case, Delivery::Once).await;
        for seed in 0..12 {
            let world =
                World::with_budget(if seed % 2 == 0 { ChainBudget::default() } else { step_by_step() }).await;
            let draw = harness::SeededDraw::new(seed);
            for n in 0..400 {
                if draw.draw().is_multiple_of(8) {
                    world.faults.plan(n, Fault::ALL[(draw.draw() % 4) as usize]);
                }
            }
            // Errors of HTTP are outcomes: in the storm only workers die there.
            world.faults.spare_http();
            let delivery =
                [Delivery::Once, Delivery::TwiceInTurn, Delivery::TwiceAtOnce][(seed % 3) as usize];
            let (_, view) = finish(&world, &case, delivery).await;
            check(&world, &case, &view, &expected, &format!("storm {seed}, {delivery:?}"));
            struck += world.faults.struck().len();
            runs += 1;
        }
    }
    println!("{struck} faults struck {runs} runs");
}

#[tokio::test]
async fn a_message_that_fails_ten_times_becomes_a_dead_letter() {
    let case = &cases()[2];
    let world = World::new().await;
    prepare(&world.http);
    let id = world.start_run(&case.definition, json!({"n": 1})).await;
    for n in 0..40 {
        world.faults.plan_next(n, Fault::Before);
    }
    world.deliver_all().await;
    world.pass(Duration::from_mins(20));
    world.faults.stop();
    let dead = world.queue.dead();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].receives, 10);
    deadletter::one(&world.deadletter(), &dead[0].body).await.unwrap();
    let head = world.run(&id).await.head;
    assert_eq!((head.status.as_str(), head.error.unwrap().code.as_str()), ("failed", "dead_letter"));
    assert_eq!(world.bus.events().len(), 1);
}
