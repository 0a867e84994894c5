//! Whatever comes twice, overlaps, or fails half way is counted once.

use crate::tables::{NOON, Tables, done, event};
use domain::run::RunStatus;
use domain::{Figures, Millis};
use emulators::Cloud;
use serde_json::{Value, json};
use stream::batch;

/// Ten runs of either organisation, each with one step.
async fn twenty_runs(t: &Tables) -> Vec<Value> {
    for n in 0..10 {
        for org in [&t.org, &t.other] {
            let head = t.start(org, n, NOON).await;
            t.append(org, &head, vec![done("call", NOON)]).await;
            t.end(org, &head, RunStatus::Succeeded, Millis(NOON.0 + 7)).await;
        }
    }
    let records = t.records();
    assert_eq!(records.len(), 60);
    records
}

fn ten() -> Figures {
    Figures {
        started: 10,
        succeeded: 10,
        duration_ms: 70,
        steps: 10,
        attempts: 10,
        calls: 10,
        ..Figures::default()
    }
}

async fn each_has_ten(t: &Tables) {
    assert_eq!(t.counts(&t.org).await, ten());
    assert_eq!(t.counts(&t.other).await, ten());
}

#[tokio::test]
async fn a_batch_that_comes_twice_counts_once() {
    let t = Tables::new().await;
    let records = twenty_runs(&t).await;
    for _ in 0..3 {
        batch(&t.app(), event(Some("s1"), &records)).await.unwrap();
    }
    each_has_ten(&t).await;
    let bytes = t.usage(&t.org).await;
    batch(&t.app(), event(Some("s1"), &records)).await.unwrap();
    assert_eq!(t.usage(&t.org).await, bytes, "sizes, too");
}

#[tokio::test]
async fn batches_that_overlap_count_each_record_once() {
    let t = Tables::new().await;
    let records = twenty_runs(&t).await;
    // Every cut, each batch beginning before the last one ended.
    let mut from = 0;
    for size in [1, 7, 13, 2, 30, 60] {
        let to = (from + size).min(records.len());
        batch(&t.app(), event(Some("s1"), &records[from..to])).await.unwrap();
        from = to.saturating_sub(5);
    }
    batch(&t.app(), event(Some("s1"), &records)).await.unwrap();
    each_has_ten(&t).await;
}

#[tokio::test]
async fn a_batch_that_fails_anywhere_is_made_good_when_it_comes_again() {
    for n in 0..2 {
        let t = Tables::new().await;
        let records = twenty_runs(&t).await;
        assert!(batch(&t.app_that_fails_after(n), event(Some("s1"), &records)).await.is_err());
        let half: u64 = t.counts(&t.org).await.started + t.counts(&t.other).await.started;
        assert_eq!(half, 10 * n as u64, "one of the two was counted before the other failed");
        batch(&t.app(), event(Some("s1"), &records)).await.unwrap();
        each_has_ten(&t).await;
    }
}

