//! Whoever agreed to a connection is told when that no longer counts.

use domain::audit::{Action, Actor, Record, RequestOrigin};
use domain::connection::{Connection, ConnectionStatus};
use domain::{ConnectionId, RecordId, UserId};
use harness::{START, World};
use runtime::Clock;
use std::time::Duration;
use store::{ConnectionStore, DueEntry, DueStore, KeptConnection};
use timer::tick;

async fn connected(world: &World, authorized_by: Option<&str>) -> ConnectionId {
    let connection = Connection {
        name: "Bases of the sales team".into(),
        connector: "airtable".into(),
        auth: "oauth".into(),
        fields: serde_json::Map::new(),
        status: ConnectionStatus::Ready,
        reason: None,
        created_at: START,
        created_by: "ada@example.com".into(),
        changed_at: START,
        authorized_by: authorized_by.map(str::to_owned),
    };
    let id = ConnectionId::from_bytes([5; 16]);
    let tokens = Some("sealed".to_owned());
    let kept = KeptConnection { id, connection, credentials: None, revision: 1, tokens, number: 4 };
    let record = Record {
        id: RecordId::from_bytes([1; 16]),
        at: START,
        action: Action::ConnectionCreated,
        actor: Actor::User(UserId::from_bytes([1; 16])),
        actor_name: "ada@example.com".into(),
        key: None,
        target: None,
        before: serde_json::Value::Null,
        after: serde_json::Value::Null,
        origin: RequestOrigin::default(),
    };
    assert!(world.store.create_connection(&world.org, &kept, &record).await.unwrap());
    kept.id
}

/// What an executor does that finds it.
async fn found(world: &World, id: &ConnectionId, number: u32) -> bool {
    let entry = DueEntry::told_of(&world.org, id, world.clock.now());
    world.store.put_due(&entry).await.unwrap();
    world.store.need_reconnect(&world.org, id, number, "the user took it back").await.unwrap()
}

async fn later(world: &World) {
    world.pass(Duration::from_mins(2));
    tick(&world.timer).await.unwrap();
}

#[tokio::test]
async fn whoever_agreed_is_told_once_however_many_find_it() {
    let world = World::new().await;
    tick(&world.timer).await.unwrap();
    let id = connected(&world, Some("grace@example.com")).await;
    assert!(!found(&world, &id, 3).await, "of older tokens");
    later(&world).await;
    assert_eq!(world.mails.take(), [], "nothing is to be told: it works");
    assert!(found(&world, &id, 4).await);
    assert!(!found(&world, &id, 4).await);
    // It may take a while to be handed over.
    world.mails.fail(1);
    later(&world).await;
    assert_eq!(world.mails.take(), []);
    later(&world).await;
    let mails = world.mails.take();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, "grace@example.com");
    assert!(mails[0].subject.contains("Bases of the sales team"), "{}", mails[0].subject);
    assert!(mails[0].text.contains("the user took it back"), "{}", mails[0].text);
    later(&world).await;
    assert_eq!(world.mails.take(), []);
    assert!(world.store.all_due().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_works_again_or_is_gone_is_not_told() {
    let world = World::new().await;
    tick(&world.timer).await.unwrap();
    let id = connected(&world, None).await;
    assert!(found(&world, &id, 4).await);
    later(&world).await;
    assert_eq!(world.mails.take(), [], "nobody agreed");
    let gone = DueEntry::told_of(&world.org, &ConnectionId::from_bytes([9; 16]), world.clock.now());
    world.store.put_due(&gone).await.unwrap();
    later(&world).await;
    assert_eq!(world.mails.take(), []);
    assert!(world.store.all_due().await.unwrap().is_empty());
}
