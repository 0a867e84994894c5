//! Connectors of an organisation's own: every version, each change under a condition.

use crate::tables::{NOW, Tables, record};
use domain::audit::Action;
use domain::{OrgId, OrgKey, Provenance};
use serde_json::{Value, json};
use store::{ConnectorKept, ConnectorStore, KeptConnector};

fn connector(name: &str, version: u32, document: Value) -> KeptConnector {
    KeptConnector {
        name: name.into(),
        version,
        revision: 0,
        document,
        summary: json!({"title": name}),
        changed_at: NOW,
        changed_by: "owner1@example.com".into(),
    }
}

#[tokio::test]
async fn versions_are_beside_each_other_and_changed_one_by_one() {
    let t = Tables::new().await;
    let put = async |kept: &KeptConnector| {
        t.store.put_own_connector(&t.org, kept, &record(Action::ConnectorSaved)).await.unwrap()
    };
    for (name, version) in [("my_a", 1), ("my_a", 2), ("my_a", 10), ("my_ab", 3), ("my_b", 1)] {
        assert_eq!(put(&connector(name, version, json!({"of": version}))).await, ConnectorKept::Kept);
    }
    assert_eq!(put(&connector("my_a", 2, json!(null))).await, ConnectorKept::Changed, "it is there");
    let there = t.store.own_connector(&t.org, "my_a", 2).await.unwrap().unwrap();
    assert_eq!((there.revision, &there.document), (1, &json!({"of": 2})));
    let changed = KeptConnector { document: json!({"of": "another"}), ..there.clone() };
    assert_eq!(put(&changed).await, ConnectorKept::Kept);
    assert_eq!(put(&changed).await, ConnectorKept::Changed, "somebody was faster");
    let newest = async |name: &str| {
        t.store.newest_own_connector(&t.org, name).await.unwrap().map(|kept| (kept.name, kept.version))
    };
    assert_eq!(newest("my_a").await, Some(("my_a".into(), 10)), "by number, and not that of `my_ab`");
    assert_eq!(newest("my_").await, None);
    let all = t.store.own_connectors(&t.org).await.unwrap();
    let names: Vec<_> = all.iter().map(|(name, version, _)| (name.as_str(), *version)).collect();
    assert_eq!(names, [("my_a", 1), ("my_a", 2), ("my_a", 10), ("my_ab", 3), ("my_b", 1)]);
    assert_eq!(all[0].2, json!({"title": "my_a"}));
    // Of another organisation there is none.
    let other = OrgKey::verified(OrgId::from_bytes([0xee; 16]), Provenance::Token);
    assert_eq!(t.store.own_connector(&other, "my_a", 1).await.unwrap(), None);
    assert!(t.store.own_connectors(&other).await.unwrap().is_empty());
    let delete = async |version| {
        let record = record(Action::ConnectorDeleted);
        t.store.delete_own_connector(&t.org, "my_a", version, &record).await.unwrap()
    };
    assert!(delete(10).await && !delete(10).await);
    assert_eq!(newest("my_a").await, Some(("my_a".into(), 2)));
}

#[tokio::test]
async fn a_large_manifest_is_kept_packed_and_one_that_is_too_large_is_refused() {
    let t = Tables::new().await;
    let record = record(Action::ConnectorSaved);
    let large = json!({"text": "abc ".repeat(500_000)});
    let kept = connector("my_a", 1, large.clone());
    assert_eq!(t.store.put_own_connector(&t.org, &kept, &record).await.unwrap(), ConnectorKept::Kept);
    assert_eq!(t.store.own_connector(&t.org, "my_a", 1).await.unwrap().unwrap().document, large);
    // Nothing packs this.
    let mut x = 1_u64;
    let noise: String = std::iter::repeat_with(|| {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + (x >> 33) as u8 % 94)
    })
    .take(600_000)
    .collect();
    let kept = connector("my_a", 2, json!({"text": noise}));
    assert_eq!(t.store.put_own_connector(&t.org, &kept, &record).await.unwrap(), ConnectorKept::TooLarge);
    assert_eq!(t.store.own_connector(&t.org, "my_a", 2).await.unwrap(), None);
}
