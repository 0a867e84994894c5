//! `concurrency`: how many runs of a workflow are under way, and what becomes of the others.

use domain::RunId;
use domain::run::RunStatus::{self, Cancelled, Queued, Succeeded, TimedOut};
use domain::run::{End, SettledBy};
use harness::workflows::{POST, post, prepare, wait, workflow};
use harness::{Delivery, Fault, World};
use runtime::{Clock, Draw};
use serde_json::{Value, json};
use std::time::Duration;
use store::RunStore;

/// A workflow whose runs tell their number, and then take five minutes.
fn limited(concurrency: Value) -> Value {
    let mut definition = workflow(json!([post("tell", POST, json!("{{ trigger.n }}")), wait("nap", "PT5M")]));
    definition["concurrency"] = concurrency;
    definition
}

async fn start(world: &World, definition: &Value, inputs: &[Value]) -> Vec<RunId> {
    prepare(&world.http);
    let mut runs = Vec::new();
    for input in inputs {
        runs.push(world.start_run(definition, input.clone()).await);
        world.deliver_until(Some(world.clock.now()), Delivery::Once).await;
    }
    runs
}

async fn numbered(world: &World, definition: &Value, runs: u64) -> Vec<RunId> {
    let inputs: Vec<Value> = (1..=runs).map(|n| json!({"n": n})).collect();
    start(world, definition, &inputs).await
}

/// The numbers told so far, in order.
fn told(world: &World) -> Vec<u64> {
    world
        .http
        .sent()
        .iter()
        .filter_map(|request| std::str::from_utf8(&request.body).ok()?.parse().ok())
        .collect()
}

async fn statuses(world: &World, runs: &[RunId]) -> Vec<RunStatus> {
    let mut statuses = Vec::new();
    for run in runs {
        statuses.push(world.run(run).await.head.status);
    }
    statuses
}

async fn error_code(world: &World, run: &RunId) -> Option<String> {
    world.run(run).await.head.error.map(|error| error.code)
}

async fn cancel(world: &World, run: &RunId) {
    let head = world.run(run).await.head;
    let end = End {
        status: Cancelled,
        at: world.clock.now(),
        error: None,
        output: None,
        outbox: head.consequences(Cancelled),
    };
    assert_eq!(world.store.finish(&world.org, run, &end).await.unwrap(), SettledBy::Us);
    let head = world.run(run).await.head;
    let queue = Some(&*world.executor.queue);
    dispatch::settle_outbox(&*world.executor.runs, queue, &*world.executor.bus, &world.org, &head)
        .await
        .unwrap();
}

#[tokio::test]
async fn runs_above_the_limit_wait_and_go_on_in_the_order_in_which_they_came() {
    let world = World::new().await;
    let began = world.clock.now();
    let runs = numbered(&world, &limited(json!({"limit": 2})), 5).await;
    assert_eq!(told(&world), [1, 2]);
    assert_eq!(
        statuses(&world, &runs[2..]).await,
        [Queued, Queued, Queued],
        "nothing is sent for who waits: {:?}",
        world.queue.waiting()
    );
    let soon = world.clock.now().plus(Duration::from_mins(6));
    world.deliver_until(Some(soon), Delivery::Once).await;
    assert_eq!(told(&world), [1, 2, 3, 4]);
    world.settle(&runs).await;
    assert_eq!(told(&world), [1, 2, 3, 4, 5]);
    assert!(statuses(&world, &runs).await.iter().all(|status| *status == Succeeded));
    let took = world.clock.now().0 - began.0;
    assert!(took < 17 * 60_000, "three rounds of five minutes, without a sweeper: {took} ms");
}

#[tokio::test]
async fn runs_share_a_limit_with_those_of_the_same_key_only() {
    let world = World::new().await;
    let definition = limited(json!({"limit": 1, "key": "{{ trigger.shop }}"}));
    let inputs = [(1, "a"), (2, "b"), (3, "a"), (4, "b")].map(|(n, shop)| json!({"n": n, "shop": shop}));
    let runs = start(&world, &definition, &inputs).await;
    assert_eq!(told(&world), [1, 2]);
    world.settle(&runs).await;
    assert_eq!(told(&world).len(), 4);
}

#[tokio::test]
async fn a_key_of_any_type_is_a_key_and_one_that_fails_fails_the_run() {
    let world = World::new().await;
    let definition = limited(json!({"limit": 1, "key": "{{ trigger.who }}"}));
    let inputs = [json!({"n": 1, "who": {"id": 7}}), json!({"n": 2, "who": {"id": 7}}), json!({"n": 3})];
    let runs = start(&world, &definition, &inputs).await;
    assert_eq!(told(&world), [1, 3], "nothing is a key as well");
    world.settle(&runs).await;

    let definition = limited(json!({"limit": 1, "key": "{{ $error('no key') }}"}));
    let runs = numbered(&world, &definition, 1).await;
    assert_eq!(error_code(&world, &runs[0]).await.as_deref(), Some("expression_failed"));
    assert_eq!(world.bus.events().len(), 1, "it failed as others do");
    assert!(world.run(&runs[0]).await.journal.entries.is_empty(), "no step of it ran");
}

#[tokio::test]
async fn a_run_above_the_limit_is_dropped() {
    let world = World::new().await;
    let definition = limited(json!({"limit": 1, "when_full": "drop"}));
    let runs = numbered(&world, &definition, 3).await;
    assert_eq!(told(&world), [1]);
    for run in &runs[1..] {
        let head = world.run(run).await.head;
        assert_eq!(head.status, Cancelled);
        assert_eq!(head.error.unwrap().code, "concurrency_full");
    }
    world.settle(&runs).await;
    let later = numbered(&world, &definition, 1).await;
    world.settle(&later).await;
    assert_eq!(statuses(&world, &later).await, [Succeeded]);
}

