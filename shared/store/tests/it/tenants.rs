//! What belongs to one organisation is not there for another.

use crate::tables::{NOW, Tables, ended, segment};
use crate::workflows::{first, meta, saved};
use domain::run::{Answer, RunStatus};
use serde_json::json;
use std::time::Duration;
use store::{RunFilter, RunStore, WorkflowFilter, WorkflowStore};

#[tokio::test]
async fn another_organisation_reads_nothing() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    t.store.append(&t.org, &head, "", &segment("a", 1, json!(1)), None).await.unwrap();
    t.store.claim(&t.org, &head, &store::Attempt::main("b", 1), NOW, Duration::from_secs(9)).await.unwrap();
    let answer = Answer { status: 200, headers: Vec::new(), body: json!(1) };
    t.store.answer(&t.org, &head, &answer).await.unwrap();
    let meta = meta(1);
    t.store.save_workflow(&t.org, &meta, &first(&t, &meta), &saved()).await.unwrap();

    let (store, other) = (&t.store, &t.other);
    assert!(store.head(other, &head.id, true).await.unwrap().is_none());
    let journal = store.journal(other, &head.id).await.unwrap();
    assert!(journal.entries.is_empty() && journal.claims.is_empty());
    assert_eq!(store.peek_answer(other, &head.id).await.unwrap(), (None, None));
    let page = store.list_runs(other, &RunFilter::default(), None, 10, NOW).await.unwrap().unwrap();
    assert!(page.heads.is_empty());
    assert!(store.workflow(other, &meta.id).await.unwrap().is_none());
    assert!(store.version(other, &meta.id, 1).await.unwrap().is_none());
    assert!(store.list_versions(other, &meta.id, None, 10).await.unwrap().is_empty());
    let listed = store.list_workflows(other, &WorkflowFilter::default(), None, 10).await.unwrap();
    assert_eq!(listed, (Vec::new(), None));
    assert!(store.event_rules(other).await.unwrap().is_empty());
}

#[tokio::test]
async fn another_organisation_changes_nothing() {
    let t = Tables::new().await;
    let head = t.start(1).await;
    let before = t.scan(&t.names.runs).await;
    t.store.mark_running(&t.other, &head.id).await.unwrap();
    t.store.mark_waiting(&t.other, &head.id, NOW).await.unwrap();
    t.store.clear_outbox(&t.other, &head.id).await.unwrap();
    assert!(t.store.finish(&t.other, &head.id, &ended(RunStatus::Cancelled)).await.is_err());
    assert_eq!(t.scan(&t.names.runs).await, before);
}
