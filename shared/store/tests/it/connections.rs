//! Connections: each change is of the revision that was read, and is recorded.

use crate::tables::{NOW, Tables, record};
use domain::ConnectionId;
use domain::audit::Action;
use domain::connection::{Connection, ConnectionStatus};
use serde_json::Map;
use store::{ConnectionStore, KeptConnection};

fn kept(n: u8) -> KeptConnection {
    let connection = Connection {
        name: format!("connection {n}"),
        connector: "slack".into(),
        auth: "bot".into(),
        fields: Map::new(),
        status: ConnectionStatus::Ready,
        reason: None,
        created_at: NOW,
        created_by: "owner1@example.com".into(),
        changed_at: NOW,
    };
    let credentials = Some(format!("sealed {n}"));
    KeptConnection { id: ConnectionId::from_bytes([n; 16]), connection, credentials, revision: 1 }
}

#[tokio::test]
async fn a_change_is_of_the_revision_that_was_read() {
    let t = Tables::new().await;
    let put = async |kept: &KeptConnection| {
        t.store.put_connection(&t.org, kept, &record(Action::ConnectionChanged)).await.unwrap()
    };
    let first = kept(1);
    assert!(put(&first).await);
    assert!(!put(&first).await, "there is one of this id");
    assert_eq!(t.store.connection(&t.org, &first.id).await.unwrap(), Some(first.clone()));
    let mut second = KeptConnection { revision: 2, credentials: None, ..first.clone() };
    second.connection.status = ConnectionStatus::NeedsReconnect;
    second.connection.reason = Some("revoked".into());
    assert!(put(&second).await);
    assert!(!put(&second).await, "somebody else was faster");
    assert!(!put(&KeptConnection { revision: 4, ..first.clone() }).await, "nobody read a third");
    assert_eq!(t.store.connection(&t.org, &first.id).await.unwrap(), Some(second));
    let delete = async |revision| {
        let record = record(Action::ConnectionDeleted);
        t.store.delete_connection(&t.org, &first.id, revision, &record).await.unwrap()
    };
    assert!(!delete(1).await);
    assert!(delete(2).await);
    assert!(!delete(2).await);
    assert_eq!(t.store.connection(&t.org, &first.id).await.unwrap(), None);
    // What did not take place is not told.
    let ledger = t.store.ledger(&t.org, domain::Millis(0), domain::Millis(NOW.0 + 1), None, 10).await;
    assert_eq!(ledger.unwrap().unwrap().records.len(), 3);
}

#[tokio::test]
async fn they_are_listed_by_id_and_are_one_organisations() {
    let t = Tables::new().await;
    for n in [3, 1, 2] {
        let record = record(Action::ConnectionCreated);
        assert!(t.store.put_connection(&t.org, &kept(n), &record).await.unwrap());
    }
    let listed = t.store.connections(&t.org, None, 2).await.unwrap();
    assert_eq!(listed, [kept(1), kept(2)]);
    assert_eq!(t.store.connections(&t.org, Some(&listed[1].id), 2).await.unwrap(), [kept(3)]);
    assert_eq!(t.store.connections(&t.other, None, 10).await.unwrap(), []);
    assert_eq!(t.store.connection(&t.other, &kept(1).id).await.unwrap(), None);
}
