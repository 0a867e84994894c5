//! Triggers that gather events: in batches, or until it is quiet.

use crate::{event, runs};
use domain::run::{Head, RunStatus};
use harness::{Delivery, Fault, World};
use ingest::one;
use runtime::{Clock, Draw};
use serde_json::{Value, json};
use std::time::Duration;
use store::RunStore;

fn gathering(field: &str, how: Value) -> Value {
    let mut trigger = json!({"id": "in", "type": "event", "pattern": {"source": ["shop"]}});
    trigger[field] = how;
    json!({"name": "test", "triggers": [trigger], "steps": [{"id": "a", "type": "map", "output": "{{ trigger }}"}]})
}

/// An event comes, as often as it takes until it is dealt with; its worker may die.
async fn comes(world: &World, id: &str, detail: Value) {
    let body = event(world, id, "shop", "x", &detail);
    for _ in 0..30 {
        let (app, body) = (world.ingest(), body.clone());
        if matches!(tokio::spawn(async move { one(&app, &body).await }).await, Ok(Ok(_))) {
            return;
        }
    }
    panic!("the event `{id}` was never dealt with");
}

async fn ended(world: &World) -> Vec<Head> {
    let heads = runs(world).await;
    let ids: Vec<_> = heads.iter().map(|head| head.id.clone()).collect();
    world.settle(&ids).await;
    let mut ended = Vec::new();
    for id in ids {
        ended.push(world.run(&id).await.head);
    }
    ended.sort_by_key(|head| (head.started_at, head.finished_at));
    ended
}

/// The ids of the events of each batch.
fn batches(heads: &[Head]) -> Vec<Vec<String>> {
    let ids = |head: &Head| {
        let items = head.input.as_ref()?["items"].as_array()?.clone();
        Some(items.iter().map(|item| item["event"]["id"].as_str().unwrap_or_default().to_owned()).collect())
    };
    heads.iter().filter(|head| head.status == RunStatus::Succeeded).filter_map(ids).collect()
}

#[tokio::test]
async fn a_batch_begins_when_its_time_is_over_or_when_it_is_full() {
    let world = World::new().await;
    world.save(&gathering("batch", json!({"for": "PT1M", "size": 3}))).await;
    for n in 1..=4 {
        comes(&world, &format!("e{n}"), json!({})).await;
        world.pass(Duration::from_secs(2));
    }
    world.deliver_until(Some(world.clock.now()), Delivery::Once).await;
    let full = runs(&world).await.into_iter().filter(|head| head.status == RunStatus::Succeeded).count();
    assert_eq!(
        (full, runs(&world).await.len()),
        (1, 2),
        "the first three do not wait for the end of the minute"
    );
    let heads = ended(&world).await;
    assert_eq!(batches(&heads), [vec!["e1", "e2", "e3"], vec!["e4"]]);
    let waited = heads[1].finished_at.unwrap().0 - heads[1].started_at.0;
    assert!((60_000..75_000).contains(&waited), "{waited} ms");
    // A later event opens the next one.
    comes(&world, "e5", json!({})).await;
    assert_eq!(batches(&ended(&world).await).len(), 3);
}

#[tokio::test]
async fn an_event_that_comes_again_is_gathered_once() {
    let world = World::new().await;
    world.save(&gathering("batch", json!({"for": "PT10S"}))).await;
    for id in ["e1", "e2", "e1"] {
        comes(&world, id, json!({})).await;
    }
    assert_eq!(batches(&ended(&world).await), [vec!["e1", "e2"]]);
    // Also when the next batch is open.
    comes(&world, "e3", json!({})).await;
    comes(&world, "e2", json!({})).await;
    assert_eq!(batches(&ended(&world).await), [vec!["e1", "e2"], vec!["e3"]]);
}

#[tokio::test]
async fn events_are_gathered_with_those_of_their_key() {
    let world = World::new().await;
    let how = json!({"for": "PT10S", "key": "{{ trigger.event.detail.shop }}"});
    world.save(&gathering("batch", how)).await;
    for (id, shop) in [
        ("e1", json!("a")),
        ("e2", json!("b")),
        ("e3", json!("a")),
        ("e4", json!({"no": 1})),
        ("e5", Value::Null),
    ] {
        comes(&world, id, json!({"shop": shop})).await;
    }
    let mut found = batches(&ended(&world).await);
    found.sort();
    assert_eq!(found, [vec!["e1", "e3"], vec!["e2"], vec!["e4"], vec!["e5"]]);
}

#[tokio::test]
async fn a_batch_has_no_more_than_fits_into_a_run() {
    let world = World::new().await;
    world.save(&gathering("batch", json!({"for": "PT10S"}))).await;
    for n in 0..4 {
        comes(&world, &format!("e{n}"), json!({"large": "x".repeat(100_000)})).await;
        world.pass(Duration::from_millis(10));
    }
    assert_eq!(batches(&ended(&world).await), [vec!["e0", "e1"], vec!["e2", "e3"]]);
}

