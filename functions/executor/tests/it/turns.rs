//! Turns at an app: who has none is put back, which is no attempt of its step, and nothing is lost or doubled on the way.

use domain::run::RunStatus;
use domain::{ConnectionId, RunId};
use harness::workflows::workflow;
use harness::{Delivery, Fault, Reply, START, World};
use runtime::Clock;
use serde_json::{Value, json};
use std::time::Duration;

/// Takes two requests a second.
const MAIL: &str = "https://api.resend.com/emails";
const LIST: &str = "https://api.resend.com/emails?limit=100";

fn connection() -> ConnectionId {
    ConnectionId::from_bytes([4; 16])
}

async fn world() -> World {
    let world = World::new().await;
    world.connect(&connection(), "resend", "key", &json!({"token": "re_0123456789"})).await;
    world.http.script(MAIL, [Reply::ok(json!({"id": "m"}))]);
    world
}

fn mail(id: &str) -> Value {
    json!({"id": id, "type": "action", "use": "resend.send_email", "connection": connection().as_str(),
        "input": {"from": "a@example.com", "to": ["b@example.com"], "subject": "Hello"}})
}

async fn start(world: &World, count: usize) -> Vec<RunId> {
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push(world.start_run(&workflow(json!([mail("one")])), json!({})).await);
    }
    runs
}

/// The most requests within any second.
fn most(world: &World) -> usize {
    let times: Vec<i64> = world.http.sent_to(MAIL).iter().map(|sent| sent.at.0).collect();
    times
        .iter()
        .map(|from| times.iter().filter(|at| (*from..*from + 1000).contains(*at)).count())
        .max()
        .unwrap()
}

async fn all_succeeded(world: &World, runs: &[RunId]) {
    for run in runs {
        let view = world.run(run).await;
        assert_eq!(view.head.status, RunStatus::Succeeded);
        assert_eq!(
            view.entries("one").map(|entry| entry.attempt).collect::<Vec<_>>(),
            [1],
            "no attempt is burnt"
        );
    }
}

#[tokio::test]
async fn steps_without_a_turn_are_put_back_and_burn_no_attempt() {
    let world = world().await;
    let runs = start(&world, 12).await;
    world.deliver_until(Some(START), Delivery::Once).await;
    let waits = world.run(&runs[11]).await.head;
    let limited = waits.limited.expect("it waits for its turn");
    assert_eq!((waits.status, waits.wake_at), (RunStatus::Waiting, Some(limited.until)));
    assert_eq!((limited.path.as_str(), limited.app.as_str()), ("one", "Resend"));
    world.settle(&runs).await;
    all_succeeded(&world, &runs).await;
    assert_eq!(world.http.sent_to(MAIL).len(), 12);
    assert!(most(&world) <= 2, "{:?}", world.http.sent_to(MAIL));
}

#[tokio::test]
async fn an_app_that_asks_to_be_left_alone_is_left_alone_by_all_runs() {
    let world = world().await;
    world.http.script(MAIL, [Reply::RetryAfter(90), Reply::ok(json!({"id": "m"}))]);
    let runs = start(&world, 3).await;
    world.settle(&runs).await;
    let sent = world.http.sent_to(MAIL);
    assert_eq!(sent.len(), 4, "one was refused, and nobody else ran into it");
    assert!(sent[1..].iter().all(|sent| sent.at >= START.plus(Duration::from_secs(90))), "{sent:?}");
}

#[tokio::test]
async fn who_dies_or_fails_at_any_call_loses_and_doubles_nothing() {
    let calls = {
        let world = world().await;
        let runs = start(&world, 3).await;
        world.settle(&runs).await;
        world.faults.calls()
    };
    assert!(calls.contains(&"turn") && calls.contains(&"mark_limited"), "{calls:?}");
    for n in 0..calls.len() {
        for fault in Fault::ALL {
            let world = world().await;
            world.faults.plan(n, fault);
            let runs = start(&world, 3).await;
            world.settle(&runs).await;
            for run in &runs {
                let status = world.run(run).await.head.status;
                assert_eq!(
                    status,
                    RunStatus::Succeeded,
                    "{fault:?} at call {n}: {:?}",
                    world.faults.struck()
                );
            }
            let mut keys: Vec<String> = world.http.sent_to(MAIL).into_iter().map(|sent| sent.key).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), 3, "{fault:?} at call {n}: one key for each effect");
            assert!(world.http.sent_to(MAIL).len() <= 4, "{fault:?} at call {n}");
        }
    }
}

#[tokio::test]
async fn calls_without_a_limit_ask_no_table_for_one() {
    let world = world().await;
    let get = json!({"id": "one", "type": "action", "use": "http.request", "input": {"url": "https://example.com/x"}});
    let id = world.start_run(&workflow(json!([get])), json!({})).await;
    world.settle(std::slice::from_ref(&id)).await;
    assert!(!world.faults.calls().contains(&"turn"));
}

#[tokio::test]
async fn a_list_that_has_begun_and_gets_no_further_turn_fails_its_attempt() {
    let world = world().await;
    let items: Vec<Value> = (0..100).map(|n| json!({"id": format!("e{n}")})).collect();
    world.http.script(LIST, [Reply::ok(json!({"data": items, "has_more": true}))]);
    let mut list = json!({"id": "one", "type": "action", "use": "resend.list_emails", "connection": connection().as_str(),
        "input": {"max_items": 200}, "retry": {"max_attempts": 1}});
    list["timeout"] = json!("PT10S");
    let id = world.start_run(&workflow(json!([list])), json!({})).await;
    world.settle(std::slice::from_ref(&id)).await;
    let error = world.run(&id).await.head.error.expect("its time was not enough");
    assert_eq!(error.code, "app_limited");
    assert!(!world.faults.calls().contains(&"block"), "the app did not ask to be left alone");
    assert!(world.clock.now() < START.plus(Duration::from_mins(2)));
}
