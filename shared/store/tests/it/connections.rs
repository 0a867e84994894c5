//! Connections: each change is of the revision that was read, and is recorded.

use crate::tables::{NOW, Tables, record};
use domain::audit::Action;
use domain::connection::{Connection, ConnectionStatus};
use domain::{ConnectionId, Millis};
use serde_json::Map;
use store::{ConnectionStore, KeptConnection, KeptOAuthClient, Lease, TokenChange};

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
        authorized_by: None,
    };
    let credentials = Some(format!("sealed {n}"));
    KeptConnection {
        id: ConnectionId::from_bytes([n; 16]),
        connection,
        credentials,
        revision: 1,
        tokens: None,
        number: 0,
    }
}

#[tokio::test]
async fn a_change_is_of_the_revision_that_was_read() {
    let t = Tables::new().await;
    let create = async |kept: &KeptConnection| {
        t.store.create_connection(&t.org, kept, &record(Action::ConnectionCreated)).await.unwrap()
    };
    let put = async |kept: &KeptConnection| {
        let record = record(Action::ConnectionChanged);
        t.store.change_connection(&t.org, kept, &TokenChange::Stay, &record).await.unwrap()
    };
    let first = kept(1);
    assert!(create(&first).await);
    assert!(!create(&first).await, "there is one of this id");
    assert_eq!(t.store.connection(&t.org, &first.id).await.unwrap(), Some(first.clone()));
    let mut second = KeptConnection { revision: 2, credentials: None, ..first.clone() };
    second.connection.name = "another name".into();
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
        assert!(t.store.create_connection(&t.org, &kept(n), &record).await.unwrap());
    }
    let listed = t.store.connections(&t.org, None, 2).await.unwrap();
    assert_eq!(listed, [kept(1), kept(2)]);
    assert_eq!(t.store.connections(&t.org, Some(&listed[1].id), 2).await.unwrap(), [kept(3)]);
    assert_eq!(t.store.connections(&t.other, None, 10).await.unwrap(), []);
    assert_eq!(t.store.connection(&t.other, &kept(1).id).await.unwrap(), None);
}

#[tokio::test]
async fn one_at_a_time_gets_new_tokens_and_keeps_them() {
    let t = Tables::new().await;
    let first = KeptConnection { tokens: Some("old".into()), ..kept(1) };
    let record = record(Action::ConnectionCreated);
    assert!(t.store.create_connection(&t.org, &first, &record).await.unwrap());
    let id = &first.id;
    let lease = async |number, holder: &str, now: i64| {
        let (now, until) = (Millis(NOW.0 + now), Millis(NOW.0 + now + 30));
        t.store.lease_tokens(&t.org, id, number, holder, now, until).await.unwrap()
    };
    let keep = async |number, holder: &str, sealed: &str| {
        t.store.keep_tokens(&t.org, id, number, holder, sealed).await.unwrap()
    };
    let read = async || t.store.connection(&t.org, id).await.unwrap().unwrap();
    assert_eq!(lease(0, "a", 0).await, Lease::Ours);
    assert_eq!(lease(0, "b", 29).await, Lease::Theirs);
    // Whoever has held it for too long has lost it to the next, and what comes late is not kept.
    assert_eq!(lease(0, "b", 31).await, Lease::Ours);
    assert!(!keep(0, "a", "late").await);
    assert!(keep(0, "b", "new").await);
    assert_eq!((read().await.tokens.as_deref(), read().await.number), (Some("new"), 1));
    assert_eq!(lease(0, "c", 99).await, Lease::Theirs, "there are newer ones");
    // What came to nothing is given back, by its holder only.
    assert_eq!(lease(1, "c", 100).await, Lease::Ours);
    t.store.release_tokens(&t.org, id, "d").await.unwrap();
    assert_eq!(lease(1, "d", 101).await, Lease::Theirs);
    t.store.release_tokens(&t.org, id, "c").await.unwrap();
    assert_eq!(lease(1, "d", 102).await, Lease::Ours);
    // A change of the name takes nothing from whoever asks meanwhile.
    let mut renamed = KeptConnection { revision: 2, ..read().await };
    renamed.connection.name = "another name".into();
    let change = async |kept: &KeptConnection, tokens: TokenChange| {
        let record = crate::tables::record(Action::ConnectionChanged);
        t.store.change_connection(&t.org, kept, &tokens, &record).await.unwrap()
    };
    assert!(change(&renamed, TokenChange::Stay).await);
    assert!(keep(1, "d", "newer").await);
    // A consent does.
    assert_eq!(lease(2, "e", 200).await, Lease::Ours);
    renamed.revision = 3;
    assert!(change(&renamed, TokenChange::New("agreed".into())).await);
    assert!(!keep(2, "e", "of before").await);
    assert_eq!((read().await.tokens.as_deref(), read().await.number), (Some("agreed"), 3));
    assert!(!t.store.need_reconnect(&t.org, id, 2, "of before").await.unwrap());
    assert!(t.store.need_reconnect(&t.org, id, 3, "taken back").await.unwrap());
    assert!(!t.store.need_reconnect(&t.org, id, 3, "again").await.unwrap());
    let broken = read().await.connection;
    assert_eq!(
        (broken.status, broken.reason.as_deref()),
        (ConnectionStatus::NeedsReconnect, Some("taken back"))
    );
    renamed.revision = 4;
    assert!(change(&renamed, TokenChange::Gone).await);
    let gone = read().await;
    assert_eq!((gone.connection.status, gone.tokens, gone.number), (ConnectionStatus::Ready, None, 4));
}

#[tokio::test]
async fn an_organisation_has_one_client_for_a_connector() {
    let t = Tables::new().await;
    let client = |id: &str, secret: Option<&str>| KeptOAuthClient {
        connector: "slack".into(),
        client_id: id.into(),
        secret: secret.map(str::to_owned),
        changed_at: NOW,
    };
    let of = async |org| t.store.oauth_client(org, "slack").await.unwrap();
    assert_eq!(of(&t.org).await, None);
    let put = async |before: Option<&KeptOAuthClient>, client: &KeptOAuthClient| {
        let record = record(Action::OAuthClientChanged);
        t.store.put_oauth_client(&t.org, before, client, &record).await.unwrap()
    };
    // Each in the place of the one that its setter had read: of the one before, the secret is deleted then.
    let mut before = None;
    for client in [client("one", Some("sealed")), client("two", None), client("two", Some("kept"))] {
        assert!(put(before.as_ref(), &client).await);
        assert!(!put(before.as_ref(), &client).await, "somebody was faster");
        assert_eq!(of(&t.org).await.as_ref(), Some(&client));
        before = Some(client);
    }
    let last = before.unwrap();
    let other = crate::tables::org(9);
    assert_eq!(of(&other).await, None);
    let delete = async |before: &KeptOAuthClient| {
        t.store.delete_oauth_client(&t.org, before, &record(Action::OAuthClientDeleted)).await.unwrap()
    };
    for other in [client("two", Some("another")), client("two", None), client("one", Some("kept"))] {
        assert!(!delete(&other).await);
    }
    assert!(delete(&last).await);
    assert!(!delete(&last).await);
    assert_eq!(of(&t.org).await, None);
}
