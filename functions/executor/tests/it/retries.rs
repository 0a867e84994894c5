//! Planned attempts: recorded before they are sent, delayed by the queue, under one key.

use domain::run::Mark;
use harness::workflows::{DOWN, GET, SHAKY, get, post, prepare, with, workflow};
use harness::{Reply, START, World};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn attempts_are_recorded_with_the_pauses_between_them() {
    let world = World::new().await;
    prepare(&world.http);
    let retry = json!({"retry": {"max_attempts": 4, "initial": "PT2S", "backoff": 3, "max_delay": "PT10S", "jitter": "none"}});
    let id = world.start_run(&workflow(json!([with(get("a", DOWN), retry)])), json!({})).await;
    world.deliver_all().await;
    let view = world.run(&id).await;
    let pauses: Vec<Option<i64>> = view
        .entries("a")
        .map(|e| match &e.mark {
            Mark::Retrying { next_at, .. } => Some((next_at.0 - e.finished_at.0) / 1000),
            _ => None,
        })
        .collect();
    assert_eq!(pauses, [Some(2), Some(6), Some(10), None]);
    assert_eq!(view.entries("a").map(|e| e.attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let sent: Vec<i64> = world.http.sent().iter().map(|r| (r.at.0 - START.0) / 1000).collect();
    assert_eq!(sent, [0, 2, 8, 18]);
    assert!(world.http.sent().windows(2).all(|pair| pair[0].key == pair[1].key), "one key for all attempts");
    assert_eq!(view.head.error.unwrap().code, "http_status");
    assert!(world.queue.waiting().is_empty());
}

#[tokio::test]
async fn the_other_sides_wish_to_be_left_alone_is_obeyed() {
    let world = World::new().await;
    world.http.script(GET, [Reply::RetryAfter(90), Reply::ok(json!(1))]);
    let id = world.start_run(&workflow(json!([get("a", GET)])), json!({})).await;
    world.deliver_all().await;
    assert_eq!(world.http.sent()[1].at, START.plus(Duration::from_secs(90)));
    assert_eq!(world.run(&id).await.head.status.as_str(), "succeeded");
}

#[tokio::test]
async fn a_pause_that_the_queue_cannot_hold_waits_in_the_due_table() {
    let world = World::new().await;
    world.http.script(GET, [Reply::RetryAfter(3600), Reply::ok(json!(1))]);
    let id = world.start_run(&workflow(json!([get("a", GET)])), json!({})).await;
    world.deliver_all().await;
    assert!(world.queue.waiting().is_empty());
    world.settle(std::slice::from_ref(&id)).await;
    assert_eq!(world.http.sent().len(), 2);
    assert_eq!(world.http.sent()[1].at, START.plus(Duration::from_hours(1)));
    assert_eq!(world.run(&id).await.head.status.as_str(), "succeeded");
}

#[tokio::test]
async fn lost_connections_are_tried_again_and_other_failures_are_not() {
    let world = World::new().await;
    world.http.script(SHAKY, [Reply::Refused, Reply::Lost, Reply::ok(json!(1))]);
    world.http.script(DOWN, [Reply::Json(422, json!("no"))]);
    let steps =
        json!([post("a", SHAKY, json!(1)), with(post("b", DOWN, json!(1)), json!({"on_error": "continue"}))]);
    let id = world.start_run(&workflow(steps), json!({})).await;
    world.deliver_all().await;
    let view = world.run(&id).await;
    assert_eq!(view.entries("a").count(), 3);
    assert_eq!(view.entries("b").count(), 1);
    assert_eq!(view.head.status.as_str(), "succeeded");
}

#[tokio::test]
async fn jitter_spreads_attempts_below_their_bound() {
    let world = World::new().await;
    prepare(&world.http);
    let retry = json!({"retry": {"max_attempts": 6, "initial": "PT8S", "backoff": 1}});
    let id = world.start_run(&workflow(json!([with(get("a", DOWN), retry)])), json!({})).await;
    world.deliver_all().await;
    let view = world.run(&id).await;
    let pauses: Vec<i64> = view
        .entries("a")
        .filter_map(|e| match &e.mark {
            Mark::Retrying { next_at, .. } => Some(next_at.0 - e.finished_at.0),
            _ => None,
        })
        .collect();
    assert_eq!(pauses.len(), 5);
    assert!(pauses.iter().all(|p| (0..=8000).contains(p)), "{pauses:?}");
    assert!(pauses.windows(2).any(|p| p[0] != p[1]), "{pauses:?}");
}
