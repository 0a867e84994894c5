//! Turns at apps: one item each, moved on by one update.

use crate::tables::{NOW, Tables};
use domain::pace::Pace;
use domain::{ConnectionId, Millis};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;
use store::{AppLimit, LimitStore, Turn};

fn limit(requests: u32, seconds: u64) -> AppLimit {
    AppLimit {
        connection: Some(ConnectionId::from_bytes([4; 16])),
        name: "an_app.default".to_owned(),
        pace: Pace::of(requests, Duration::from_secs(seconds)),
    }
}

fn micros(turn: Turn) -> Option<i64> {
    match turn {
        Turn::In(wait) => Some(wait.as_micros() as i64),
        Turn::NotBefore(_) => None,
    }
}

#[tokio::test]
async fn turns_come_evenly_a_twentieth_of_them_at_once() {
    let t = Tables::new().await;
    let limit = limit(60, 60);
    let mut turns = Vec::new();
    for _ in 0..6 {
        let turn = t.store.turn(&t.org, &limit, Duration::from_secs(10), NOW).await.unwrap();
        turns.push(micros(turn).expect("it comes soon enough"));
    }
    assert_eq!(turns[..4], [0, 0, 0, 0]);
    assert_eq!(turns[4..], [limit.pace.each, 2 * limit.pace.each]);
    // Others are others: another limit of the connection, another organisation, calls without a connection.
    let other = AppLimit { name: "an_app.search".to_owned(), ..limit.clone() };
    let nobodys = AppLimit { connection: None, ..limit.clone() };
    for (org, limit) in [(&t.org, &other), (&t.other, &limit), (&t.org, &nobodys)] {
        assert_eq!(t.store.turn(org, limit, Duration::ZERO, NOW).await.unwrap(), Turn::In(Duration::ZERO));
    }
    // After a pause it is as in the beginning.
    let later = NOW.plus(Duration::from_mins(2));
    assert_eq!(t.store.turn(&t.org, &limit, Duration::ZERO, later).await.unwrap(), Turn::In(Duration::ZERO));
    let items = t.scan(&t.names.tokens).await;
    assert!(items.len() == 4 && items.iter().all(|item| item.contains_key("ttl")), "{items:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_taken_at_the_same_moment_are_different_ones() {
    let t = Tables::new().await;
    let limit = limit(5, 1);
    let all: Vec<_> = (0..20)
        .map(|_| {
            let (store, org, limit) = (t.store.clone(), t.org.clone(), limit.clone());
            tokio::spawn(async move { store.turn(&org, &limit, Duration::from_mins(1), NOW).await.unwrap() })
        })
        .collect();
    let mut turns = Vec::new();
    for one in all {
        turns.push(micros(one.await.unwrap()).expect("it comes soon enough"));
    }
    turns.sort_unstable();
    assert_eq!(turns, (0..20).map(|n| n * limit.pace.each).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_cannot_wait_is_told_a_time_of_its_own() {
    let t = Tables::new().await;
    let limit = limit(2, 1);
    let patience = Duration::from_secs(1);
    let turn = async |now: Millis| t.store.turn(&t.org, &limit, patience, now).await.unwrap();
    assert_eq!(micros(turn(NOW).await), Some(0));
    assert_eq!(micros(turn(NOW).await), Some(limit.pace.each));
    let mut told = Vec::new();
    for _ in 0..10 {
        match turn(NOW).await {
            Turn::NotBefore(wait) => told.push(wait.as_millis() as i64),
            turn @ Turn::In(_) => panic!("{turn:?}"),
        }
    }
    assert!(
        told[2..].windows(2).all(|pair| (pair[1] - pair[0] - limit.pace.each / 1000).abs() <= 1),
        "{told:?}"
    );
    // Who comes when it was told to has a turn within its patience.
    for wait in told {
        assert!(micros(turn(NOW.plus(Duration::from_millis(wait as u64))).await).is_some());
    }
}

#[tokio::test]
async fn an_app_that_asks_to_be_left_alone_is_left_alone_by_everybody() {
    let t = Tables::new().await;
    let limit = limit(100, 1);
    t.store.block(&t.org, &limit, Duration::from_secs(90), NOW).await.unwrap();
    // A shorter time does not shorten it.
    t.store.block(&t.org, &limit, Duration::from_secs(1), NOW).await.unwrap();
    let Turn::NotBefore(wait) = t.store.turn(&t.org, &limit, Duration::from_secs(2), NOW).await.unwrap()
    else {
        panic!("it is not left alone")
    };
    assert!((87..=90).contains(&wait.as_secs()), "{wait:?}");
    let then = NOW.plus(Duration::from_millis(90_001));
    assert!(micros(t.store.turn(&t.org, &limit, Duration::ZERO, then).await.unwrap()).is_some());
}

#[tokio::test]
async fn places_are_given_for_an_hour_and_whoever_finds_none_is_told_a_time_of_its_own() {
    let t = Tables::new().await;
    let limit = limit(1, 60);
    let (hour, half) = (Duration::from_hours(1), Duration::from_mins(30));
    let mut told = Vec::new();
    for _ in 0..600 {
        match t.store.turn(&t.org, &limit, Duration::from_secs(2), NOW).await.unwrap() {
            Turn::In(_) => {}
            Turn::NotBefore(wait) => told.push(wait),
        }
    }
    let items = t.scan(&t.names.tokens).await;
    let last: i64 = items[0]["bq"].as_n().unwrap().parse().unwrap();
    let bound = (NOW.plus(hour).0 * 1000) + limit.pace.early + 2 * limit.pace.each;
    assert!(last <= bound, "the last place is {} s too late", (last - bound) / 1_000_000);
    let (placed, others) = told.split_at(59);
    assert!(placed.windows(2).all(|pair| pair[0] < pair[1]), "one after the other: {placed:?}");
    assert!(others.iter().all(|wait| (half..=hour).contains(wait)), "{others:?}");
    // No minute of the half hour has many more of them than another.
    let mut minutes = [0_usize; 30];
    for wait in others {
        minutes[(wait.saturating_sub(half).as_secs() / 60).min(29) as usize] += 1;
    }
    let even = others.len() / 30;
    assert!(minutes.iter().all(|count| count.abs_diff(even) <= 4), "{minutes:?}");
    // As time passes, there are places again.
    let later = NOW.plus(Duration::from_mins(10));
    let more = t.store.turn(&t.org, &limit, Duration::ZERO, later).await.unwrap();
    assert!(micros(more).is_some(), "{more:?}");
    let Turn::NotBefore(wait) = t.store.turn(&t.org, &limit, Duration::ZERO, later).await.unwrap() else {
        panic!("the turn is taken")
    };
    assert!(wait.abs_diff(Duration::from_mins(50)) < Duration::from_mins(1), "{wait:?}");
}

#[tokio::test]
async fn a_backlog_of_many_hours_drains_at_the_pace_of_the_app() {
    const STEPS: u32 = 300;
    let t = Tables::new().await;
    let limit = limit(1, 60);
    let mut back: BinaryHeap<_> = (0..STEPS).map(|_| Reverse(NOW.0)).collect();
    let (mut asked, mut last) = (0, NOW);
    while let Some(Reverse(at)) = back.pop() {
        asked += 1;
        match t.store.turn(&t.org, &limit, Duration::from_secs(2), Millis(at)).await.unwrap() {
            Turn::In(wait) => last = last.max(Millis(at).plus(wait)),
            // A message comes a moment later than it was to.
            Turn::NotBefore(wait) => back.push(Reverse(Millis(at).plus(wait).0 + 1)),
        }
        assert!(asked < 20 * STEPS, "{} are left at {} min", back.len(), (at - NOW.0) / 60_000);
    }
    let took = NOW.until(last);
    let at_best = Duration::from_micros(limit.pace.each as u64) * STEPS;
    assert!(took < at_best + Duration::from_hours(1), "{took:?} in the place of {at_best:?}");
}
