//! Runs that a schedule starts: each time once, to the second, whatever the timer missed.

use dispatch::Quotas;
use domain::audit::{Action, Record};
use domain::{Millis, WorkflowId};
use harness::{Delivery, START, World};
use serde_json::{Value, json};
use std::time::Duration;
use store::{DueEntry, DueStore, RunFilter};

const MINUTE: i64 = 60_000;

fn every(schedule: &str, fields: Value) -> Value {
    let mut trigger = json!({"id": "clock", "type": "schedule", "schedule": schedule});
    trigger.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({"name": "scheduled", "triggers": [trigger], "steps": [{"id": "at", "type": "map", "output": "{{ trigger.scheduled_at }}"}]})
}

/// Puts down the first time, as the API does.
async fn enabled(world: &World, definition: &Value, first: Millis) -> WorkflowId {
    let workflow = world.save(definition).await;
    world.store.put_due(&DueEntry::schedule(&world.org, &workflow, "clock", first)).await.unwrap();
    workflow
}

/// Lets so many minutes pass, with a tick two seconds into each.
async fn pass(world: &World, minutes: i64) {
    for _ in 0..minutes {
        let tick_at = Millis((world.executor.clock.now().0.div_euclid(MINUTE) + 1) * MINUTE + 2000);
        world.deliver_until(Some(tick_at), Delivery::Once).await;
        world.clock.advance_to(tick_at);
        assert!(world.tick().await);
    }
    world.deliver_until(Some(world.executor.clock.now()), Delivery::Once).await;
}

/// When the runs of a workflow were scheduled, and how long after that they began.
async fn runs(world: &World, workflow: &WorkflowId) -> Vec<(String, Duration)> {
    let filter = RunFilter { workflow: Some(workflow.clone()), status: None };
    let page = world
        .store
        .list_runs(&world.org, &filter, None, 200, world.executor.clock.now().plus(Duration::from_hours(1)))
        .await
        .unwrap()
        .unwrap();
    let mut found = Vec::new();
    for head in page.heads {
        let run = world.run(&head.id).await;
        let Some(entry) = run.journal.entries.first() else { continue };
        let at = run.output("at").as_str().unwrap().to_owned();
        found.push((at.clone(), Millis::parse_rfc3339(&at).unwrap().until(entry.started_at)));
    }
    found.sort();
    found
}

