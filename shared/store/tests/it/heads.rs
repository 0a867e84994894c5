//! Heads: the start, the end, and the races for both.

use crate::tables::{NOW, Tables, ended, failed, new_run};
use domain::Millis;
use domain::run::{Answer, NewRun, RunStatus, SettledBy};
use serde_json::{Value, json};
use store::{Created, RunStore};

fn noise(bytes: usize) -> String {
    (0..bytes as u64)
        .map(|n| char::from(b'!' + (n.wrapping_mul(n).wrapping_mul(0x9E37_79B9) >> 13) as u8 % 90))
        .collect()
}

#[tokio::test]
async fn a_start_is_new_once_and_finds_its_run_after() {
    let t = Tables::new().await;
    let run = new_run(1);
    assert!(matches!(t.store.create_run(&t.org, &run).await.unwrap(), Created::New));
    let changed = NewRun { input: json!("other"), version: 9, ..run.clone() };
    let Created::Existing(head) = t.store.create_run(&t.org, &changed).await.unwrap() else {
        panic!("it exists")
    };
    assert_eq!((head.version, head.status), (4, RunStatus::Queued));
    let head = t.head(&run.id).await;
    assert_eq!(head.input, Some(run.input.clone()));
    assert_eq!((head.depth, head.epoch, &head.trigger), (2, 0, &run.trigger));
    assert_eq!((head.started_at, head.deadline), (run.started_at, run.deadline));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_starts_at_once_one_is_new() {
    let t = Tables::new().await;
    for n in 0..20 {
        let run = new_run(n);
        let large = NewRun { input: json!(noise(3000)), ..run.clone() };
        let start = |run: NewRun| {
            let (store, org) = (t.store.clone(), t.org.clone());
            tokio::spawn(async move { store.create_run(&org, &run).await.unwrap() })
        };
        let (a, b, c) = (start(run.clone()), start(run.clone()), start(large));
        let made = [a.await.unwrap(), b.await.unwrap(), c.await.unwrap()];
        assert_eq!(made.iter().filter(|c| matches!(c, Created::New)).count(), 1);
        assert!(t.head(&run.id).await.input.is_some());
    }
}

#[tokio::test]
async fn an_input_is_kept_whole_whatever_its_size() {
    let t = Tables::new().await;
    for (n, input) in [
        (1, json!(null)),
        (2, json!({"small": true})),
        (3, json!(noise(1200))),
        (4, json!({"t": noise(200 * 1024)})),
    ] {
        let run = NewRun { input: input.clone(), ..new_run(n) };
        t.store.create_run(&t.org, &run).await.unwrap();
        assert_eq!(t.head(&run.id).await.input, Some(input));
    }
    let large = t.store.head(&t.org, &new_run(4).id, false).await.unwrap().unwrap();
    assert_eq!(large.input, None, "a large input is read only when it is asked for");
    let sizes: Vec<usize> = t
        .scan(&t.names.runs)
        .await
        .iter()
        .filter(|i| i["sk"].as_s().unwrap() == "h")
        .filter_map(|i| Some(i.get("in")?.as_b().ok()?.as_ref().len()))
        .collect();
    assert!(sizes.iter().all(|s| *s <= 600), "a head stays small: {sizes:?}");
}

#[tokio::test]
async fn a_start_over_the_input_of_a_dead_one_is_not_new() {
    let t = Tables::new().await;
    let first = NewRun { input: json!({"who": "first", "pad": noise(2000)}), ..new_run(1) };
    t.store.create_run(&t.org, &first).await.unwrap();
    let key = |sk: &str| {
        let pk = format!("{}#{}", t.org.org(), first.id);
        [
            ("pk".to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(pk)),
            ("sk".to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(sk.into())),
        ]
        .into()
    };
    t.client.delete_item().table_name(&t.names.runs).set_key(Some(key("h"))).send().await.unwrap();
    let second = NewRun { input: json!({"who": "second", "pad": noise(2000)}), ..first.clone() };
    let Created::Existing(head) = t.store.create_run(&t.org, &second).await.unwrap() else {
        panic!("the caller would carry the run on with an input that is not stored")
    };
    assert_eq!((head.status, head.input), (RunStatus::Queued, None));
    assert_eq!(t.head(&first.id).await.input, Some(first.input));
}

#[tokio::test]
async fn the_first_end_wins_and_the_others_learn_it() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    assert_eq!(t.store.finish(&t.org, &head.id, &failed()).await.unwrap(), SettledBy::Us);
    for status in [RunStatus::Succeeded, RunStatus::Cancelled, RunStatus::TimedOut, RunStatus::Failed] {
        let SettledBy::Another(winner) = t.store.finish(&t.org, &head.id, &ended(status)).await.unwrap()
        else {
            panic!("{status} left a terminal state")
        };
        assert_eq!(winner.status, RunStatus::Failed);
        assert_eq!(winner.error.unwrap().code, "http_status");
        assert_eq!(winner.outbox.len(), 1);
    }
    assert_eq!(t.head(&head.id).await.finished_at, Some(Millis(NOW.0 + 9)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_ends_at_once_one_wins() {
    let t = Tables::new().await;
    for n in 0..20 {
        let head = t.start(n).await;
        let ends = [RunStatus::Succeeded, RunStatus::Cancelled, RunStatus::TimedOut].map(|status| {
            let (store, org, id) = (t.store.clone(), t.org.clone(), head.id.clone());
            tokio::spawn(async move { (status, store.finish(&org, &id, &ended(status)).await.unwrap()) })
        });
        let mut winners = Vec::new();
        let mut learned = Vec::new();
        for end in ends {
            match end.await.unwrap() {
                (status, SettledBy::Us) => winners.push(status),
                (_, SettledBy::Another(head)) => learned.push(head.status),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(learned, [winners[0]; 2]);
        assert_eq!(t.head(&head.id).await.status, winners[0]);
    }
}

#[tokio::test]
async fn nothing_leaves_a_terminal_state() {
    let t = Tables::new().await;
    for (n, status) in [RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled, RunStatus::TimedOut]
        .into_iter()
        .enumerate()
    {
        let head = t.start(n as u128).await;
        t.store.finish(&t.org, &head.id, &ended(status)).await.unwrap();
        let before = t.head(&head.id).await;
        t.store.mark_running(&t.org, &head.id).await.unwrap();
        t.store.mark_waiting(&t.org, &head.id, NOW).await.unwrap();
        t.store.create_run(&t.org, &new_run(n as u128)).await.unwrap();
        assert_eq!(t.head(&head.id).await, before);
    }
}

#[tokio::test]
async fn a_run_goes_from_queued_over_running_and_waiting_to_its_end() {
    let t = Tables::new().await;
    let id = t.start(1).await.id;
    t.store.mark_running(&t.org, &id).await.unwrap();
    assert_eq!(t.head(&id).await.status, RunStatus::Running);
    let until = Millis(NOW.0 + 60_000);
    t.store.mark_waiting(&t.org, &id, until).await.unwrap();
    let head = t.head(&id).await;
    assert_eq!((head.status, head.wake_at), (RunStatus::Waiting, Some(until)));
    assert_eq!(head.status_at(until), RunStatus::Running, "a wait that is over is shown as running");
    t.store.mark_running(&t.org, &id).await.unwrap();
    assert_eq!(t.head(&id).await.status, RunStatus::Waiting, "only a queued run is marked as running");
    t.store.finish(&t.org, &id, &ended(RunStatus::Succeeded)).await.unwrap();
    let head = t.head(&id).await;
    assert_eq!((head.status, head.wake_at, head.output), (RunStatus::Succeeded, None, Some(json!({"x": 1}))));
}

#[tokio::test]
async fn an_outbox_is_cleared_and_stays_so() {
    let t = Tables::new().await;
    let id = t.start(1).await.id;
    t.store.finish(&t.org, &id, &failed()).await.unwrap();
    assert_eq!(t.head(&id).await.outbox.len(), 1);
    for _ in 0..2 {
        t.store.clear_outbox(&t.org, &id).await.unwrap();
        let head = t.head(&id).await;
        assert!(head.outbox.is_empty());
        assert_eq!(head.status, RunStatus::Failed);
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_made_by_a_change() {
    let t = Tables::new().await;
    let id = new_run(1).id;
    t.store.mark_running(&t.org, &id).await.unwrap();
    t.store.mark_waiting(&t.org, &id, NOW).await.unwrap();
    t.store.clear_outbox(&t.org, &id).await.unwrap();
    assert!(t.store.finish(&t.org, &id, &failed()).await.is_err());
    assert!(t.store.head(&t.org, &id, true).await.unwrap().is_none());
    assert!(t.scan(&t.names.runs).await.is_empty());
}

#[tokio::test]
async fn the_first_answer_stays() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    assert_eq!(t.store.peek_answer(&t.org, &head.id).await.unwrap().0, None);
    let answer = |status, body: Value| Answer { status, headers: vec![("x-a".into(), "b".into())], body };
    t.store.answer(&t.org, &head, &answer(201, json!("one"))).await.unwrap();
    t.store.answer(&t.org, &head, &answer(500, json!("two"))).await.unwrap();
    let (stored, seen) = t.store.peek_answer(&t.org, &head.id).await.unwrap();
    assert_eq!(stored, Some(answer(201, json!("one"))));
    assert_eq!(seen.unwrap().id, head.id);
}
