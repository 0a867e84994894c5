//! Drafts, live versions, and traffic that is shared out among versions.

use crate::tables::{NOW, Tables};
use crate::workflows::{first, meta, rule, saved, version};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::Millis;
use serde_json::json;
use std::collections::BTreeMap;
use store::{Share, Split, VersionEntry, WorkflowChange, WorkflowMeta, WorkflowStore, WorkflowVersion};

fn split() -> Split {
    Split::new(vec![Share { version: 1, weight: 90 }, Share { version: 2, weight: 10 }]).unwrap()
}

/// A workflow with a live version and a draft, whose triggers are split.
async fn split_workflow(t: &Tables) -> WorkflowMeta {
    let one = meta(1);
    t.store.save_workflow(&t.org, &one, &first(t, &one), &saved()).await.unwrap();
    let splits = BTreeMap::from([("form".to_owned(), split()), ("placed".to_owned(), split())]);
    let two = WorkflowMeta { revision: 2, version: 2, splits, ..one.clone() };
    let mut change = first(t, &one);
    change.new_version = Some(version(2));
    change.hooks[0].split = split();
    change.rules = vec![rule(&two, "placed")];
    t.store.save_workflow(&t.org, &two, &change, &saved()).await.unwrap();
    two
}

/// Takes an attribute off an item of the control table, or replaces it.
async fn spoil(t: &Tables, pk: &str, sk: &str, attribute: &str, value: Option<AttributeValue>) {
    let update = t
        .client
        .update_item()
        .table_name(&t.names.control)
        .key("pk", AttributeValue::S(pk.to_owned()))
        .key("sk", AttributeValue::S(sk.to_owned()))
        .condition_expression("attribute_exists(pk)")
        .expression_attribute_names("#a", attribute);
    let update = match value {
        None => update.update_expression("REMOVE #a"),
        Some(value) => update.update_expression("SET #a = :v").expression_attribute_values(":v", value),
    };
    update.send().await.unwrap();
}

#[tokio::test]
async fn a_draft_and_splits_are_kept_and_lead_from_hook_and_rule() {
    let t = Tables::new().await;
    let two = split_workflow(&t).await;
    assert_eq!(t.store.workflow(&t.org, &two.id).await.unwrap(), Some(two.clone()));
    assert_eq!(t.store.version(&t.org, &two.id, 2).await.unwrap(), Some(version(2)));
    let current = t.store.current(&t.org, &two.id).await.unwrap().unwrap();
    assert_eq!((current.version, current.enabled), (1, true), "who calls it gets the live version");
    let hook = t.store.hook(&two.hooks["form"]).await.unwrap().unwrap();
    assert_eq!((hook.version, &hook.split), (1, &split()));
    let rules = t.store.event_rules(&t.org).await.unwrap();
    assert_eq!(rules, [rule(&two, "placed")]);
    let chosen: Vec<(u32, u32)> = (0..100)
        .map(|n| n.to_string())
        .map(|key| (hook.version_for(&key), rules[0].version_for(&key)))
        .collect();
    assert!(
        chosen.iter().any(|c| c.0 == 2)
            && chosen.iter().any(|c| c.0 == 1)
            && chosen.iter().any(|c| c.0 != c.1)
    );
}

