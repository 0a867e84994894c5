//! Workflows: whole changes, immutable versions, webhooks and rules that come and go.

use crate::tables::{NOW, Tables, record};
use domain::audit::{Action, Record};
use domain::{HookId, Millis, WorkflowId};
use serde_json::json;
use std::collections::BTreeMap;
use store::{
    EventRule, Hook, Split, StoreError, WorkflowChange, WorkflowFilter, WorkflowMeta, WorkflowStore,
    WorkflowVersion,
};

pub(crate) fn saved() -> Record {
    record(Action::WorkflowChanged)
}

pub(crate) fn meta(n: u8) -> WorkflowMeta {
    WorkflowMeta {
        id: WorkflowId::from_bytes([n; 16]),
        name: "Orders".into(),
        version: 1,
        live: 1,
        enabled: true,
        hooks: BTreeMap::from([("form".into(), HookId::from_bytes([n; 16]))]),
        rules: vec!["placed".into()],
        splits: BTreeMap::new(),
        created_at: NOW,
        updated_at: NOW,
        revision: 1,
    }
}

pub(crate) fn version(n: u32) -> WorkflowVersion {
    WorkflowVersion {
        version: n,
        document: json!({"name": "Orders", "n": n, "x": 0.1 + 0.2}),
        created_at: Millis(NOW.0 + i64::from(n)),
        hooks: BTreeMap::from([("form".into(), HookId::from_bytes([1; 16]))]),
    }
}

pub(crate) fn first(t: &Tables, meta: &WorkflowMeta) -> WorkflowChange {
    WorkflowChange {
        new_version: Some(version(1)),
        hooks: vec![Hook {
            id: meta.hooks["form"].clone(),
            org: t.org.clone(),
            workflow: meta.id.clone(),
            trigger: "form".into(),
            version: 1,
            split: Split::default(),
            enabled: true,
        }],
        rules: vec![rule(meta, "placed")],
        ..WorkflowChange::default()
    }
}

pub(crate) fn rule(meta: &WorkflowMeta, trigger: &str) -> EventRule {
    let pattern = json!({"source": ["shop"]});
    let split = meta.splits.get(trigger).cloned().unwrap_or_default();
    EventRule { workflow: meta.id.clone(), trigger: trigger.into(), version: meta.live, split, pattern }
}

#[tokio::test]
async fn a_workflow_is_saved_whole() {
    let t = Tables::new().await;
    let meta = meta(1);
    t.store.save_workflow(&t.org, &meta, &first(&t, &meta), &saved()).await.unwrap();
    assert_eq!(t.store.workflow(&t.org, &meta.id).await.unwrap(), Some(meta.clone()));
    assert_eq!(t.store.version(&t.org, &meta.id, 1).await.unwrap(), Some(version(1)));
    assert_eq!(t.store.version(&t.org, &meta.id, 2).await.unwrap(), None);
    let hook = t.store.hook(&meta.hooks["form"]).await.unwrap().unwrap();
    assert_eq!(
        (hook.org.org(), &hook.workflow, hook.trigger.as_str(), hook.enabled),
        (t.org.org(), &meta.id, "form", true)
    );
    assert_eq!(t.store.event_rules(&t.org).await.unwrap(), [rule(&meta, "placed")]);
}

