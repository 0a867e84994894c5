//! API keys and service accounts: a key goes with its holder, and has its holder's role.

use crate::accounts::{owner, user};
use crate::tables::{NOW, Tables, record};
use domain::audit::Action;
use domain::{Actor, ApiKeyId, ServiceId};
use store::{ApiKey, Member, ServiceAccount, UsedKey};

pub(crate) fn key(n: u8, holder: Actor) -> ApiKey {
    ApiKey {
        id: ApiKeyId::from_bytes([n; 16]),
        name: "export".into(),
        holder,
        holder_name: "ada".into(),
        scopes: vec!["runs.read".into()],
        prefix: "pb_abc".into(),
        created_at: NOW,
        expires_at: None,
        hash: format!("hash{n}"),
    }
}

pub(crate) fn service(n: u8) -> ServiceAccount {
    ServiceAccount {
        id: ServiceId::from_bytes([n; 16]),
        name: "pipeline".into(),
        role: "operator".into(),
        created_at: NOW,
        revision: 1,
    }
}

#[tokio::test]
async fn a_key_is_found_by_its_hash_until_it_is_deleted() {
    let t = Tables::new().await;
    let account = service(1);
    let key = key(1, Actor::Service(account.id.clone()));
    let create =
        async || t.store.create_key(&t.org, &key, "operator", &record(Action::ApiKeyCreated)).await.unwrap();
    assert!(!create().await, "nobody holds it");
    assert!(t.store.save_service_account(&t.org, &account, &record(Action::ServiceCreated)).await.unwrap());
    assert!(create().await);
    let found = t.store.key_by_hash("hash1").await.unwrap().unwrap();
    assert_eq!((&found.key, &found.org, found.role.as_str()), (&key, &t.org, "operator"));
    assert_eq!(t.store.key_by_hash("hash2").await.unwrap(), None);
    assert_eq!(t.store.key(&t.other, &key.id).await.unwrap(), None);
    assert_eq!(t.store.keys(&t.org, None, 10).await.unwrap(), std::slice::from_ref(&found));

    let used = UsedKey { used_at: Some(NOW), addresses: vec!["192.0.2.1".into()], ..found };
    t.store.note_key_use(&used, Some(&record(Action::ApiKeyUsed))).await.unwrap();
    assert_eq!(t.store.key_by_hash("hash1").await.unwrap(), Some(used.clone()));
    assert_eq!(t.store.key(&t.org, &key.id).await.unwrap(), Some(used.clone()));

    t.store.delete_key(&t.org, &key, Some(&record(Action::ApiKeyDeleted))).await.unwrap();
    assert_eq!(t.store.key_by_hash("hash1").await.unwrap(), None);
    assert!(t.store.keys(&t.org, None, 10).await.unwrap().is_empty());
    // A use that is noted late does not bring it back.
    t.store.note_key_use(&used, None).await.unwrap();
    assert_eq!(t.store.key_by_hash("hash1").await.unwrap(), None);
}

#[tokio::test]
async fn keys_follow_the_role_of_their_holder_and_go_with_it() {
    let t = Tables::new().await;
    let (org, first) = owner(1);
    t.store.create_first_owner(&org, &first, &t.org, &record(Action::OrgCreated)).await.unwrap();
    let second = user(2);
    t.store.create_user(&second).await.unwrap();
    let member = Member::new(&second, "admin", NOW);
    t.store.add_member(&t.org, &member, None, &record(Action::MemberAdded)).await.unwrap();
    let keys = [key(1, Actor::User(first.id.clone())), key(2, Actor::User(second.id.clone()))];
    for key in &keys {
        assert!(t.store.create_key(&t.org, key, "admin", &record(Action::ApiKeyCreated)).await.unwrap());
    }
    t.store.change_role(&t.org, &member, "viewer", &record(Action::MemberChanged)).await.unwrap();
    let role = async |hash| t.store.key_by_hash(hash).await.unwrap().map(|used| used.role);
    assert_eq!(
        (role("hash1").await.as_deref(), role("hash2").await.as_deref()),
        (Some("admin"), Some("viewer"))
    );
    let member = t.store.member(&t.org, &second.id).await.unwrap().unwrap();
    t.store.remove_member(&t.org, &member, &record(Action::MemberRemoved)).await.unwrap();
    assert_eq!((role("hash1").await.as_deref(), role("hash2").await), (Some("admin"), None));
    let late = t.store.create_key(&t.org, &keys[1], "viewer", &record(Action::ApiKeyCreated)).await.unwrap();
    assert!(!late, "its holder is gone");
}

#[tokio::test]
async fn a_service_account_is_changed_once_for_each_revision_and_takes_its_keys_along() {
    let t = Tables::new().await;
    let account = service(1);
    let save = async |account: &ServiceAccount| {
        t.store.save_service_account(&t.org, account, &record(Action::ServiceChanged)).await.unwrap()
    };
    assert!(save(&account).await && !save(&account).await);
    let key = key(1, Actor::Service(account.id.clone()));
    t.store.create_key(&t.org, &key, "operator", &record(Action::ApiKeyCreated)).await.unwrap();
    let changed =
        ServiceAccount { role: "viewer".into(), name: "other".into(), revision: 2, ..account.clone() };
    assert!(save(&changed).await && !save(&changed).await);
    assert_eq!(t.store.service_account(&t.org, &account.id).await.unwrap(), Some(changed.clone()));
    assert_eq!(t.store.service_accounts(&t.org, None, 10).await.unwrap(), [changed]);
    assert_eq!(t.store.key_by_hash("hash1").await.unwrap().unwrap().role, "viewer");
    let delete = async || {
        t.store.delete_service_account(&t.org, &account.id, &record(Action::ServiceDeleted)).await.unwrap()
    };
    assert!(delete().await && !delete().await);
    assert_eq!(t.store.key_by_hash("hash1").await.unwrap(), None);
}
