//! Tables of a test's own, and what it puts into them.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::audit::{Action, Record, RequestOrigin};
use domain::run::{Consequence, End, Entry, Head, Mark, NewRun, RunError, RunStatus, Segment};
use domain::{Actor, Millis, OrgId, OrgKey, Provenance, RecordId, RunId, UserId, WorkflowId};
use emulators::Cloud;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::{RunStore, Store, TableNames};

pub(crate) const NOW: Millis = Millis(1_772_366_430_123);

pub(crate) struct Tables {
    pub(crate) store: Arc<Store>,
    pub(crate) client: aws_sdk_dynamodb::Client,
    pub(crate) names: TableNames,
    pub(crate) org: OrgKey,
    pub(crate) other: OrgKey,
}

pub(crate) type Item = HashMap<String, AttributeValue>;

impl Tables {
    pub(crate) async fn new() -> Self {
        let cloud = Cloud::memory().unwrap();
        let names = TableNames::with_prefix("t");
        let client = aws_sdk_dynamodb::Client::new(&cloud.sdk_config());
        let store = Arc::new(Store::new(client.clone(), names.clone()));
        store.create_tables().await.unwrap();
        Self { store, client, names, org: org(1), other: org(2) }
    }

    pub(crate) async fn start(&self, n: u128) -> Head {
        let run = new_run(n);
        self.store.create_run(&self.org, &run).await.unwrap();
        self.head(&run.id).await
    }

    pub(crate) async fn head(&self, run: &RunId) -> Head {
        self.store.head(&self.org, run, true).await.unwrap().unwrap()
    }

    /// Every item of a table, as it is stored.
    pub(crate) async fn scan(&self, table: &str) -> Vec<Item> {
        let pages = self.client.scan().table_name(table).into_paginator().items().send();
        pages.collect::<Result<Vec<_>, _>>().await.unwrap()
    }

    /// Replaces one attribute of an item of the runs table.
    pub(crate) async fn spoil(&self, run: &RunId, sk: &str, attribute: &str, value: AttributeValue) {
        self.client
            .update_item()
            .table_name(&self.names.runs)
            .key("pk", AttributeValue::S(format!("{}#{run}", self.org.org())))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .update_expression("SET #a = :v")
            .expression_attribute_names("#a", attribute)
            .expression_attribute_values(":v", value)
            .send()
            .await
            .unwrap();
    }
}

/// A record that is no other.
pub(crate) fn record(action: Action) -> Record {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = u128::from(NEXT.fetch_add(1, Ordering::Relaxed));
    Record {
        id: RecordId::from_bytes(number.to_be_bytes()),
        at: NOW,
        action,
        actor: Actor::User(UserId::from_bytes([1; 16])),
        actor_name: "owner1@example.com".into(),
        key: None,
        target: None,
        before: Value::Null,
        after: Value::Null,
        origin: RequestOrigin::default(),
    }
}

pub(crate) fn org(n: u8) -> OrgKey {
    OrgKey::verified(OrgId::from_bytes([n; 16]), Provenance::Token)
}

pub(crate) fn new_run(n: u128) -> NewRun {
    NewRun {
        id: RunId::from_bytes(n.to_be_bytes()),
        workflow: WorkflowId::from_bytes([3; 16]),
        version: 4,
        trigger: "form".into(),
        input: json!({"body": {"n": 1}}),
        started_at: NOW,
        deadline: Millis(NOW.0 + 3_600_000),
        depth: 2,
        parent: None,
        origin: None,
        epoch: 0,
        secret: None,
        priority: domain::run::Priority::default(),
        variables: None,
        gathers_until: None,
    }
}

pub(crate) fn entry(path: &str, attempt: u16, output: Value) -> Entry {
    Entry {
        path: path.into(),
        attempt,
        started_at: NOW,
        finished_at: Millis(NOW.0 + 5),
        input: None,
        called: false,
        mark: Mark::Succeeded(output),
    }
}

pub(crate) fn segment(path: &str, attempt: u16, output: Value) -> Segment {
    Segment { entries: vec![entry(path, attempt, output)] }
}

pub(crate) fn failed() -> End {
    End {
        status: RunStatus::Failed,
        at: Millis(NOW.0 + 9),
        error: Some(RunError::new("http_status", "the other side answered 500")),
        output: None,
        outbox: vec![Consequence::FailureEvent],
    }
}

pub(crate) fn ended(status: RunStatus) -> End {
    End { status, at: Millis(NOW.0 + 10), error: None, output: Some(json!({"x": 1})), outbox: Vec::new() }
}
