//! Dead letters over a whole deployment.

use deadletter::one;
use domain::run::{End, RunStatus, SettledBy};
use harness::{Fault, START, World};
use serde_json::{Value, json};
use store::RunStore;

fn workflow() -> Value {
    json!({"name": "test", "triggers": [{"id": "manual", "type": "manual"}], "steps": [
        {"id": "a", "type": "action", "use": "http.request", "input": {"url": "https://example.com/"}}]})
}

#[tokio::test]
async fn a_dead_letter_fails_its_run_and_says_so_once() {
    let world = World::new().await;
    let run = world.start_run(&workflow(), json!({})).await;
    let letter = world.queue.sent()[0].body.clone();
    for _ in 0..3 {
        one(&world.deadletter(), &letter).await.unwrap();
    }
    let head = world.run(&run).await.head;
    assert_eq!((head.status, head.error.unwrap().code.as_str()), (RunStatus::Failed, "dead_letter"));
    assert!(head.outbox.is_empty());
    assert_eq!(world.bus.events().len(), 1);
    assert_eq!(world.bus.events()[0].detail["error"]["code"], "dead_letter");
}

#[tokio::test]
async fn a_late_success_loses() {
    let world = World::new().await;
    let run = world.start_run(&workflow(), json!({})).await;
    one(&world.deadletter(), &world.queue.sent()[0].body).await.unwrap();
    let success =
        End { status: RunStatus::Succeeded, at: START, error: None, output: None, outbox: Vec::new() };
    let SettledBy::Another(winner) = world.store.finish(&world.org, &run, &success).await.unwrap() else {
        panic!("a failed run succeeded")
    };
    assert_eq!(winner.status, RunStatus::Failed);
    world.deliver_all().await;
    assert_eq!(world.run(&run).await.head.status, RunStatus::Failed);
    assert!(world.http.sent().is_empty());
}

#[tokio::test]
async fn a_run_that_has_ended_is_not_failed() {
    let world = World::new().await;
    let run = world.start_run(&workflow(), json!({})).await;
    world.deliver_all().await;
    one(&world.deadletter(), &world.queue.sent()[0].body).await.unwrap();
    assert_eq!(world.run(&run).await.head.status, RunStatus::Succeeded);
    assert!(world.bus.events().is_empty());
}

#[tokio::test]
async fn a_consumer_that_fails_anywhere_is_made_good_by_the_next_delivery() {
    let mut points = 0;
    for n in 0..5 {
        for fault in [Fault::Before, Fault::After] {
            let world = World::new().await;
            let run = world.start_run(&workflow(), json!({})).await;
            let letter = world.queue.sent()[0].body.clone();
            world.faults.plan_next(n, fault);
            assert!(one(&world.deadletter(), &letter).await.is_err(), "{fault:?} at {n}");
            one(&world.deadletter(), &letter).await.unwrap();
            let head = world.run(&run).await.head;
            assert_eq!((head.status, head.outbox.len()), (RunStatus::Failed, 0));
            assert!((1..=2).contains(&world.bus.events().len()));
            points += 1;
        }
    }
    println!("{points} fault points of the dead-letter consumer");
}

#[tokio::test]
async fn what_names_no_run_is_dropped() {
    let world = World::new().await;
    one(&world.deadletter(), "{").await.unwrap();
    let nobody = dispatch::StepMessage::again(world.org.org(), &domain::RunId::from_bytes([9; 16]));
    one(&world.deadletter(), &nobody.encode()).await.unwrap();
    assert!(world.bus.events().is_empty());
}
