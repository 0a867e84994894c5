//! The journal: each attempt is recorded once.

use crate::tables::{NOW, Tables, entry, segment};
use domain::run::Segment;
use serde_json::json;
use std::time::Duration;
use store::{Appended, Claim, Held, RunStore};

const LEASE: Duration = Duration::from_secs(35);

#[tokio::test]
async fn who_loses_gets_what_is_stored() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    let first = segment("a", 1, json!("first"));
    assert_eq!(t.store.append(&t.org, &head, "", &first, None).await.unwrap(), Appended::Won);
    let lost = t.store.append(&t.org, &head, "", &segment("a", 1, json!("second")), None).await.unwrap();
    assert_eq!(lost, Appended::Lost(first.clone()));
    assert_eq!(
        t.store.append(&t.org, &head, "", &segment("a", 2, json!("retry")), None).await.unwrap(),
        Appended::Won
    );
    let journal = t.store.journal(&t.org, &head.id).await.unwrap();
    assert_eq!(journal.entries, [entry("a", 1, json!("first")), entry("a", 2, json!("retry"))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_records_at_once_one_wins() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    for n in 0..20 {
        let path = format!("s{n}");
        let append = |who: &'static str| {
            let (store, org, head, segment) =
                (t.store.clone(), t.org.clone(), head.clone(), segment(&path, 1, json!(who)));
            tokio::spawn(async move { store.append(&org, &head, "", &segment, None).await.unwrap() })
        };
        let (a, b) = (append("a"), append("b"));
        match (a.await.unwrap(), b.await.unwrap()) {
            (Appended::Won, Appended::Lost(stored)) => assert_eq!(stored, segment(&path, 1, json!("a"))),
            (Appended::Lost(stored), Appended::Won) => assert_eq!(stored, segment(&path, 1, json!("b"))),
            both => panic!("{both:?}"),
        }
    }
}

#[tokio::test]
async fn a_segment_keeps_its_pure_steps_in_order() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    let entries = vec![entry("z", 1, json!(1)), entry("m", 1, json!(2)), entry("a", 1, json!(3))];
    t.store.append(&t.org, &head, "", &Segment { entries: entries.clone() }, None).await.unwrap();
    assert_eq!(t.store.journal(&t.org, &head.id).await.unwrap().entries, entries);
}

#[tokio::test]
async fn a_claim_is_replaced_by_the_outcome_of_its_holder() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    let Claim::Ours { held, .. } =
        t.store.claim(&t.org, &head, &store::Attempt::main("a", 1), NOW, LEASE).await.unwrap()
    else {
        panic!()
    };
    let claims = t.store.journal(&t.org, &head.id).await.unwrap().claims;
    assert_eq!((claims.len(), claims[0].path.as_str(), claims[0].until), (1, "a", NOW.plus(LEASE)));
    let outcome = segment("a", 1, json!(1));
    assert_eq!(t.store.append(&t.org, &head, "", &outcome, Some(held)).await.unwrap(), Appended::Won);
    let journal = t.store.journal(&t.org, &head.id).await.unwrap();
    assert_eq!((journal.claims.len(), journal.entries), (0, outcome.entries.clone()));
    // Once more, as after an answer that got lost on its way.
    assert_eq!(
        t.store.append(&t.org, &head, "", &outcome, Some(held)).await.unwrap(),
        Appended::Lost(outcome)
    );
}

#[tokio::test]
async fn a_stale_fence_records_nothing() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    t.store.claim(&t.org, &head, &store::Attempt::main("a", 1), NOW, LEASE).await.unwrap();
    let later = NOW.plus(LEASE);
    let Claim::Ours { held, .. } =
        t.store.claim(&t.org, &head, &store::Attempt::main("a", 1), later, LEASE).await.unwrap()
    else {
        panic!()
    };
    let late = t
        .store
        .append(&t.org, &head, "", &segment("a", 1, json!("late")), Some(Held { fence: 1 }))
        .await
        .unwrap();
    assert_eq!(late, Appended::Superseded { until: later.plus(LEASE) });
    let outside = t.store.append(&t.org, &head, "", &segment("a", 1, json!("none")), None).await.unwrap();
    assert_eq!(
        outside,
        Appended::Superseded { until: later.plus(LEASE) },
        "nor does a worker without a claim"
    );
    assert_eq!(
        t.store.append(&t.org, &head, "", &segment("a", 1, json!("new")), Some(held)).await.unwrap(),
        Appended::Won
    );
    let late = t
        .store
        .append(&t.org, &head, "", &segment("a", 1, json!("late")), Some(Held { fence: 1 }))
        .await
        .unwrap();
    assert_eq!(late, Appended::Lost(segment("a", 1, json!("new"))));
}

#[tokio::test]
async fn a_long_journal_is_read_whole() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    let large: String =
        (0..60_000_u64).map(|n| char::from(b'a' + (n.wrapping_mul(n) >> 3) as u8 % 26)).collect();
    for n in 0..120 {
        t.store.append(&t.org, &head, "", &segment(&format!("s{n}"), 1, json!(large)), None).await.unwrap();
    }
    let journal = t.store.journal(&t.org, &head.id).await.unwrap();
    assert_eq!(journal.entries.len(), 120);
    assert_eq!(journal.newest(), Some(domain::Millis(NOW.0 + 5)));
}