#[tokio::test]
async fn a_run_above_the_limit_takes_the_place_of_the_oldest() {
    let world = World::new().await;
    let definition = limited(json!({"limit": 2, "when_full": "cancel_oldest"}));
    let runs = numbered(&world, &definition, 4).await;
    assert_eq!(told(&world), [1, 2, 3, 4]);
    world.settle(&runs).await;
    assert_eq!(statuses(&world, &runs).await, [Cancelled, Cancelled, Succeeded, Succeeded]);
    let error = world.run(&runs[0]).await.head.error.unwrap();
    assert_eq!(error.code, "superseded");
    assert!(error.message.contains(runs[2].as_str()), "{}", error.message);
}

#[tokio::test]
async fn who_ends_frees_its_slot_however_it_ends() {
    let world = World::new().await;
    let mut definition = limited(json!({"limit": 1}));
    definition["timeout"] = json!("PT12M");
    let runs = numbered(&world, &definition, 4).await;
    // One that waits leaves the line, one that holds leaves its slot.
    cancel(&world, &runs[1]).await;
    cancel(&world, &runs[0]).await;
    world.deliver_until(Some(world.clock.now()), Delivery::Once).await;
    assert_eq!(told(&world), [1, 3]);
    world.settle(&runs).await;
    assert_eq!(statuses(&world, &runs).await, [Cancelled, Cancelled, Succeeded, Succeeded]);
}

#[tokio::test]
async fn a_run_that_waits_for_longer_than_its_time_limit_is_timed_out() {
    let world = World::new().await;
    let mut definition = limited(json!({"limit": 1}));
    definition["timeout"] = json!("PT8M");
    let runs = numbered(&world, &definition, 3).await;
    world.settle(&runs).await;
    assert_eq!(
        statuses(&world, &runs).await,
        [Succeeded, TimedOut, TimedOut],
        "the second had begun its wait"
    );
    assert_eq!(told(&world), [1, 2]);
    let next = numbered(&world, &definition, 1).await;
    world.settle(&next).await;
    assert_eq!(statuses(&world, &next).await, [Succeeded]);
}

/// What has to do with slots is struck at each call in turn. `tests/simulation` strikes all calls, of runs that wait.
#[tokio::test]
async fn no_fault_loses_a_slot_or_gives_it_twice() {
    const CALLS: [&str; 5] = ["mark_slot", "slots", "put_slots", "finish", "clear_outbox"];
    let definition = limited(json!({"limit": 1, "when_full": "cancel_oldest"}));
    let world = World::new().await;
    let runs = numbered(&world, &definition, 3).await;
    world.settle(&runs).await;
    let calls = world.faults.calls();
    let struck = calls.iter().enumerate().filter(|(_, call)| CALLS.contains(call));
    assert!(struck.clone().count() >= 15, "{calls:?}");
    for (n, call) in struck {
        for fault in Fault::ALL {
            let world = World::new().await;
            world.faults.plan(n, fault);
            let runs = numbered(&world, &definition, 3).await;
            world.settle(&runs).await;
            one_at_a_time(&world, &definition, &runs, &format!("{fault:?} at call {n}, `{call}`")).await;
        }
    }
}

#[tokio::test]
async fn in_storms_no_slot_is_lost_or_given_twice() {
    let mut struck = 0;
    for seed in 0..24 {
        let when_full = ["queue", "cancel_oldest"][seed as usize % 2];
        let world = World::new().await;
        let draw = harness::SeededDraw::new(seed);
        for n in 0..600 {
            if draw.draw().is_multiple_of(8) {
                world.faults.plan(n, Fault::ALL[(draw.draw() % 4) as usize]);
            }
        }
        world.faults.spare_http();
        let definition = limited(json!({"limit": 1, "when_full": when_full}));
        let runs = numbered(&world, &definition, 4).await;
        let delivery = [Delivery::Once, Delivery::TwiceInTurn, Delivery::TwiceAtOnce][(seed % 3) as usize];
        world.settle_as(&runs, delivery).await;
        one_at_a_time(&world, &definition, &runs, &format!("storm {seed}, {delivery:?}")).await;
        struck += world.faults.struck().len();
    }
    println!("{struck} faults struck");
}

async fn one_at_a_time(world: &World, definition: &Value, runs: &[RunId], about: &str) {
    let mut times = Vec::new();
    let mut succeeded = 0;
    for run in runs {
        let view = world.run(run).await;
        succeeded += usize::from(view.head.status == Succeeded);
        let first = view.journal.entries.iter().map(|entry| entry.started_at).min();
        times.extend(first.map(|first| (first, view.head.finished_at.unwrap())));
    }
    times.sort_unstable();
    for pair in times.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "{about}: two at a time: {times:?}");
    }
    match definition["concurrency"]["when_full"].as_str() {
        Some("queue") => assert_eq!(succeeded, runs.len(), "{about}"),
        _ => assert!(succeeded >= 1, "{about}: somebody goes on"),
    }
    // Whatever was left behind, who comes now goes on at once.
    world.faults.stop();
    let next = world.start_run(definition, json!({"n": 99})).await;
    world.deliver_until(Some(world.clock.now()), Delivery::Once).await;
    assert_eq!(told(world).last(), Some(&99), "{about}: a slot was lost");
    let slot = world.run(&next).await.head.slot;
    assert!(slot.is_some_and(|slot| slot.held), "{about}");
}
