//! What counts as what.

use crate::tables::{NOON, Tables, done, entry, event, repeats, retried};
use domain::run::{Mark, RunStatus};
use domain::{Day, Figures, Millis};
use serde_json::json;
use store::{Attempt, RunStore};
use stream::batch;

#[tokio::test]
async fn runs_steps_attempts_calls_and_time_are_counted() {
    let t = Tables::new().await;
    let at = |ms| Millis(NOON.0 + ms);
    let head = t.start(&t.org, 1, NOON).await;
    // A pure step rides with the call behind it; the call was tried twice.
    t.append(
        &t.org,
        &head,
        vec![entry("map", 1, at(1), false, Mark::Succeeded(json!(1))), retried("call", at(2))],
    )
    .await;
    t.append(&t.org, &head, vec![entry("call", 2, at(3), true, Mark::Succeeded(json!({"ok": true})))]).await;
    // Marks of a head that are no end count for nothing.
    t.store.mark_running(&t.org, &head.id).await.unwrap();
    t.store.mark_waiting(&t.org, &head.id, at(50)).await.unwrap();
    t.end(&t.org, &head, RunStatus::Succeeded, at(70)).await;
    t.store.clear_outbox(&t.org, &head.id).await.unwrap();
    let failed = t.start(&t.other, 2, NOON).await;
    t.end(&t.other, &failed, RunStatus::Failed, at(5)).await;

    let answer = batch(&t.app(), event(Some("s1"), &t.records())).await.unwrap();
    assert_eq!(serde_json::to_value(answer).unwrap(), json!({"state": {}, "batchItemFailures": []}));
    let expected = Figures {
        started: 1,
        succeeded: 1,
        duration_ms: 70,
        steps: 2,
        attempts: 3,
        calls: 2,
        ..Figures::default()
    };
    assert_eq!(t.counts(&t.org).await, expected);
    let others = Figures { started: 1, failed: 1, duration_ms: 5, ..Figures::default() };
    assert_eq!(t.counts(&t.other).await, others, "each has its own");
    let bytes = t.usage(&t.org).await[&Day::of(NOON)].table_bytes;
    assert!((500..1200).contains(&bytes), "{bytes}: a head, its end, two outcomes");
}

#[tokio::test]
async fn a_claim_counts_when_its_outcome_replaces_it() {
    let t = Tables::new().await;
    let head = t.start(&t.org, 1, NOON).await;
    let lease = std::time::Duration::from_secs(30);
    let claimed = t.store.claim(&t.org, &head, &Attempt::main("call", 1), NOON, lease).await.unwrap();
    let store::Claim::Ours { held, .. } = claimed else { panic!("{claimed:?}") };
    batch(&t.app(), event(Some("s1"), &t.records())).await.unwrap();
    assert_eq!(t.counts(&t.org).await.steps, 0);
    let segment = domain::run::Segment { entries: vec![done("call", NOON)] };
    t.store.append(&t.org, &head, "", &segment, Some(held)).await.unwrap();
    batch(&t.app(), event(Some("s1"), &t.records())).await.unwrap();
    assert_eq!((t.counts(&t.org).await.steps, t.counts(&t.org).await.calls), (1, 1));
}

#[tokio::test]
async fn each_thing_counts_on_its_own_day() {
    let t = Tables::new().await;
    let midnight = Day::of(NOON).plus(1).start();
    let before = Millis(midnight.0 - 1000);
    let head = t.start(&t.org, 1, before).await;
    t.append(
        &t.org,
        &head,
        vec![entry("map", 1, before, false, Mark::Succeeded(json!(1))), done("call", midnight)],
    )
    .await;
    t.end(&t.org, &head, RunStatus::TimedOut, Millis(midnight.0 + 1)).await;
    batch(&t.app(), event(Some("s1"), &t.records())).await.unwrap();
    let days = t.usage(&t.org).await;
    let (first, second) = (&days[&Day::of(NOON)], &days[&Day::of(midnight)]);
    assert_eq!((first.started, first.steps, first.calls, first.timed_out), (1, 1, 0, 0));
    assert_eq!((second.started, second.steps, second.calls, second.timed_out), (0, 1, 1, 1));
    assert_eq!(second.duration_ms, 1001);
}

#[tokio::test]
async fn what_a_repeated_run_takes_over_is_not_counted_again() {
    let t = Tables::new().await;
    let first = t.start(&t.org, 1, NOON).await;
    t.append(&t.org, &first, vec![done("call", NOON)]).await;
    t.end(&t.org, &first, RunStatus::Failed, NOON).await;
    let later = Millis(NOON.0 + 60_000);
    let second = t.start_as(&t.org, 2, later, Some(repeats(&first.id))).await;
    t.append(&t.org, &second, vec![done("call", NOON)]).await;
    t.append(&t.org, &second, vec![done("next", later)]).await;
    batch(&t.app(), event(Some("s1"), &t.records())).await.unwrap();
    let counts = t.counts(&t.org).await;
    assert_eq!((counts.started, counts.steps, counts.calls), (2, 2, 2));
}

#[tokio::test]
async fn a_large_input_is_counted_with_its_run() {
    let t = Tables::new().await;
    let mut run = domain::run::NewRun {
        id: domain::RunId::from_bytes([9; 16]),
        workflow: domain::WorkflowId::from_bytes([3; 16]),
        version: 1,
        trigger: "form".into(),
        input: json!(null),
        started_at: NOON,
        deadline: Millis(NOON.0 + 1000),
        depth: 0,
        parent: None,
        origin: None,
        epoch: 0,
        secret: None,
        priority: domain::run::Priority::default(),
        variables: None,
        gathers_until: None,
    };
    // What does not pack well.
    let noise: String =
        (0..20_000u32).map(|n| char::from(33 + (n.wrapping_mul(2_654_435_761) >> 25) as u8 % 90)).collect();
    run.input = json!({"body": noise});
    t.store.create_run(&t.org, &run).await.unwrap();
    batch(&t.app(), event(Some("s1"), &t.records())).await.unwrap();
    let figures = t.usage(&t.org).await[&Day::of(NOON)];
    assert_eq!(figures.started, 1);
    assert!(figures.table_bytes > 1000, "{}", figures.table_bytes);
}
