//! Connectors of an organisation's own: every version, and what is known of a name, also when nothing else is left of it.

use crate::tables::{NOW, Tables, record};
use domain::audit::Action;
use domain::{OrgId, OrgKey, Provenance};
use serde_json::{Value, json};
use store::{ConnectorKept, ConnectorName, ConnectorStore, HeldName, KeptConnector};

fn connector(name: &str, version: u32, document: Value) -> KeptConnector {
    let changed_by = "owner1@example.com".into();
    KeptConnector { name: name.into(), version, document, changed_at: NOW, changed_by }
}

fn named(name: &str, revision: u32, versions: &[u32]) -> ConnectorName {
    let held = HeldName {
        leads_to: ["https://a.example".to_owned()].into(),
        versions: versions.iter().copied().collect(),
        summary: json!({"title": name}),
    };
    ConnectorName { name: name.into(), revision, held }
}

#[tokio::test]
async fn versions_are_beside_each_other_and_each_change_is_of_the_name_that_was_read() {
    let t = Tables::new().await;
    let put = async |name: &ConnectorName, version: u32| {
        let kept = connector(&name.name, version, json!({"of": version}));
        t.store.put_own_connector(&t.org, name, &kept, &record(Action::ConnectorSaved)).await.unwrap()
    };
    assert_eq!(put(&named("my_a", 0, &[1]), 1).await, ConnectorKept::Kept);
    assert_eq!(
        put(&named("my_a", 0, &[2]), 2).await,
        ConnectorKept::Changed,
        "two that make a name: one does"
    );
    assert_eq!(t.store.own_connector(&t.org, "my_a", 2).await.unwrap(), None);
    assert_eq!(put(&named("my_a", 1, &[1, 10]), 10).await, ConnectorKept::Kept);
    assert_eq!(put(&named("my_ab", 0, &[3]), 3).await, ConnectorKept::Kept);
    let all = t.store.connector_names(&t.org).await.unwrap();
    assert_eq!(all, [named("my_a", 2, &[1, 10]), named("my_ab", 1, &[3])]);
    assert_eq!(t.store.own_connector(&t.org, "my_a", 10).await.unwrap().unwrap().document, json!({"of": 10}));
    // Of another organisation there is none.
    let other = OrgKey::verified(OrgId::from_bytes([0xee; 16]), Provenance::Token);
    assert_eq!(t.store.own_connector(&other, "my_a", 1).await.unwrap(), None);
    assert!(t.store.connector_names(&other).await.unwrap().is_empty());
    // Two that delete a version each: one does, and the other one looks again.
    let delete = async |name: ConnectorName, version: u32| {
        let record = record(Action::ConnectorDeleted);
        t.store.delete_own_connector(&t.org, &name, &[version], &record).await.unwrap()
    };
    assert!(delete(named("my_a", 2, &[10]), 1).await);
    assert!(!delete(named("my_a", 2, &[1]), 10).await);
    assert!(t.store.own_connector(&t.org, "my_a", 10).await.unwrap().is_some());
    assert!(delete(named("my_a", 3, &[]), 10).await);
    let left = t.store.connector_name(&t.org, "my_a").await.unwrap();
    assert_eq!(left, Some(named("my_a", 4, &[])), "where it leads is known for ever");
}

#[tokio::test]
async fn a_large_manifest_is_kept_packed_and_one_that_is_too_large_is_refused() {
    let t = Tables::new().await;
    let record = record(Action::ConnectorSaved);
    let large = json!({"text": "abc ".repeat(500_000)});
    let kept = connector("my_a", 1, large.clone());
    let put = t.store.put_own_connector(&t.org, &named("my_a", 0, &[1]), &kept, &record).await;
    assert_eq!(put.unwrap(), ConnectorKept::Kept);
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
    let put = t.store.put_own_connector(&t.org, &named("my_a", 1, &[1, 2]), &kept, &record).await;
    assert_eq!(put.unwrap(), ConnectorKept::TooLarge);
    assert_eq!(t.store.own_connector(&t.org, "my_a", 2).await.unwrap(), None);
}