#[tokio::test]
async fn a_change_of_what_has_changed_since_is_refused_and_writes_nothing() {
    let t = Tables::new().await;
    let one = meta(1);
    t.store.save_workflow(&t.org, &one, &first(&t, &one), &saved()).await.unwrap();
    let again = t.store.save_workflow(&t.org, &one, &first(&t, &one), &saved()).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "it exists");
    let two = WorkflowMeta { revision: 2, version: 2, name: "Mine".into(), ..one.clone() };
    let change = WorkflowChange { new_version: Some(version(2)), ..WorkflowChange::default() };
    t.store.save_workflow(&t.org, &two, &change, &saved()).await.unwrap();
    let stale = WorkflowMeta { revision: 2, version: 3, name: "Theirs".into(), ..one.clone() };
    let change = WorkflowChange {
        new_version: Some(version(3)),
        removed_rules: vec!["placed".into()],
        ..WorkflowChange::default()
    };
    let refused = t.store.save_workflow(&t.org, &stale, &change, &saved()).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    assert_eq!(t.store.workflow(&t.org, &one.id).await.unwrap().unwrap().name, "Mine");
    assert_eq!(t.store.version(&t.org, &one.id, 3).await.unwrap(), None);
    assert_eq!(t.store.event_rules(&t.org).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_version_never_changes() {
    let t = Tables::new().await;
    let one = meta(1);
    t.store.save_workflow(&t.org, &one, &first(&t, &one), &saved()).await.unwrap();
    let two = WorkflowMeta { revision: 2, ..one.clone() };
    let other = WorkflowVersion { document: json!("other"), ..version(1) };
    let change = WorkflowChange { new_version: Some(other), ..WorkflowChange::default() };
    assert!(t.store.save_workflow(&t.org, &two, &change, &saved()).await.is_err());
    assert_eq!(t.store.version(&t.org, &one.id, 1).await.unwrap(), Some(version(1)));
    assert_eq!(t.store.workflow(&t.org, &one.id).await.unwrap().unwrap().revision, 1);
}

#[tokio::test]
async fn webhooks_and_rules_come_and_go_with_a_change() {
    let t = Tables::new().await;
    let one = meta(1);
    t.store.save_workflow(&t.org, &one, &first(&t, &one), &saved()).await.unwrap();
    let two = WorkflowMeta { revision: 2, rules: vec!["paid".into()], hooks: BTreeMap::new(), ..one.clone() };
    let change = WorkflowChange {
        rules: vec![rule(&two, "paid")],
        removed_rules: vec!["placed".into()],
        removed_hooks: vec![one.hooks["form"].clone()],
        ..WorkflowChange::default()
    };
    t.store.save_workflow(&t.org, &two, &change, &saved()).await.unwrap();
    assert!(t.store.hook(&one.hooks["form"]).await.unwrap().is_none());
    assert_eq!(t.store.event_rules(&t.org).await.unwrap(), [rule(&two, "paid")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_changes_at_once_one_wins() {
    let t = Tables::new().await;
    let one = meta(1);
    t.store.save_workflow(&t.org, &one, &first(&t, &one), &saved()).await.unwrap();
    for revision in 2..20 {
        let change = |name: &str| {
            let (store, org) = (t.store.clone(), t.org.clone());
            let meta = WorkflowMeta { revision, name: name.into(), ..one.clone() };
            tokio::spawn(async move {
                store.save_workflow(&org, &meta, &WorkflowChange::default(), &saved()).await.is_ok()
            })
        };
        let (a, b) = (change("a"), change("b"));
        assert!(a.await.unwrap() ^ b.await.unwrap());
    }
}

#[tokio::test]
async fn workflows_are_listed_by_id_in_pages() {
    let t = Tables::new().await;
    for n in 0..25 {
        let meta = WorkflowMeta { hooks: BTreeMap::new(), ..meta(n) };
        t.store.save_workflow(&t.org, &meta, &WorkflowChange::default(), &saved()).await.unwrap();
    }
    let pages = async |filter: WorkflowFilter, limit| {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = t.store.list_workflows(&t.org, &filter, after.as_ref(), limit).await.unwrap();
            assert!(page.0.len() <= limit);
            seen.extend(page.0.into_iter().map(|m| m.id));
            after = page.1;
            if after.is_none() {
                return seen;
            }
        }
    };
    for limit in [1, 5, 10, 25, 26] {
        let mut seen = pages(WorkflowFilter::default(), limit).await;
        assert_eq!(seen.len(), 25, "{limit}");
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
        seen.reverse();
        let newest_first = WorkflowFilter { newest_first: true, ..WorkflowFilter::default() };
        assert_eq!(pages(newest_first, limit).await, seen, "{limit}");
    }
    let named = |name: &str| WorkflowFilter { name: Some(name.into()), ..WorkflowFilter::default() };
    assert_eq!(pages(named("oRd"), 7).await.len(), 25);
    assert!(pages(named("x"), 7).await.is_empty());
    let off = WorkflowFilter { enabled: Some(false), ..WorkflowFilter::default() };
    assert!(pages(off, 7).await.is_empty());
}
