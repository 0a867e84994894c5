//! Cancelling, time limits, and what the end of a run brings about.

use domain::run::{End, RunStatus, SettledBy};
use executor::ChainBudget;
use harness::workflows::{DOWN, GET, POST, get, map, post, prepare, wait, with, workflow};
use harness::{Fault, World};
use runtime::Clock;
use serde_json::json;
use std::time::Duration;
use store::RunStore;

fn cancelled(world: &World) -> End {
    End { status: RunStatus::Cancelled, at: world.clock.now(), error: None, output: None, outbox: Vec::new() }
}

#[tokio::test]
async fn no_step_runs_after_a_cancel() {
    let world = World::with_budget(ChainBudget { steps: 1, ..ChainBudget::default() }).await;
    prepare(&world.http);
    let steps = json!([get("a", GET), post("b", POST, json!(1)), get("c", GET)]);
    let id = world.start_run(&workflow(steps), json!({})).await;
    world.deliver(&world.queue.receive()[0]).await;
    assert_eq!(world.store.finish(&world.org, &id, &cancelled(&world)).await.unwrap(), SettledBy::Us);
    world.deliver_all().await;
    let view = world.run(&id).await;
    assert_eq!(view.head.status, RunStatus::Cancelled);
    assert_eq!(world.http.sent().len(), 1);
    assert!(view.outcome("b").is_none());
    assert!(world.bus.events().is_empty());
}

#[tokio::test]
async fn a_cancelled_wait_stays_cancelled_when_it_is_over() {
    let world = World::new().await;
    prepare(&world.http);
    let id = world.start_run(&workflow(json!([wait("nap", "PT20M"), get("a", GET)])), json!({})).await;
    world.deliver_all().await;
    world.store.finish(&world.org, &id, &cancelled(&world)).await.unwrap();
    for _ in 0..25 {
        world.pass(Duration::from_mins(1));
        world.tick().await;
        world.deliver_all().await;
    }
    assert_eq!(world.run(&id).await.head.status, RunStatus::Cancelled);
    assert!(world.http.sent().is_empty());
}

#[tokio::test]
async fn a_run_past_its_limit_is_timed_out_by_the_next_message() {
    let world = World::new().await;
    prepare(&world.http);
    let mut definition = workflow(json!([wait("nap", "PT5M"), get("a", GET)]));
    definition["timeout"] = json!("PT2M");
    let id = world.start_run(&definition, json!({})).await;
    world.deliver_all().await;
    let head = world.run(&id).await.head;
    assert_eq!((head.status, head.error.unwrap().code.as_str()), (RunStatus::TimedOut, "run_timeout"));
    assert!(world.http.sent().is_empty());
    assert_eq!(world.bus.events()[0].detail["status"], "timed_out");
}

#[tokio::test]
async fn the_failure_event_outlives_a_crash_between_its_sending_and_its_clearing() {
    let world = World::new().await;
    prepare(&world.http);
    let steps = json!([with(get("a", DOWN), json!({"retry": {"max_attempts": 1}}))]);
    let id = world.start_run(&workflow(steps), json!({})).await;
    // head, http, append, append (of `on_failure`), finish, bus, clear_outbox
    world.faults.plan_next(6, Fault::CrashBefore);
    world.deliver(&world.queue.receive()[0]).await;
    assert_eq!(world.faults.struck(), [("clear_outbox", Fault::CrashBefore)]);
    assert_eq!(world.run(&id).await.head.outbox.len(), 1);
    world.deliver_all().await;
    assert!(world.run(&id).await.head.outbox.is_empty());
    let runs: Vec<_> = world.bus.events().iter().map(|e| e.detail["run"].clone()).collect();
    assert_eq!(runs, [json!(id.as_str()), json!(id.as_str())], "receivers know it by its run");
}

#[tokio::test]
async fn a_failure_event_that_the_bus_refused_is_sent_by_the_sweeper() {
    let world = World::new().await;
    prepare(&world.http);
    let steps = json!([with(get("a", DOWN), json!({"retry": {"max_attempts": 1}}))]);
    let id = world.start_run(&workflow(steps), json!({})).await;
    world.faults.plan_next(4, Fault::Before);
    world.deliver(&world.queue.receive()[0]).await;
    world.queue.lose_all();
    assert!(world.bus.events().is_empty());
    world.settle(std::slice::from_ref(&id)).await;
    assert_eq!(world.bus.events().len(), 1);
}

#[tokio::test]
async fn a_stop_gives_the_runs_status_message_and_output() {
    let world = World::new().await;
    let stop = json!({"id": "halt", "type": "stop", "status": "failed", "message": "no {{ steps.a }}", "output": {"n": "{{ steps.a }}"}});
    let id = world
        .start_run(&workflow(json!([map("a", json!(3)), stop, map("never", json!(1))])), json!({}))
        .await;
    world.deliver_all().await;
    let view = world.run(&id).await;
    let error = view.head.error.unwrap();
    assert_eq!(
        (error.code.as_str(), error.message.as_str(), error.step.as_deref()),
        ("stopped", "no 3", Some("halt"))
    );
    assert_eq!(view.head.output, Some(json!({"n": 3})));
    assert!(view.journal.entries.iter().all(|e| e.path != "never"));
}

#[tokio::test]
async fn the_first_answer_stays() {
    let world = World::new().await;
    let answer = |id: &str, status: u16| json!({"id": id, "type": "respond", "status": status, "headers": {"X-A": "b"}, "body": {"from": id}});
    let id = world.start_run(&workflow(json!([answer("one", 201), answer("two", 202)])), json!({})).await;
    world.deliver_all().await;
    let (stored, head) = world.store.peek_answer(&world.org, &id).await.unwrap();
    let stored = stored.unwrap();
    assert_eq!((stored.status, stored.body), (201, json!({"from": "one"})));
    assert_eq!(stored.headers, [("x-a".to_owned(), "b".to_owned())]);
    assert_eq!(head.unwrap().status.as_str(), "succeeded");
}
