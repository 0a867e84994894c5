//! Claims: one worker at a time causes an effect that must not be caused twice.

use domain::Millis;
use harness::workflows::{POST, post, prepare, with, workflow};
use harness::{Delivery, Fault, Reply, START, World};
use runtime::Clock;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use store::{Claim, RunStore};
use tokio::sync::Notify;

/// Lets a world begin a run whose first step another worker holds until 35 seconds from now.
async fn claimed_by_another(world: &World, step: serde_json::Value) -> (domain::RunId, store::Held) {
    prepare(&world.http);
    let id = world.start_run(&workflow(json!([step])), json!({})).await;
    let head = world.run(&id).await.head;
    let lease = Duration::from_secs(35);
    let claim = world
        .store
        .claim(&world.org, &head, &store::Attempt::main("a", 1), world.clock.now(), lease)
        .await
        .unwrap();
    let Claim::Ours { held, taken_over: false } = claim else { panic!("{claim:?}") };
    (id, held)
}

#[tokio::test]
async fn a_live_claim_is_waited_for() {
    let world = World::new().await;
    claimed_by_another(&world, post("a", POST, json!(1))).await;
    world.deliver(&world.queue.receive()[0]).await;
    assert!(world.http.sent().is_empty());
    let again = world.queue.sent().pop().unwrap();
    assert_eq!(again.visible_at, START.plus(Duration::from_secs(35)), "it comes back when the lease ends");
}

#[tokio::test]
async fn a_claim_that_ran_out_is_taken_over_and_its_old_holder_records_nothing() {
    let world = World::new().await;
    let (id, old) = claimed_by_another(&world, post("a", POST, json!(1))).await;
    let head = world.run(&id).await.head;
    world.deliver_all().await;
    let view = world.run(&id).await;
    assert_eq!(view.head.status.as_str(), "succeeded");
    assert_eq!(world.http.sent().len(), 1);
    assert_eq!(world.http.sent()[0].at, START.plus(Duration::from_secs(35)));
    let late = domain::run::Segment { entries: view.journal.entries.clone() };
    let appended = world.store.append(&world.org, &head, "", &late, Some(old)).await.unwrap();
    assert!(matches!(appended, store::Appended::Lost(_)));
}

#[tokio::test]
async fn what_may_not_be_tried_twice_is_not_and_says_so() {
    let world = World::new().await;
    let step = with(post("a", POST, json!(1)), json!({"at_most_once": true}));
    let (id, _) = claimed_by_another(&world, step).await;
    world.deliver_all().await;
    let view = world.run(&id).await;
    assert!(world.http.sent().is_empty());
    assert_eq!(view.head.error.unwrap().code, "outcome_unknown");
}

#[tokio::test]
async fn a_worker_that_outlives_its_lease_leaves_the_run_to_its_successor() {
    let world = World::new().await;
    let go = Arc::new(Notify::new());
    world
        .http
        .script(POST, [Reply::Held(go.clone(), Box::new(Reply::ok(json!("late")))), Reply::ok(json!("new"))]);
    let id = world.start_run(&workflow(json!([post("a", POST, json!(1))])), json!({})).await;
    let first = world.queue.receive()[0].clone();
    let successor = async {
        while world.http.sent().is_empty() {
            tokio::task::yield_now().await;
        }
        world.pass(Duration::from_secs(36));
        assert!(world.redeliver(&harness::Message { receives: 2, ..first.clone() }).await);
        go.notify_one();
    };
    assert!(tokio::join!(world.deliver(&first), successor).0, "who lost has nothing to report");
    world.deliver_all().await;
    let view = world.run(&id).await;
    assert_eq!((view.entries("a").count(), &view.output("a")["body"]), (1, &json!("new")));
    assert_eq!(view.head.status.as_str(), "succeeded");
    let keys: Vec<String> = world.http.sent().into_iter().map(|r| r.key).collect();
    assert_eq!(keys, [keys[0].clone(), keys[0].clone()], "the successor sends under the same key");
}

#[tokio::test]
async fn a_mark_that_fails_does_not_interrupt_an_effect() {
    let world = World::new().await;
    let go = Arc::new(Notify::new());
    world.http.script(POST, [Reply::Held(go.clone(), Box::new(Reply::ok(json!("done"))))]);
    let step = with(post("a", POST, json!(1)), json!({"at_most_once": true}));
    let id = world.start_run(&workflow(json!([step])), json!({})).await;
    // head, claim, http, mark_running
    world.faults.plan_next(3, Fault::Before);
    let answered = async {
        while world.faults.struck().is_empty() {
            tokio::task::yield_now().await;
        }
        go.notify_one();
    };
    tokio::join!(world.deliver_all(), answered);
    assert_eq!(world.faults.struck(), [("mark_running", Fault::Before)]);
    let view = world.run(&id).await;
    assert_eq!(view.head.status.as_str(), "succeeded", "{:?}", view.head.error);
    assert_eq!(world.http.sent().len(), 1);
}

#[tokio::test]
async fn a_worker_that_dies_while_it_sends_is_followed_under_the_same_key() {
    let world = World::new().await;
    world.http.script(POST, [Reply::Panic, Reply::ok(json!({}))]);
    let id = world.start_run(&workflow(json!([post("a", POST, json!(1))])), json!({})).await;
    world.deliver_all_as(Delivery::Once).await;
    let sent = world.http.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].key, sent[1].key);
    assert!(sent[1].at >= Millis(START.0 + 720_000), "SQS hands it out again after the visibility timeout");
    assert_eq!(world.run(&id).await.head.status.as_str(), "succeeded");
}
