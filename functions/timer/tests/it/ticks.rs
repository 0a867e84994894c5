//! Minutes: missed ones are caught up, and one that fails holds up no other.

use domain::{Millis, RunId};
use harness::{Fault, START, World};
use runtime::Clock;
use serde_json::{Value, json};
use std::time::Duration;
use store::{DueEntry, DueKind, DueStore, LowWater};
use timer::{TickError, Ticked, tick};

const MINUTE: i64 = 60_000;

pub(crate) fn waiting(length: &str) -> Value {
    json!({"name": "test", "triggers": [{"id": "manual", "type": "manual"}], "steps": [
        {"id": "sleep", "type": "wait", "for": length}, {"id": "after", "type": "map", "output": 1}]})
}

fn wake(world: &World, n: u8, at: Millis) -> DueEntry {
    DueEntry {
        org: world.org.clone(),
        run: RunId::from_bytes([n; 16]),
        strand: String::new(),
        kind: DueKind::Wake,
        at,
        of: None,
        priority: domain::run::Priority::default(),
    }
}

#[tokio::test]
async fn a_wake_is_released_two_minutes_ahead_with_the_rest_as_its_delay() {
    let world = World::new().await;
    for (n, seconds) in [(1, 0), (2, 45), (3, 119), (4, 300)] {
        let at = START.plus(Duration::from_secs(seconds));
        world.store.put_due(&wake(&world, n, at)).await.unwrap();
    }
    assert_eq!(tick(&world.timer).await.unwrap(), Ticked { woken: 3, ..Ticked::default() });
    let mut delays: Vec<u64> = world.queue.sent().iter().map(|m| m.delay.as_secs()).collect();
    delays.sort_unstable();
    assert_eq!(delays, [0, 45, 119]);
    assert_eq!(tick(&world.timer).await.unwrap(), Ticked::default(), "what was sent is gone");
}

#[tokio::test]
async fn a_wait_that_could_not_be_released_is_released_by_the_next_tick_of_that_minute() {
    let world = World::new().await;
    let soon = wake(&world, 1, START.plus(Duration::from_secs(119)));
    world.store.put_due(&soon).await.unwrap();
    world.faults.outage(Some("send"));
    tick(&world.timer).await.unwrap_err();
    assert!(world.store.low_water().await.unwrap().ahead.contains(&Some(soon.minute())));
    world.faults.outage(None);
    assert_eq!(tick(&world.timer).await.unwrap().woken, 1);
}

#[tokio::test]
async fn a_minute_is_read_once_ahead_and_once_when_it_is_over() {
    let world = World::new().await;
    tick(&world.timer).await.unwrap();
    world.cloud.meter().switch(true);
    for _ in 0..3 {
        world.pass(Duration::from_mins(1));
        world.cloud.meter().take();
        tick(&world.timer).await.unwrap();
        let metered = world.cloud.meter().take();
        let reads: Vec<_> = metered.iter().filter(|(name, _)| name.starts_with("dynamodb.Query")).collect();
        assert_eq!(reads.len(), 1, "{metered:?}");
        assert_eq!(
            (reads[0].1.calls, reads[0].1.units),
            (32, 24.0),
            "16 strong ones and 16 at half the price"
        );
    }
}

/// How many waits; `make soak` asks for a million.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how much it shall do")]
fn asked() -> Option<u32> {
    std::env::var("PATCHBAY_PENDING_WAITS").ok()?.parse().ok()
}

/// A wait that is pending lies in its own minute, and no tick comes near it before: so a million cost what none cost.
#[tokio::test]
async fn pending_waits_cost_a_tick_nothing_however_many_there_are() {
    let many = asked().unwrap_or(10_000);
    let world = World::new().await;
    tick(&world.timer).await.unwrap();
    let of_a_tick = async || {
        world.pass(Duration::from_mins(1));
        world.cloud.meter().switch(true);
        world.cloud.meter().take();
        assert_eq!(tick(&world.timer).await.unwrap(), Ticked::default());
        world.cloud.meter().switch(false);
        world.cloud.meter().take()
    };
    let of_none = of_a_tick().await;
    // Over a day, the first of them in an hour.
    let entries: Vec<DueEntry> = (0..many)
        .map(|n| DueEntry {
            run: RunId::from_bytes(u128::from(n).to_be_bytes()),
            ..wake(&world, 0, START.plus(Duration::from_secs(3600 + u64::from(n) * 86_400 / u64::from(many))))
        })
        .collect();
    for some in entries.chunks(50) {
        futures::future::try_join_all(some.iter().map(|entry| world.store.put_due(entry))).await.unwrap();
    }
    for _ in 0..3 {
        assert_eq!(of_a_tick().await, of_none);
    }
    println!("{many} pending waits: a tick costs {of_none:?}");
}

#[tokio::test]
async fn what_cannot_be_read_or_looked_at_holds_up_no_shard() {
    use aws_sdk_dynamodb::types::AttributeValue;
    let world = World::new().await;
    let due = |sk: &str| (format!("m#{}#0", START.0 / MINUTE), sk.to_owned());
    for (pk, sk) in [
        due("no key of ours"),
        due(&format!("{}#{}#later-kind", world.org.org(), RunId::from_bytes([7; 16]))),
    ] {
        aws_sdk_dynamodb::Client::new(&world.cloud.sdk_config())
            .put_item()
            .table_name(&world.tables.due)
            .item("pk", AttributeValue::S(pk))
            .item("sk", AttributeValue::S(sk))
            .item("at", AttributeValue::N(START.0.to_string()))
            .send()
            .await
            .unwrap();
    }
    let run = world.start_run(&waiting("PT1H"), json!({})).await;
    world.deliver_all().await;
    // Its check comes due while heads cannot be read.
    world.faults.outage(Some("head"));
    world.pass(Duration::from_mins(11));
    assert!(matches!(tick(&world.timer).await, Err(TickError::Postponed(1))), "what failed is told");
    let low = world.store.low_water().await.unwrap();
    assert_eq!(low.over, [Some(world.clock.now().0 / MINUTE); 16], "the low-water mark goes on");
    let left = world.store.all_due().await.unwrap();
    let again = |d: &DueEntry| d.run == run && d.kind == DueKind::Check && d.at > world.clock.now();
    assert!(left.iter().any(again), "it is looked at again: {left:?}");
}