#[tokio::test]
async fn the_newest_event_counts_once_it_is_quiet() {
    let world = World::new().await;
    world.save(&gathering("debounce", json!({"for": "PT10S", "at_most": "PT25S"}))).await;
    let newest = |head: &Head| {
        let input = head.input.clone().unwrap();
        (input["event"]["id"].as_str().unwrap_or_default().to_owned(), input["count"].clone())
    };
    for n in 1..=3 {
        comes(&world, &format!("e{n}"), json!({})).await;
        world.pass(Duration::from_secs(5));
        world.deliver_until(Some(world.clock.now()), Delivery::Once).await;
    }
    let heads = ended(&world).await;
    assert_eq!(heads.iter().map(newest).collect::<Vec<_>>(), [("e3".to_owned(), json!(3))]);
    let waited = heads[0].finished_at.unwrap().0 - heads[0].started_at.0;
    assert!((20_000..23_000).contains(&waited), "ten seconds after the third: {waited} ms");

    // It is never quiet: the run begins all the same.
    for n in 4..=9 {
        comes(&world, &format!("e{n}"), json!({})).await;
        world.pass(Duration::from_secs(8));
        world.deliver_until(Some(world.clock.now()), Delivery::Once).await;
    }
    let heads = ended(&world).await;
    assert_eq!(
        heads[1..].iter().map(newest).collect::<Vec<_>>(),
        [("e7".to_owned(), json!(4)), ("e9".to_owned(), json!(2))]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_come_at_the_same_time_are_all_gathered() {
    let world = World::new().await;
    world.save(&gathering("batch", json!({"for": "PT10S", "size": 4}))).await;
    let all: Vec<_> = (0..20).map(|n| format!("e{n:02}")).collect();
    futures::future::join_all(all.iter().map(|id| comes(&world, id, json!({})))).await;
    let mut found = batches(&ended(&world).await);
    assert!(found.iter().all(|batch| batch.len() <= 4), "{found:?}");
    found.sort();
    let mut each: Vec<String> = found.concat();
    each.sort();
    assert_eq!(each, all);
}

#[tokio::test]
async fn the_time_limit_of_a_run_counts_from_when_it_begins() {
    let world = World::new().await;
    let mut definition = gathering("batch", json!({"for": "PT10M"}));
    definition["timeout"] = json!("PT1M");
    world.save(&definition).await;
    comes(&world, "e1", json!({})).await;
    let heads = ended(&world).await;
    assert_eq!(batches(&heads), [vec!["e1"]], "{:?}", heads[0].error);
}

#[tokio::test]
async fn a_run_that_is_cancelled_while_it_gathers_takes_no_more() {
    let world = World::new().await;
    world.save(&gathering("batch", json!({"for": "PT10S"}))).await;
    comes(&world, "e1", json!({})).await;
    let first = runs(&world).await[0].id.clone();
    let end = domain::run::End {
        status: RunStatus::Cancelled,
        at: world.clock.now(),
        error: None,
        output: None,
        outbox: Vec::new(),
    };
    world.store.finish(&world.org, &first, &end).await.unwrap();
    comes(&world, "e2", json!({})).await;
    assert_eq!(batches(&ended(&world).await), [vec!["e2"]]);
}

/// Whatever is struck, each event is in one batch, once.
#[tokio::test]
async fn no_fault_loses_an_event_or_gathers_it_twice() {
    let world = World::new().await;
    let calls = gathered_in(&world).await;
    let mut points = 0;
    for n in 0..calls {
        for fault in Fault::ALL {
            let world = World::new().await;
            world.faults.plan(n, fault);
            gathered_in(&world).await;
            points += 1;
        }
    }
    println!("{points} fault points of events that are gathered");
}

#[tokio::test]
async fn in_storms_each_event_is_gathered_once() {
    let mut struck = 0;
    for seed in 0..20 {
        let world = World::new().await;
        let draw = harness::SeededDraw::new(seed);
        for n in 0..300 {
            if draw.draw().is_multiple_of(7) {
                world.faults.plan(n, Fault::ALL[(draw.draw() % 4) as usize]);
            }
        }
        gathered_in(&world).await;
        struck += world.faults.struck().len();
    }
    println!("{struck} faults struck");
}

/// Gathers five events, one of which comes twice, and gives how many calls that took.
async fn gathered_in(world: &World) -> usize {
    world.save(&gathering("batch", json!({"for": "PT10S", "size": 3}))).await;
    for id in ["e1", "e2", "e3", "e2", "e4", "e5"] {
        comes(world, id, json!({})).await;
        world.pass(Duration::from_secs(3));
        world.deliver_until(Some(world.clock.now()), Delivery::Once).await;
    }
    let heads = ended(world).await;
    for head in &heads {
        let empty = head.error.as_ref().is_some_and(|error| error.code == "nothing_gathered");
        assert!(empty || head.status == RunStatus::Succeeded, "{:?}: {:?}", world.faults.struck(), head);
    }
    let mut each: Vec<String> = batches(&heads).concat();
    each.sort();
    assert_eq!(each, ["e1", "e2", "e3", "e4", "e5"], "{:?}", world.faults.struck());
    world.faults.calls().len()
}
