//! When apps are polled: at their pace, one chain of entries each, whatever the timer missed.

use dispatch::TriggerMessage;
use domain::poll::next_after;
use domain::{Millis, WorkflowId};
use harness::{START, World};
use serde_json::{Value, json};
use std::time::Duration;
use store::{DueEntry, DueKind, DueStore};

const MINUTE: i64 = 60_000;

fn definition(every: &str) -> Value {
    json!({"name": "polled", "triggers": [{"id": "new", "type": "poll", "use": "github.new_issue", "every": every}],
        "steps": [{"id": "a", "type": "map", "output": 1}]})
}

async fn enabled(world: &World, every: Duration, written: &str) -> (WorkflowId, Millis) {
    let workflow = world.save(&definition(written)).await;
    let first = next_after(&format!("{workflow}/new"), every, START.plus(DueEntry::SOONEST));
    world.store.put_due(&DueEntry::poll(&world.org, &workflow, "new", first)).await.unwrap();
    (workflow, first)
}

/// Lets so many minutes pass, and takes the polls off the queue: when each could be received.
async fn polls(world: &World, minutes: i64) -> Vec<Millis> {
    let mut found = Vec::new();
    let mut take = |until: Millis| {
        while let Some(at) = world.queue.next_at().filter(|at| *at <= until) {
            world.clock.advance_to(at);
            for message in world.queue.receive() {
                assert!(TriggerMessage::decode(&message.body).is_some(), "{}", message.body);
                world.queue.delete(message.id);
                found.push(at);
            }
        }
    };
    for _ in 0..minutes {
        let tick_at = Millis((world.timer.clock.now().0.div_euclid(MINUTE) + 1) * MINUTE + 2000);
        take(tick_at);
        world.clock.advance_to(tick_at);
        assert!(world.tick().await);
    }
    take(world.timer.clock.now());
    found
}

async fn entries(world: &World) -> Vec<DueEntry> {
    let mut due = world.store.all_due().await.unwrap();
    due.retain(|entry| entry.kind == DueKind::Poll);
    due
}

#[tokio::test]
async fn an_app_is_asked_at_its_pace() {
    for (every, written) in [(Duration::from_mins(1), "PT1M"), (Duration::from_mins(5), "PT5M")] {
        let world = World::new().await;
        let (_, first) = enabled(&world, every, written).await;
        let found = polls(&world, 30).await;
        let wanted = i64::try_from(every.as_millis()).unwrap();
        assert!(i64::try_from(found.len()).unwrap() >= 26 * MINUTE / wanted, "{found:?}");
        for (n, at) in (0..).zip(&found) {
            // SQS delays by whole seconds.
            let late = at.0 - (first.0 + n * wanted);
            assert!((0..1000).contains(&late), "{written}: {late} ms late of {n}");
        }
        assert_eq!(entries(&world).await.len(), 1, "one chain");
    }
}

#[tokio::test]
async fn what_was_missed_is_one_poll_and_the_chain_goes_on() {
    let world = World::new().await;
    let every = Duration::from_mins(5);
    let (_, first) = enabled(&world, every, "PT5M").await;
    // The timer is away for two hours.
    world.clock.advance_to(first.plus(Duration::from_hours(2)));
    let found = polls(&world, 11).await;
    let at_once = found.iter().filter(|at| first.plus(Duration::from_mins(123)) > **at).count();
    assert_eq!(at_once, 1, "{found:?}");
    assert!((3..=4).contains(&found.len()), "{found:?}");
    assert_eq!(entries(&world).await.len(), 1);
}

#[tokio::test]
async fn a_pace_that_was_changed_has_one_chain() {
    let world = World::new().await;
    let workflow = world.save(&definition("PT5M")).await;
    // An entry of an earlier version's pace, and one of this one's.
    let of = format!("{workflow}/new");
    let at = next_after(&of, Duration::from_mins(5), START.plus(DueEntry::SOONEST));
    for at in [Millis(at.0 + 1234), at] {
        world.store.put_due(&DueEntry::poll(&world.org, &workflow, "new", at)).await.unwrap();
    }
    let found = polls(&world, 12).await;
    assert!((1..=3).contains(&found.len()), "{found:?}");
    assert_eq!(entries(&world).await.len(), 1);
}

#[tokio::test]
async fn who_asks_nothing_any_more_has_no_entry() {
    let world = World::new().await;
    let other = json!({"name": "polled no more", "triggers": [{"id": "new", "type": "manual"}], "steps": [{"id": "a", "type": "map", "output": 1}]});
    let workflow = world.save(&other).await;
    world
        .store
        .put_due(&DueEntry::poll(&world.org, &workflow, "new", START.plus(DueEntry::SOONEST)))
        .await
        .unwrap();
    let gone = WorkflowId::from_bytes([8; 16]);
    world
        .store
        .put_due(&DueEntry::poll(&world.org, &gone, "new", START.plus(DueEntry::SOONEST)))
        .await
        .unwrap();
    assert!(polls(&world, 4).await.is_empty());
    assert!(entries(&world).await.is_empty());
}
