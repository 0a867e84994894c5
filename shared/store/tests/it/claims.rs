//! Claims: leases with growing fences.

use crate::tables::{NOW, Tables, segment};
use domain::Millis;
use serde_json::json;
use std::time::Duration;
use store::{Claim, Held, RunStore};

const LEASE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_claim_is_fresh_then_busy_then_taken_over_then_done() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    let claim = async |at: Millis| {
        t.store.claim(&t.org, &head, &store::Attempt::main("a.b", 1), at, LEASE).await.unwrap()
    };
    assert_eq!(claim(NOW).await, Claim::Ours { held: Held { fence: 1 }, taken_over: false });
    let until = NOW.plus(LEASE);
    assert_eq!(claim(NOW).await, Claim::Busy { until });
    assert_eq!(claim(Millis(until.0 - 1)).await, Claim::Busy { until });
    assert_eq!(claim(until).await, Claim::Ours { held: Held { fence: 2 }, taken_over: true });
    assert_eq!(claim(until).await, Claim::Busy { until: until.plus(LEASE) });
    let third = Held { fence: 3 };
    assert_eq!(claim(until.plus(LEASE)).await, Claim::Ours { held: third, taken_over: true });
    let outcome = segment("a.b", 1, json!(1));
    t.store.append(&t.org, &head, "", &outcome, Some(third)).await.unwrap();
    assert_eq!(claim(NOW.plus(LEASE * 9)).await, Claim::Done(outcome));
}

#[tokio::test]
async fn attempts_and_steps_are_claimed_apart() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    for (path, attempt) in [("a", 1), ("a", 2), ("a", 12), ("ab", 1), ("a.b", 1)] {
        let claim =
            t.store.claim(&t.org, &head, &store::Attempt::main(path, attempt), NOW, LEASE).await.unwrap();
        assert_eq!(claim, Claim::Ours { held: Held { fence: 1 }, taken_over: false }, "{path} {attempt}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_takers_at_once_one_gets_the_claim() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    for n in 0..30 {
        let path = format!("s{n}");
        let take_over = n % 2 == 0;
        if take_over {
            t.store.claim(&t.org, &head, &store::Attempt::main(&path, 1), NOW, LEASE).await.unwrap();
        }
        let at = NOW.plus(LEASE);
        let takers: Vec<_> = (0..4)
            .map(|_| {
                let (store, org, head, path) = (t.store.clone(), t.org.clone(), head.clone(), path.clone());
                tokio::spawn(async move {
                    store.claim(&org, &head, &store::Attempt::main(&path, 1), at, LEASE).await.unwrap()
                })
            })
            .collect();
        let mut ours = 0;
        for taker in takers {
            match taker.await.unwrap() {
                Claim::Ours { taken_over, .. } => {
                    assert_eq!(taken_over, take_over);
                    ours += 1;
                }
                Claim::Busy { until } => assert_eq!(until, at.plus(LEASE)),
                Claim::Done(_) => panic!("nothing is recorded"),
            }
        }
        assert_eq!(ours, 1);
    }
}