#[tokio::test]
async fn an_older_item_reads_as_it_was_meant() {
    let t = Tables::new().await;
    let two = split_workflow(&t).await;
    let (org, sort) = (t.org.org().to_string(), format!("wf#{}", two.id));
    let bad = AttributeValue::B(Blob::new(b"\0{\"form\":[[1,0]]}"));
    for live in [None, Some("0"), Some("3"), Some("-1")] {
        spoil(&t, &org, &sort, "lv", live.map(|n| AttributeValue::N(n.to_owned()))).await;
        for splits in [None, Some(bad.clone())] {
            spoil(&t, &org, &sort, "sps", splits).await;
            let read = t.store.workflow(&t.org, &two.id).await.unwrap().unwrap();
            assert_eq!((read.version, read.live, read.splits.len()), (2, 2, 0), "{live:?}");
        }
    }
    for value in [Some(bad), Some(AttributeValue::S("half".into())), None] {
        spoil(&t, &format!("hook#{}", two.hooks["form"]), "h", "sp", value.clone()).await;
        spoil(&t, &format!("{org}#rules"), &format!("{}#placed", two.id), "sp", value).await;
        let hook = t.store.hook(&two.hooks["form"]).await.unwrap().unwrap();
        assert!(hook.split.is_empty() && hook.version_for("any") == 1);
        let rules = t.store.event_rules(&t.org).await.unwrap();
        assert!(rules[0].split.is_empty() && rules[0].version_for("any") == 1);
    }
    spoil(&t, &format!("{org}#{}", two.id), "v#00000001", "hk", None).await;
    let one = t.store.version(&t.org, &two.id, 1).await.unwrap().unwrap();
    assert_eq!(one, WorkflowVersion { hooks: BTreeMap::new(), ..version(1) });
}

#[tokio::test]
async fn what_a_rollback_was_decided_on_must_still_be_so() {
    let t = Tables::new().await;
    let two = split_workflow(&t).await;
    let publish = |live: u32| WorkflowMeta { revision: 3, live, splits: BTreeMap::new(), ..two.clone() };
    let change = |live: u32| {
        let mut change = first(&t, &two);
        change.new_version = None;
        change.hooks[0].version = live;
        change.rules = vec![rule(&publish(live), "placed")];
        change
    };
    t.store.save_workflow(&t.org, &publish(2), &change(2), &saved()).await.unwrap();
    assert!(
        t.store.save_workflow(&t.org, &publish(1), &change(1), &saved()).await.is_err(),
        "somebody was faster"
    );
    let hook = t.store.hook(&two.hooks["form"]).await.unwrap().unwrap();
    assert_eq!(
        (hook.version, hook.split.is_empty()),
        (2, true),
        "hook and rule went with the change that won"
    );
    assert_eq!(t.store.event_rules(&t.org).await.unwrap()[0].version, 2);
}

#[tokio::test]
async fn versions_are_listed_newest_first_in_pages() {
    let t = Tables::new().await;
    let one = meta(1);
    t.store.save_workflow(&t.org, &one, &first(&t, &one), &saved()).await.unwrap();
    // Together more than DynamoDB reads for one page, and hardly to be packed.
    let mut state = 1_u64;
    let text: String = (0..100_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + (state >> 33) as u8 % 26)
        })
        .collect();
    for n in 2..=25 {
        let new = WorkflowVersion { document: json!([text, n]), ..version(n) };
        let change = WorkflowChange { new_version: Some(new), ..WorkflowChange::default() };
        let meta = WorkflowMeta { revision: n, version: n, ..one.clone() };
        t.store.save_workflow(&t.org, &meta, &change, &saved()).await.unwrap();
    }
    let stored = t.scan(&t.names.control).await;
    let bytes: usize = stored.iter().filter_map(|i| Some(i.get("d")?.as_b().ok()?.as_ref().len())).sum();
    assert!(bytes > 1_200_000, "{bytes}");
    for limit in [1, 7, 25, 100] {
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = t.store.list_versions(&t.org, &one.id, before, limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            before = Some(last.version);
            seen.extend(page);
        }
        let all: Vec<VersionEntry> = (1..=25)
            .rev()
            .map(|n| VersionEntry { version: n, created_at: Millis(NOW.0 + i64::from(n)) })
            .collect();
        assert_eq!(seen, all, "limit {limit}");
    }
    assert!(t.store.list_versions(&t.org, &one.id, Some(0), 10).await.unwrap().is_empty());
    assert_eq!(t.store.list_versions(&t.org, &one.id, Some(u32::MAX), 1).await.unwrap()[0].version, 25);
}
