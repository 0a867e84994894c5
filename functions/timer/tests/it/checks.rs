//! Checks: silent runs, backlogs, time limits, ends.

use crate::ticks::waiting;
use domain::Millis;
use domain::run::RunStatus;
use harness::{START, World};
use runtime::Clock;
use serde_json::json;
use std::time::Duration;
use store::{DueKind, DueStore};
use timer::{resend_unfinished, tick};

fn quick() -> serde_json::Value {
    json!({"name": "test", "triggers": [{"id": "manual", "type": "manual"}], "steps": [
        {"id": "a", "type": "action", "use": "http.request", "input": {"url": "https://example.com/"}}]})
}

#[tokio::test]
async fn a_run_whose_message_got_lost_is_sent_again() {
    let world = World::new().await;
    let run = world.start_run(&quick(), json!({})).await;
    world.queue.lose_all();
    for minute in 1..=11 {
        world.pass(Duration::from_mins(1));
        tick(&world.timer).await.unwrap();
        assert_eq!(world.queue.waiting().len(), usize::from(minute > 10), "minute {minute}");
    }
    world.deliver_all().await;
    assert_eq!(world.run(&run).await.head.status, RunStatus::Succeeded);
}

#[tokio::test]
async fn a_backlog_is_not_silence_but_the_run_stays_watched() {
    let world = World::new().await;
    let run = world.start_run(&quick(), json!({})).await;
    world.queue.lose_all();
    world.queue.pretend_backlog(1000);
    world.pass(Duration::from_mins(11));
    tick(&world.timer).await.unwrap();
    assert!(world.queue.waiting().is_empty());
    let next = world.store.all_due().await.unwrap().into_iter().map(|d| d.at).max().unwrap();
    assert_eq!(next, world.clock.now().plus(Duration::from_mins(10)));
    world.queue.pretend_backlog(0);
    world.settle(std::slice::from_ref(&run)).await;
    assert_eq!(world.run(&run).await.head.status, RunStatus::Succeeded);
}

#[tokio::test]
async fn a_run_that_waits_as_planned_is_left_alone() {
    let world = World::new().await;
    world.start_run(&waiting("PT3H"), json!({})).await;
    world.deliver_all().await;
    let sent = world.queue.sent().len();
    for _ in 0..170 {
        world.pass(Duration::from_mins(1));
        tick(&world.timer).await.unwrap();
    }
    assert_eq!(world.queue.sent().len(), sent);
}

#[tokio::test]
async fn a_run_past_its_limit_is_timed_out_though_nothing_else_happens() {
    let world = World::new().await;
    let mut definition = waiting("P2D");
    definition["timeout"] = json!("PT25M");
    let run = world.start_run(&definition, json!({})).await;
    world.deliver_all().await;
    while world.clock.now() < START.plus(Duration::from_mins(25)) {
        tick(&world.timer).await.unwrap();
        assert_eq!(world.run(&run).await.head.status, RunStatus::Waiting);
        world.pass(Duration::from_mins(1));
    }
    for _ in 0..2 {
        tick(&world.timer).await.unwrap();
        world.pass(Duration::from_mins(1));
    }
    let head = world.run(&run).await.head;
    assert_eq!((head.status, head.error.unwrap().code.as_str()), (RunStatus::TimedOut, "run_timeout"));
    assert!(head.outbox.is_empty());
    assert_eq!(world.bus.events().len(), 1);
}

#[tokio::test]
async fn a_limit_of_a_second_is_kept_too() {
    let world = World::new().await;
    let mut definition = quick();
    definition["timeout"] = json!("PT1S");
    let run = world.start_run(&definition, json!({})).await;
    world.queue.lose_all();
    for _ in 0..3 {
        world.pass(Duration::from_mins(1));
        tick(&world.timer).await.unwrap();
    }
    assert_eq!(world.run(&run).await.head.status, RunStatus::TimedOut);
}

#[tokio::test]
async fn an_ended_run_is_checked_no_more() {
    let world = World::new().await;
    world.start_run(&quick(), json!({})).await;
    world.deliver_all().await;
    let mut checked = 0;
    for _ in 0..40 {
        world.pass(Duration::from_mins(1));
        checked += tick(&world.timer).await.unwrap().checked;
    }
    assert_eq!(checked, 1);
    assert!(world.queue.waiting().is_empty());
}

#[tokio::test]
async fn after_a_start_without_a_queue_every_unfinished_run_goes_on() {
    let world = World::new().await;
    let mut runs = Vec::new();
    for n in 0..30 {
        runs.push(world.start_run(&quick(), json!({"n": n})).await);
    }
    let first: Vec<_> = world.queue.receive().into_iter().take(10).collect();
    for message in &first {
        world.deliver(message).await;
    }
    world.queue.lose_all();
    assert_eq!(resend_unfinished(&world.timer).await.unwrap(), 20);
    world.deliver_all().await;
    for run in &runs {
        assert_eq!(world.run(run).await.head.status, RunStatus::Succeeded);
    }
    assert_eq!(resend_unfinished(&world.timer).await.unwrap(), 0);
}

#[tokio::test]
async fn every_live_run_has_a_check_at_any_time() {
    let world = World::new().await;
    let run = world.start_run(&waiting("PT100M"), json!({})).await;
    world.deliver_all().await;
    for _ in 0..95 {
        world.pass(Duration::from_mins(1));
        tick(&world.timer).await.unwrap();
        let low = Millis(world.store.low_water().await.unwrap().over[0].unwrap() * 60_000);
        let due = world.store.all_due().await.unwrap();
        assert!(due.iter().any(|d| d.kind == DueKind::Check && d.run == run && d.at >= low));
    }
}