#[tokio::test]
async fn missed_minutes_are_caught_up() {
    let world = World::new().await;
    for n in 0..90 {
        world.store.put_due(&wake(&world, n, Millis(START.0 + i64::from(n) * MINUTE))).await.unwrap();
    }
    world.pass(Duration::from_mins(100));
    assert_eq!(tick(&world.timer).await.unwrap().woken, 90);
    let low = world.store.low_water().await.unwrap();
    assert_eq!(low.over, [Some(world.clock.now().0 / MINUTE); 16]);
    assert_eq!(low.ahead, [Some(world.clock.now().0 / MINUTE + 3); 16]);
}

#[tokio::test]
async fn a_long_outage_is_caught_up_in_several_ticks() {
    let world = World::new().await;
    for n in 0..10_u8 {
        world.store.put_due(&wake(&world, n, Millis(START.0 + i64::from(n) * 60 * MINUTE))).await.unwrap();
    }
    world.pass(Duration::from_hours(10));
    let mut woken = Vec::new();
    for _ in 0..3 {
        woken.push(tick(&world.timer).await.unwrap().woken);
        world.pass(Duration::from_mins(1));
    }
    assert_eq!(woken.iter().sum::<usize>(), 10, "{woken:?}");
    assert!(woken[0] < 10, "one tick looks at four hours at most: {woken:?}");
}

#[tokio::test]
async fn the_first_tick_of_a_deployment_looks_an_hour_back() {
    let world = World::new().await;
    world.store.set_low_water(&LowWater::default()).await.unwrap();
    world.store.put_due(&wake(&world, 1, Millis(START.0 - 55 * MINUTE))).await.unwrap();
    assert_eq!(tick(&world.timer).await.unwrap().woken, 1);
}

#[tokio::test]
async fn a_tick_that_dies_anywhere_loses_no_wake() {
    let mut points = 0;
    for n in 0..8 {
        for fault in Fault::ALL {
            let world = World::new().await;
            let run = world.start_run(&waiting("PT16M"), json!({})).await;
            world.deliver_all().await;
            world.pass(Duration::from_mins(16));
            world.faults.plan_next(n, fault);
            world.settle(std::slice::from_ref(&run)).await;
            assert_eq!(world.run(&run).await.head.status.as_str(), "succeeded", "{fault:?} at {n}");
            points += world.faults.struck().len();
        }
    }
    assert!(points >= 24, "the faults struck: {points}");
    println!("{points} faults struck the timer");
}

#[tokio::test]
async fn one_run_that_is_not_readable_holds_up_no_other() {
    use aws_sdk_dynamodb::primitives::Blob;
    use aws_sdk_dynamodb::types::AttributeValue;
    let world = World::new().await;
    let mut runs = Vec::new();
    for n in 0..20 {
        runs.push(world.start_run(&waiting("PT20M"), json!({"n": n})).await);
    }
    world.deliver_all().await;
    let spoilt = runs.remove(3);
    aws_sdk_dynamodb::Client::new(&world.cloud.sdk_config())
        .update_item()
        .table_name(&world.tables.runs)
        .key("pk", AttributeValue::S(format!("{}#{spoilt}", world.org.org())))
        .key("sk", AttributeValue::S("h".into()))
        .update_expression("SET er = :bad")
        .expression_attribute_values(":bad", AttributeValue::B(Blob::new([9])))
        .send()
        .await
        .unwrap();
    for _ in 0..25 {
        world.pass(Duration::from_mins(1));
        assert!(world.tick().await, "the tick gets through");
        world.deliver_until(Some(world.clock.now()), harness::Delivery::Once).await;
    }
    for run in &runs {
        assert_eq!(world.run(run).await.head.status.as_str(), "succeeded");
    }
    let low = world.store.low_water().await.unwrap();
    assert_eq!(low.over, [Some(world.clock.now().0 / MINUTE); 16], "the low-water mark goes on");
}

#[tokio::test]
async fn a_bus_that_is_down_holds_up_no_wake() {
    let world = World::new().await;
    let mut late = waiting("PT40M");
    late["timeout"] = json!("PT16M");
    let mut runs = Vec::new();
    for n in 0..12 {
        runs.push(world.start_run(&waiting("PT18M"), json!({"n": n})).await);
        runs.push(world.start_run(&late, json!({"n": n})).await);
    }
    world.deliver_all().await;
    world.pass(Duration::from_mins(17));
    world.faults.outage(Some("bus"));
    assert!(!world.tick().await, "what failed is told");
    world.pass(Duration::from_mins(2));
    world.tick().await;
    world.deliver_until(Some(world.clock.now()), harness::Delivery::Once).await;
    for run in runs.iter().step_by(2) {
        assert_eq!(world.run(run).await.head.status.as_str(), "succeeded");
    }
    world.faults.outage(None);
    world.settle(&runs).await;
    for run in runs.iter().skip(1).step_by(2) {
        assert_eq!(world.run(run).await.head.status.as_str(), "timed_out");
    }
    assert_eq!(world.bus.events().len(), 12, "every failure event is sent in the end");
}