#[tokio::test]
async fn each_time_starts_one_run_to_the_second() {
    let world = World::new().await;
    let first = Millis(START.0.div_euclid(MINUTE) * MINUTE + 2 * MINUTE);
    let workflow = enabled(&world, &every("* * * * *", json!({})), first).await;
    pass(&world, 12).await;
    let runs = runs(&world, &workflow).await;
    assert!((10..=12).contains(&runs.len()), "{runs:?}");
    for (n, (at, late)) in (0..).zip(&runs) {
        assert_eq!(*at, Millis(first.0 + n * MINUTE).rfc3339());
        assert!(*late < Duration::from_millis(1500), "{at}: {late:?}");
    }
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_as_the_trigger_says() {
    let hour = 60 * MINUTE;
    for (missed, expected) in [("skip", 0), ("run_once", 1), ("run_all", 3)] {
        let world = World::new().await;
        let first = Millis((START.0.div_euclid(hour) + 1) * hour);
        let workflow = enabled(&world, &every("0 * * * *", json!({"missed": missed})), first).await;
        // The timer is away for three hours and a half.
        world.clock.advance_to(Millis(first.0 + 2 * hour + 30 * MINUTE));
        pass(&world, 3).await;
        assert_eq!(runs(&world, &workflow).await.len(), expected, "{missed}");
        // And goes on with the next time.
        pass(&world, 40).await;
        assert_eq!(runs(&world, &workflow).await.len(), expected + 1, "{missed}");
    }
}

#[tokio::test]
async fn a_time_of_another_schedule_starts_nothing() {
    let world = World::new().await;
    let odd = Millis(START.0.div_euclid(MINUTE) * MINUTE + 3 * MINUTE + 17_000);
    let workflow = enabled(&world, &every("0 * * * *", json!({})), odd).await;
    pass(&world, 6).await;
    assert!(runs(&world, &workflow).await.is_empty());
    assert!(world.store.all_due().await.unwrap().is_empty(), "the stale entry is gone");
}

#[tokio::test]
async fn a_tick_that_dies_anywhere_loses_and_doubles_no_time() {
    for n in 0..24 {
        let world = World::new().await;
        let first = Millis(START.0.div_euclid(MINUTE) * MINUTE + 2 * MINUTE);
        let workflow = enabled(&world, &every("rate(1 minute)", json!({})), first).await;
        world.faults.plan_next(n, harness::Fault::CrashAfter);
        for _ in 0..8 {
            let tick_at = Millis((world.executor.clock.now().0.div_euclid(MINUTE) + 1) * MINUTE + 2000);
            world.deliver_until(Some(tick_at), Delivery::Once).await;
            world.clock.advance_to(tick_at);
            world.tick().await;
        }
        // What the crash left behind comes again after the queue's visibility.
        world
            .deliver_until(Some(world.executor.clock.now().plus(Duration::from_mins(13))), Delivery::Once)
            .await;
        let runs = runs(&world, &workflow).await;
        let times: Vec<&String> = runs.iter().map(|(at, _)| at).collect();
        assert!(times.len() >= 6, "fault at call {n}: {times:?}");
        for (n, at) in (0..).zip(&times) {
            assert_eq!(**at, Millis(first.0 + n * MINUTE).rfc3339(), "none is left out, none is there twice");
        }
    }
}

#[tokio::test]
async fn a_schedule_that_cannot_start_its_runs_holds_up_no_others() {
    let world = World::new().await;
    let first = Millis(START.0.div_euclid(MINUTE) * MINUTE + 2 * MINUTE);
    let workflow = enabled(&world, &every("* * * * *", json!({})), first).await;
    world.faults.outage(Some("create_run"));
    for _ in 0..6 {
        let tick_at = Millis((world.executor.clock.now().0.div_euclid(MINUTE) + 1) * MINUTE + 2000);
        world.clock.advance_to(tick_at);
        world.tick().await;
    }
    // Every shard was looked at up to this minute, also the one of the schedule.
    let low = world.store.low_water().await.unwrap();
    let this_minute = world.executor.clock.now().0.div_euclid(MINUTE);
    assert!(low.over.iter().all(|minute| *minute == Some(this_minute)), "{low:?}");
    world.faults.outage(None);
    pass(&world, 4).await;
    let runs = runs(&world, &workflow).await;
    let times: Vec<&str> = runs.iter().map(|(at, _)| at.as_str()).collect();
    // The times of the outage are one late run, as `missed` says; then each minute has its own.
    assert!(times.len() >= 4, "{times:?}");
    let unique: std::collections::BTreeSet<&str> = times.iter().copied().collect();
    assert_eq!(unique.len(), times.len(), "{times:?}");
}

#[tokio::test]
async fn a_schedule_follows_the_split_of_its_trigger() {
    let world = World::new().await;
    let first = Millis(START.0.div_euclid(MINUTE) * MINUTE + 2 * MINUTE);
    let definition = every("* * * * *", json!({}));
    let workflow = enabled(&world, &definition, first).await;
    world.share_out(&workflow, "clock", &definition, &[(1, 1), (2, 1)]).await;
    pass(&world, 30).await;
    let filter = RunFilter { workflow: Some(workflow), status: None };
    let now = world.executor.clock.now().plus(Duration::from_hours(1));
    let page = world.store.list_runs(&world.org, &filter, None, 200, now).await.unwrap().unwrap();
    let second = page.heads.iter().filter(|head| head.version == 2).count();
    assert!((5..25).contains(&second), "{second} of {}", page.heads.len());
}

#[tokio::test]
async fn a_schedule_whose_quota_is_used_up_starts_nothing_and_goes_on_the_next_day() {
    let mut world = World::new().await;
    world.set_up().await;
    world.timer.quotas = Some(Quotas::kept_for(world.store.clone(), Duration::ZERO));
    let now = world.executor.clock.now();
    let first = Millis(START.0.div_euclid(MINUTE) * MINUTE + 2 * MINUTE);
    let workflow = enabled(&world, &every("* * * * *", json!({})), first).await;
    pass(&world, 4).await;
    let before = runs(&world, &workflow).await.len();
    assert!(before > 0);
    let quotas = domain::Quotas { runs_per_day: Some(0), ..domain::Quotas::default() };
    world.store.set_quotas(&world.org, &quotas, &changed(now)).await.unwrap();
    // Those that were started ahead still begin.
    pass(&world, 3).await;
    let ahead = runs(&world, &workflow).await.len();
    pass(&world, 10).await;
    assert_eq!(runs(&world, &workflow).await.len(), ahead);
    let told =
        |records: Vec<Record>| records.into_iter().filter(|r| r.action == Action::QuotaReached).count();
    let until = world.executor.clock.now().plus(Duration::from_hours(1));
    let ledger = world.store.ledger(&world.org, Millis(0), until, None, 100).await.unwrap().unwrap();
    assert_eq!(told(ledger.records), 1, "once a day");
    // The schedule itself goes on.
    world.store.set_quotas(&world.org, &domain::Quotas::default(), &changed(until)).await.unwrap();
    pass(&world, 5).await;
    assert!(runs(&world, &workflow).await.len() > ahead);
}

fn changed(at: Millis) -> Record {
    Record {
        id: domain::RecordId::from_bytes([u8::try_from(at.0 % 251).unwrap(); 16]),
        at,
        action: Action::QuotasChanged,
        actor: domain::Actor::Platform,
        actor_name: "test".into(),
        key: None,
        target: None,
        before: Value::Null,
        after: Value::Null,
        origin: domain::audit::RequestOrigin::default(),
    }
}
