//! Tables with a stream, and what runs write into them.

use async_trait::async_trait;
use domain::run::{End, Entry, Head, Mark, NewRun, Origin, Repeat, RunStatus, Segment, StepError};
use domain::{Day, Figures, Millis, OrgId, OrgKey, Provenance, RunId, WorkflowId};
use emulators::Cloud;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::{RunStore, Sequence, Store, StoreError, TableNames, UsageStore};
use stream::{App, StreamEvent};

/// Noon of 1 March 2026.
pub(crate) const NOON: Millis = Millis(1_772_366_400_000);

pub(crate) struct Tables {
    pub(crate) cloud: Cloud,
    pub(crate) store: Arc<Store>,
    pub(crate) org: OrgKey,
    pub(crate) other: OrgKey,
}

impl Tables {
    pub(crate) async fn new() -> Self {
        Self::on(Cloud::memory().unwrap()).await
    }

    pub(crate) async fn on(cloud: Cloud) -> Self {
        let client = aws_sdk_dynamodb::Client::new(&cloud.sdk_config());
        let store = Arc::new(Store::new(client, TableNames::with_prefix("t")));
        store.create_tables().await.unwrap();
        store.stream_runs().await.unwrap();
        let org = |n| OrgKey::verified(OrgId::from_bytes([n; 16]), Provenance::Token);
        Self { cloud, store, org: org(1), other: org(2) }
    }

    pub(crate) fn app(&self) -> App {
        App { usage: self.store.clone() }
    }

    /// A function whose writes fail from the `n`th on.
    pub(crate) fn app_that_fails_after(&self, n: usize) -> App {
        App { usage: Arc::new(Failing { store: self.store.clone(), left: AtomicUsize::new(n) }) }
    }

    /// Every record of the stream.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.cloud.stream("t-runs").unwrap().next(1000).unwrap()
    }

    pub(crate) async fn start(&self, org: &OrgKey, n: u128, at: Millis) -> Head {
        self.start_as(org, n, at, None).await
    }

    pub(crate) async fn start_as(&self, org: &OrgKey, n: u128, at: Millis, origin: Option<Origin>) -> Head {
        let run = NewRun {
            id: RunId::from_bytes(n.to_be_bytes()),
            workflow: WorkflowId::from_bytes([3; 16]),
            version: 1,
            trigger: "form".into(),
            input: json!({"body": {"n": 1}}),
            started_at: at,
            deadline: Millis(at.0 + 3_600_000),
            depth: 0,
            parent: None,
            origin,
            epoch: 0,
            secret: None,
            priority: domain::run::Priority::default(),
            variables: None,
            gathers_until: None,
        };
        self.store.create_run(org, &run).await.unwrap();
        self.store.head(org, &run.id, true).await.unwrap().unwrap()
    }

    /// Records a segment of these entries.
    pub(crate) async fn append(&self, org: &OrgKey, head: &Head, entries: Vec<Entry>) {
        self.store.append(org, head, "", &Segment { entries }, None).await.unwrap();
    }

    pub(crate) async fn end(&self, org: &OrgKey, head: &Head, status: RunStatus, at: Millis) {
        let end = End { status, at, error: None, output: Some(json!("done")), outbox: Vec::new() };
        self.store.finish(org, &head.id, &end).await.unwrap();
    }

    pub(crate) async fn usage(&self, org: &OrgKey) -> BTreeMap<Day, Figures> {
        let day = Day::of(NOON);
        self.store.usage(org, day.plus(-2), day.plus(2)).await.unwrap().0
    }

    /// What was used in all, without sizes.
    pub(crate) async fn counts(&self, org: &OrgKey) -> Figures {
        let mut sum = Figures::default();
        for figures in self.usage(org).await.values() {
            sum.add(figures);
        }
        Figures { table_bytes: 0, ..sum }
    }
}

pub(crate) fn entry(path: &str, attempt: u16, at: Millis, called: bool, mark: Mark) -> Entry {
    Entry { path: path.into(), attempt, started_at: at, finished_at: at, input: None, called, mark }
}

pub(crate) fn done(path: &str, at: Millis) -> Entry {
    entry(path, 1, at, true, Mark::Succeeded(json!({"ok": true})))
}

pub(crate) fn retried(path: &str, at: Millis) -> Entry {
    let error = StepError::passing("http_status", "busy");
    entry(path, 1, at, true, Mark::Retrying { error, next_at: at })
}

pub(crate) fn repeats(run: &RunId) -> Origin {
    Origin { run: run.clone(), kind: Repeat::Redrive }
}

/// An event as Lambda hands it over, through text.
pub(crate) fn event(shard: Option<&str>, records: &[Value]) -> StreamEvent {
    let event = json!({"Records": records, "shardId": shard, "window": {"start": "2026-03-01T12:00:00Z", "end": "2026-03-01T12:01:00Z"}, "state": {}});
    serde_json::from_str(&event.to_string()).unwrap()
}

struct Failing {
    store: Arc<Store>,
    left: AtomicUsize,
}

#[async_trait]
impl UsageStore for Failing {
    async fn add_usage(
        &self,
        org: &OrgKey,
        day: Day,
        shard: &str,
        records: &[(Sequence, Figures)],
    ) -> Result<usize, StoreError> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_err() {
            return Err(StoreError::Throttled { operation: "usage" });
        }
        self.store.add_usage(org, day, shard, records).await
    }
}
