//! Credentials in Secrets Manager: replaced at the moment at which a step needs them, gone, or out of reach for a while.

use async_trait::async_trait;
use domain::audit::{Action, Actor, PLATFORM, Record, RequestOrigin};
use domain::connection::{Connection, ConnectionStatus, sealed_for};
use domain::{ConnectionId, OrgKey, RecordId, RunId};
use executor::App;
use futures::future::BoxFuture;
use harness::workflows::workflow;
use harness::{CREDENTIALS, FixedSealer, ModelSecrets, Reply, START, World};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use store::{KeptConnection, TokenChange};
use vault::{Listed, Safe, Secret, SecretFolder, SecretService, ServiceError, Storage};

const MAIL: &str = "https://api.resend.com/emails";

/// Secrets whose next read has something happen before it, or fails.
#[derive(Default)]
struct Service {
    secrets: ModelSecrets,
    meanwhile: Mutex<Option<BoxFuture<'static, ()>>>,
    fails: AtomicU32,
}

#[async_trait]
impl SecretService for Service {
    async fn create(
        &self,
        name: &str,
        token: &str,
        description: &str,
        text: &Secret<String>,
    ) -> Result<(), ServiceError> {
        self.secrets.create(name, token, description, text).await
    }

    async fn read(&self, name: &str) -> Result<Option<Secret<String>>, ServiceError> {
        if self.fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            let reason = "ThrottlingException".to_owned();
            return Err(ServiceError { operation: "GetSecretValue", reason });
        }
        let meanwhile = self.meanwhile.lock().expect("nobody panics").take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        self.secrets.read(name).await
    }

    async fn delete(&self, name: &str) -> Result<(), ServiceError> {
        self.secrets.delete(name).await
    }

    async fn list(&self, prefix: &str, from: Option<&str>) -> Result<Listed, ServiceError> {
        self.secrets.list(prefix, from).await
    }
}

fn id() -> ConnectionId {
    ConnectionId::from_bytes([4; 16])
}

fn record(n: u8, action: Action) -> Record {
    Record {
        id: RecordId::from_bytes([n; 16]),
        at: START,
        action,
        actor: Actor::Platform,
        actor_name: PLATFORM.into(),
        key: None,
        target: None,
        before: Value::Null,
        after: Value::Null,
        origin: RequestOrigin::default(),
    }
}

async fn keep(safe: &Safe, org: &OrgKey, token: &str) -> String {
    let text = json!({"token": token}).to_string();
    safe.keep(org, &sealed_for(&id()), &text, 0).await.expect("it is kept")
}

/// A world with a connection, and what its secrets are in.
async fn world() -> (World, Arc<Service>, KeptConnection) {
    let mut world = World::new().await;
    let service = Arc::new(Service::default());
    let folder = SecretFolder::new(service.clone(), CREDENTIALS);
    let safe = Safe::new(Arc::new(FixedSealer::default()), folder).keeping(Storage::SecretsManager);
    let kept = KeptConnection {
        id: id(),
        connection: Connection {
            name: "Mails".into(),
            connector: "resend".into(),
            auth: "key".into(),
            fields: Map::new(),
            status: ConnectionStatus::Ready,
            reason: None,
            created_at: START,
            created_by: "owner@example.com".into(),
            changed_at: START,
            authorized_by: None,
        },
        credentials: Some(keep(&safe, &world.org, "re_first_0123456789").await),
        revision: 1,
        tokens: None,
        number: 0,
    };
    let made = record(1, Action::ConnectionCreated);
    assert!(world.store.create_connection(&world.org, &kept, &made).await.unwrap());
    world.executor = Arc::new(App { secrets: Arc::new(safe), ..App::clone(&world.executor) });
    world.http.script(MAIL, [Reply::ok(json!({"id": "m"}))]);
    (world, service, kept)
}

async fn start(world: &World) -> RunId {
    let mail = json!({"id": "one", "type": "action", "use": "resend.send_email", "connection": id().as_str(),
        "input": {"from": "a@example.com", "to": ["b@example.com"], "subject": "Hello"}});
    let run = world.start_run(&workflow(json!([mail])), json!({})).await;
    world.settle(std::slice::from_ref(&run)).await;
    run
}

#[tokio::test]
async fn credentials_that_are_replaced_between_two_reads_are_used_as_they_are_now() {
    let (world, service, mut kept) = world().await;
    let (safe, store, org) = (world.executor.secrets.clone(), world.store.clone(), world.org.clone());
    let replace = async move {
        let old = kept.credentials.replace(keep(&safe, &org, "re_second_0123456789").await);
        kept.revision += 1;
        let changed = record(2, Action::ConnectionChanged);
        assert!(store.change_connection(&org, &kept, &TokenChange::Gone, &changed).await.unwrap());
        safe.forget(&org, &old.unwrap()).await.unwrap();
    };
    *service.meanwhile.lock().unwrap() = Some(Box::pin(replace));
    let view = world.run(&start(&world).await).await;
    assert_eq!(view.head.status.as_str(), "succeeded", "{:?}", view.head.error);
    assert_eq!(view.entries("one").map(|entry| entry.attempt).collect::<Vec<_>>(), [1]);
    assert!(service.meanwhile.lock().unwrap().is_none(), "it happened");
}

#[tokio::test]
async fn a_connection_that_is_deleted_between_two_reads_is_missing() {
    let (world, service, kept) = world().await;
    let (safe, store, org) = (world.executor.secrets.clone(), world.store.clone(), world.org.clone());
    let delete = async move {
        let deleted = record(2, Action::ConnectionDeleted);
        assert!(store.delete_connection(&org, &id(), 1, &deleted).await.unwrap());
        safe.forget(&org, &kept.credentials.unwrap()).await.unwrap();
    };
    *service.meanwhile.lock().unwrap() = Some(Box::pin(delete));
    let view = world.run(&start(&world).await).await;
    assert_eq!(view.head.error.unwrap().code, "connection_missing");
    assert!(world.http.sent_to(MAIL).is_empty());
}

#[tokio::test]
async fn credentials_that_are_gone_or_of_another_organisation_are_broken() {
    let (world, _, mut kept) = world().await;
    let (safe, org) = (world.executor.secrets.clone(), &world.org);
    let other = OrgKey::verified(domain::OrgId::from_bytes([9; 16]), domain::Provenance::Token);
    let theirs = keep(&safe, &other, "re_theirs_0123456789").await;
    for (n, credentials) in
        [theirs, "sm:patchbay/keyring".to_owned(), kept.credentials.clone().unwrap()].into_iter().enumerate()
    {
        safe.forget(org, kept.credentials.as_ref().unwrap()).await.ok();
        kept.credentials = Some(credentials);
        kept.revision += 1;
        let changed = record(2 + u8::try_from(n).unwrap(), Action::ConnectionChanged);
        assert!(world.store.change_connection(org, &kept, &TokenChange::Stay, &changed).await.unwrap());
        let view = world.run(&start(&world).await).await;
        assert_eq!(view.head.error.unwrap().code, "secret_broken");
    }
    assert!(world.http.sent_to(MAIL).is_empty());
}

#[tokio::test]
async fn an_outage_of_secrets_manager_is_waited_out_by_the_run() {
    let (world, service, _) = world().await;
    service.fails.store(2, Ordering::SeqCst);
    let view = world.run(&start(&world).await).await;
    assert_eq!(view.head.status.as_str(), "succeeded", "{:?}", view.head.error);
    assert_eq!(world.http.sent_to(MAIL).len(), 1);
}
