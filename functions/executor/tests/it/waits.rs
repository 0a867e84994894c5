//! Waits: short ones in the queue, long ones in the due table.

use domain::run::RunStatus;
use harness::workflows::{GET, get, map, prepare, wait, workflow};
use harness::{START, World};
use runtime::Clock;
use serde_json::json;
use std::time::Duration;
use store::{DueKind, DueStore};

#[tokio::test]
async fn a_wait_of_a_quarter_of_an_hour_is_left_to_the_queue() {
    let world = World::new().await;
    prepare(&world.http);
    let id = world.start_run(&workflow(json!([wait("nap", "PT15M"), get("a", GET)])), json!({})).await;
    world.deliver(&world.queue.receive()[0]).await;
    assert_eq!(world.queue.waiting()[0].delay, Duration::from_mins(15));
    let head = world.run(&id).await.head;
    assert_eq!((head.status, head.wake_at), (RunStatus::Waiting, Some(START.plus(Duration::from_mins(15)))));
    world.deliver_all().await;
    assert_eq!(world.http.sent()[0].at, START.plus(Duration::from_mins(15)));
    assert_eq!(world.run(&id).await.head.status.as_str(), "succeeded");
}

#[tokio::test]
async fn a_longer_wait_is_woken_by_the_timer_on_time() {
    let world = World::new().await;
    prepare(&world.http);
    let id = world.start_run(&workflow(json!([wait("sleep", "PT2H"), get("a", GET)])), json!({})).await;
    world.deliver_all().await;
    assert!(world.queue.waiting().is_empty());
    let due = world.store.all_due().await.unwrap();
    assert!(due.iter().any(|d| d.kind == DueKind::Wake && d.at == START.plus(Duration::from_hours(2))));
    world.settle(std::slice::from_ref(&id)).await;
    assert_eq!(world.http.sent()[0].at, START.plus(Duration::from_hours(2)));
    let due = world.store.all_due().await.unwrap();
    assert!(due.iter().all(|d| d.kind != DueKind::Wake), "a wake that was sent is gone");
}

#[tokio::test]
async fn a_message_that_comes_during_a_wait_does_not_shorten_it() {
    let world = World::new().await;
    prepare(&world.http);
    let id = world.start_run(&workflow(json!([wait("nap", "PT10M"), get("a", GET)])), json!({})).await;
    let first = world.queue.receive()[0].clone();
    world.deliver(&first).await;
    world.pass(Duration::from_mins(4));
    world.redeliver(&harness::Message { receives: 2, ..first }).await;
    assert!(world.http.sent().is_empty());
    world.deliver_all().await;
    assert_eq!(world.http.sent().first().unwrap().at, START.plus(Duration::from_mins(10)));
    assert_eq!(world.run(&id).await.head.status.as_str(), "succeeded");
}

#[tokio::test]
async fn a_wait_until_a_time_that_has_passed_is_none() {
    let world = World::new().await;
    let until = json!({"id": "nap", "type": "wait", "until": "2001-01-01T00:00:00Z"});
    let id = world.start_run(&workflow(json!([until, map("a", json!(1))])), json!({})).await;
    world.deliver_all().await;
    assert_eq!(world.clock.now(), START);
    assert_eq!(world.run(&id).await.head.status.as_str(), "succeeded");
}

#[tokio::test]
async fn a_wait_for_what_is_no_duration_fails_the_run() {
    let world = World::new().await;
    let id = world.start_run(&workflow(json!([wait("nap", "{{ trigger.x }}")])), json!({"x": "soon"})).await;
    world.deliver_all().await;
    assert_eq!(world.run(&id).await.head.error.unwrap().code, "invalid_duration");
}