#[tokio::test]
async fn workers_that_deal_with_the_same_batch_at_the_same_moment_count_it_once() {
    let t = Tables::new().await;
    let records = twenty_runs(&t).await;
    let workers = (0..8).map(|n| {
        let (app, event) = (t.app(), event(Some("s1"), &records[..20 + 5 * n]));
        tokio::spawn(async move { batch(&app, event).await.unwrap() })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    batch(&t.app(), event(Some("s1"), &records)).await.unwrap();
    each_has_ten(&t).await;
}

#[tokio::test]
async fn shards_have_numbers_of_their_own_and_lengths_of_their_own() {
    let t = Tables::new().await;
    let mut records = twenty_runs(&t).await;
    // The later half as another shard's, with shorter numbers.
    for (n, record) in records[30..].iter_mut().enumerate() {
        record["dynamodb"]["SequenceNumber"] = (95 + n).to_string().into();
    }
    batch(&t.app(), event(Some("s1"), &records[..30])).await.unwrap();
    for part in [&records[30..40], &records[38..60]] {
        batch(&t.app(), event(Some("s2"), part)).await.unwrap();
    }
    each_has_ten(&t).await;
}

#[tokio::test]
async fn what_cannot_be_read_is_passed_over_and_holds_up_nothing() {
    let t = Tables::new().await;
    let mut records = twenty_runs(&t).await;
    let keys = json!({"pk": {"S": "nonsense"}, "sk": {"S": "h"}});
    for broken in [
        json!({"Keys": keys, "NewImage": {"pk": {"S": "nonsense"}, "sk": {"S": "h"}, "ts": {"N": "1"}}, "SequenceNumber": "5", "SizeBytes": 1}),
        json!({"Keys": keys, "NewImage": {"pk": {"S": "org_x#run_x"}, "sk": {"S": "j#a#1"}, "e": {"B": "AAAA"}}, "SequenceNumber": "6", "SizeBytes": 1}),
        json!({"Keys": keys, "NewImage": {"pk": {"S": "org_x#run_x"}}, "SequenceNumber": "x", "SizeBytes": 1}),
        json!({"Keys": keys, "SequenceNumber": "8", "SizeBytes": 1}),
    ] {
        let record =
            json!({"eventID": "e", "eventName": "INSERT", "awsRegion": "us-east-1", "dynamodb": broken});
        records.insert(0, record);
    }
    batch(&t.app(), event(Some("s1"), &records)).await.unwrap();
    each_has_ten(&t).await;
}

#[tokio::test]
async fn the_last_call_of_a_window_and_one_without_a_shard_are_dealt_with() {
    let t = Tables::new().await;
    let records = twenty_runs(&t).await;
    batch(&t.app(), event(Some("s1"), &[])).await.unwrap();
    for _ in 0..2 {
        batch(&t.app(), event(None, &records)).await.unwrap();
    }
    each_has_ten(&t).await;
}

#[tokio::test]
async fn a_stream_in_a_file_is_trimmed_behind_its_reader_and_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let t = Tables::on(Cloud::open(folder.path()).await.unwrap()).await;
        twenty_runs(&t).await;
        let mut stream = t.cloud.stream("t-runs").unwrap();
        let (count, bytes) = stream.kept().unwrap();
        println!("60 records of 20 runs: {bytes} bytes are kept before they are dealt with");
        assert_eq!(count, 60);
        let records = stream.next(45).unwrap();
        batch(&t.app(), event(Some(stream.shard()), &records)).await.unwrap();
        stream.done(&records).unwrap();
        assert_eq!((stream.kept().unwrap().0, stream.next(100).unwrap().len()), (15, 15));
    }
    let t = Tables::on(Cloud::open(folder.path()).await.unwrap()).await;
    let mut stream = t.cloud.stream("t-runs").unwrap();
    let records = stream.next(100).unwrap();
    assert_eq!(records.len(), 15, "what was not dealt with comes, and nothing else");
    batch(&t.app(), event(Some(stream.shard()), &records)).await.unwrap();
    stream.done(&records).unwrap();
    let (count, bytes) = stream.kept().unwrap();
    assert_eq!(count, 1, "by the newest the next one is numbered");
    assert!(bytes < 3_000, "{bytes}");
    each_has_ten(&t).await;
    assert!(stream.next(100).unwrap().is_empty());
    t.start(&t.org, 99, NOON).await;
    assert_eq!(stream.next(100).unwrap().len(), 1);
}

#[tokio::test]
async fn tables_of_an_earlier_version_get_their_stream() {
    let folder = tempfile::tempdir().unwrap();
    let names = || store::TableNames::with_prefix("t");
    {
        // As they were made before there was one.
        let cloud = Cloud::open(folder.path()).await.unwrap();
        let store = store::Store::new(aws_sdk_dynamodb::Client::new(&cloud.sdk_config()), names());
        store.create_tables().await.unwrap();
        assert!(cloud.stream("t-runs").is_err());
    }
    for _ in 0..2 {
        let t = Tables::on(Cloud::open(folder.path()).await.unwrap()).await;
        t.start(&t.org, 1, NOON).await;
        let records = t.records();
        assert_eq!(records.len(), 1);
        batch(&t.app(), event(Some("s1"), &records)).await.unwrap();
        assert_eq!(t.counts(&t.org).await.started, 1);
    }
}
