//! What is counted for a while, and answers that are kept.

use crate::tables::{NOW, Tables};
use domain::Millis;
use std::time::Duration;
use store::{ANSWERS_KEPT, KeptAnswer, Repeatable, Window};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_at_the_same_moment_is_counted() {
    let t = Tables::new().await;
    let window = Window::at(NOW, Duration::from_mins(1));
    let all: Vec<_> = (0..20)
        .map(|_| {
            let store = t.store.clone();
            tokio::spawn(async move { store.count("a", window, 3).await.unwrap() })
        })
        .collect();
    let mut sums = Vec::new();
    for one in all {
        sums.push(one.await.unwrap());
    }
    sums.sort_unstable();
    assert_eq!(sums, (1..=20).map(|n| 3 * n).collect::<Vec<_>>());
    assert_eq!(t.store.count("a", window, 0).await.unwrap(), 60);
    assert_eq!(t.store.count("b", window, 0).await.unwrap(), 0);
    let next = Window::at(NOW.plus(Duration::from_mins(1)), Duration::from_mins(1));
    assert_eq!(t.store.count("a", next, 0).await.unwrap(), 0);
    assert!(t.scan(&t.names.tokens).await.iter().all(|item| item.contains_key("ttl")));
}

#[test]
fn a_window_begins_with_its_length() {
    let window = Window::at(Millis(1_000_061_500), Duration::from_mins(1));
    assert_eq!((window.start, window.length), (1_000_020, 60));
    assert_eq!(window.left(Millis(1_000_061_500)), 19);
    assert_eq!(window.left(Millis(1_000_999_999)), 1);
}

#[tokio::test]
async fn a_repeated_request_is_answered_alike_for_a_day() {
    let t = Tables::new().await;
    let begin =
        async |print: &str, now| t.store.begin_repeatable(&t.org, "usr", "key", print, now).await.unwrap();
    assert_eq!(begin("p", NOW).await, Repeatable::New);
    assert_eq!(begin("p", NOW).await, Repeatable::Running);
    assert_eq!(begin("q", NOW).await, Repeatable::Another);
    let answer = KeptAnswer {
        status: 201,
        headers: vec![("etag".into(), "\"1\"".into())],
        body: b"{\"id\":1}".to_vec(),
    };
    t.store.keep_answer(&t.org, "usr", "key", &answer).await.unwrap();
    assert_eq!(begin("p", NOW).await, Repeatable::Answered(answer.clone()));
    assert_eq!(begin("q", NOW).await, Repeatable::Another);
    assert_eq!(begin("p", Millis(NOW.plus(ANSWERS_KEPT).0 - 1)).await, Repeatable::Answered(answer));
    assert_eq!(begin("q", NOW.plus(ANSWERS_KEPT)).await, Repeatable::New, "a day later it is a new one");
    // Nobody else's.
    for (org, scope) in [(&t.other, "usr"), (&t.org, "sa")] {
        assert_eq!(t.store.begin_repeatable(org, scope, "key", "p", NOW).await.unwrap(), Repeatable::New);
    }
}

#[tokio::test]
async fn a_request_that_died_can_be_repeated_and_one_that_was_given_back() {
    let t = Tables::new().await;
    let begin =
        async |print: &str, now| t.store.begin_repeatable(&t.org, "usr", "key", print, now).await.unwrap();
    assert_eq!(begin("p", NOW).await, Repeatable::New);
    let later = NOW.plus(Duration::from_secs(61));
    assert_eq!(begin("q", later).await, Repeatable::Another);
    assert_eq!(begin("p", later).await, Repeatable::New);
    t.store.release_repeatable(&t.org, "usr", "key").await.unwrap();
    assert_eq!(begin("q", later).await, Repeatable::New);
}
