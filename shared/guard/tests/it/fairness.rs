//! One caller's bombs never cost another caller more than a moment.

use std::time::{Duration, Instant};

use expr::codes;
use serde_json::json;

use crate::{assert_works, config, evaluate, guard};

/// Loops until it is killed: a single builtin is never interrupted, so the deadline inside does not help.
const BOMB: &str = "$distinct([1..900000])";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_in_one_lane_leaves_the_others_a_child() {
    let guard = guard();
    let flood: Vec<_> = (0..6)
        .map(|_| {
            let lane = guard.lane("flood");
            tokio::spawn(async move { evaluate(&lane, BOMB, &json!({})).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let start = Instant::now();
        assert_works(&guard.lane("calm")).await;
        slowest = slowest.max(start.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Each bomb holds its child for 0.8 s; the calm lane never waits for even one of them.
    assert!(slowest < Duration::from_millis(700), "{slowest:?}");
    for bomb in flood {
        let failure = bomb.await.unwrap().unwrap_err();
        assert!([codes::TIMEOUT, codes::GUARD_UNAVAILABLE].contains(&failure.code), "{failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_a_child_is_bounded() {
    let guard = guard::Guard::new(guard::GuardConfig {
        max_children: 1,
        max_wait: Duration::from_millis(200),
        ..config()
    });
    let bomb = tokio::spawn({
        let guard = guard.clone();
        async move { evaluate(&guard, BOMB, &json!({})).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let start = Instant::now();
    let failure = evaluate(&guard, "1", &json!({})).await.unwrap_err();
    assert_eq!(failure.code, codes::GUARD_UNAVAILABLE);
    assert!(start.elapsed() < Duration::from_millis(600));
    assert_eq!(bomb.await.unwrap().unwrap_err().code, codes::TIMEOUT);
    assert_works(&guard).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_get_their_own_answers() {
    let guard = guard();
    let calls: Vec<_> = (0..200)
        .map(|n| {
            let guard = guard.lane(&format!("org{}", n % 7));
            tokio::spawn(async move {
                // Every tenth call kills its child.
                if n % 10 == 0 {
                    let failure = evaluate(&guard, "$pad('x', 1e9)", &json!({})).await.unwrap_err();
                    assert_eq!(failure.code, codes::MEMORY);
                } else {
                    let answer = evaluate(&guard, "$$.n * 2", &json!({ "n": n })).await;
                    assert_eq!(answer, Ok(Some(json!(n * 2))));
                }
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}
