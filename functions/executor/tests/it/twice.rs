//! Every message comes twice: one after the other, and at the same time.

use domain::run::Mark;
use executor::ChainBudget;
use harness::workflows::{POST, cases, post, prepare, workflow};
use harness::{Delivery, World};
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_comes_twice_changes_nothing() {
    let mut runs = 0;
    for case in cases() {
        for delivery in [Delivery::TwiceInTurn, Delivery::TwiceAtOnce] {
            for steps in [1, 100] {
                let world = World::with_budget(ChainBudget { steps, ..ChainBudget::default() }).await;
                prepare(&world.http);
                let id = world.start_run(&case.definition, json!({"n": 1})).await;
                world.settle_as(std::slice::from_ref(&id), delivery).await;
                let view = world.run(&id).await;
                let about = format!("{} {delivery:?} {steps}", case.name);
                assert_eq!(view.head.status.as_str(), case.status, "{about}");
                let mut recorded = BTreeSet::new();
                for entry in view.journal.entries.iter().filter(|e| e.input.is_some()) {
                    assert!(
                        recorded.insert((&entry.path, entry.attempt)),
                        "{about}: `{}` recorded twice",
                        entry.path
                    );
                }
                // Nobody died, so a claim keeps every second worker from its effect.
                for url in case.claimed {
                    let text = case.definition.to_string();
                    let steps = text.matches(&format!("\"{url}\"")).count();
                    let attempts = view
                        .journal
                        .entries
                        .iter()
                        .filter(|e| matches!(e.mark, Mark::Retrying { .. }))
                        .count();
                    assert_eq!(world.http.sent_to(url).len(), steps + attempts, "{about}: effects at {url}");
                }
                runs += 1;
            }
        }
    }
    println!("{runs} runs with every message delivered twice");
}

#[tokio::test]
async fn an_old_message_that_comes_again_repeats_no_recorded_effect() {
    let world = World::with_budget(ChainBudget { steps: 1, ..ChainBudget::default() }).await;
    prepare(&world.http);
    let steps = json!([post("a", POST, json!(1)), post("b", POST, json!(2)), post("c", POST, json!(3))]);
    let id = world.start_run(&workflow(steps), json!({})).await;
    let first = world.queue.sent()[0].clone();
    world.deliver(&world.queue.receive()[0]).await;
    assert_eq!(world.http.sent().len(), 1);
    assert!(world.redeliver(&first).await, "looks like a first delivery");
    assert!(world.redeliver(&harness::Message { receives: 2, ..first }).await, "looks like a second one");
    world.deliver_all().await;
    assert_eq!(world.run(&id).await.head.status.as_str(), "succeeded");
    let bodies: Vec<_> = world.http.sent().iter().map(|r| r.body.clone()).collect();
    assert_eq!(bodies, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_run_that_has_ended_takes_no_message() {
    let world = World::new().await;
    prepare(&world.http);
    let id = world.start_run(&workflow(json!([post("a", POST, json!(1))])), json!({})).await;
    world.deliver_all().await;
    let ended = world.run(&id).await;
    for message in world.queue.sent() {
        assert!(world.redeliver(&message).await);
    }
    assert_eq!(world.run(&id).await.head, ended.head);
    assert_eq!(world.http.sent().len(), 1);
}
