//! Organisations and accounts: the first owner is made once.

use crate::tables::{NOW, Tables, org, record};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::audit::Action;
use domain::{InvitationId, OrgKey, UserId};
use std::time::Duration;
use store::{Invitation, Linked, Organization, User};

pub(crate) fn owner(n: u8) -> (Organization, User) {
    let org = Organization { id: org(n).org().clone(), name: "Acme".into(), created_at: NOW, revision: 1 };
    (org, user(n))
}

pub(crate) fn user(n: u8) -> User {
    User {
        id: UserId::from_bytes([n; 16]),
        email: format!("owner{n}@example.com"),
        password: Some("$argon2id$secret".into()),
        created_at: NOW,
        identity: None,
        verified: false,
        incomplete: None,
    }
}

pub(crate) fn invitation(n: u8) -> Invitation {
    Invitation {
        id: InvitationId::from_bytes([n; 16]),
        email: format!("owner{n}@example.com"),
        role: "editor".into(),
        by: "owner1@example.com".into(),
        created_at: NOW,
        expires_at: NOW.plus(Duration::from_hours(1)),
        hash: format!("hash{n}"),
    }
}

/// One of everything about people and programs.
pub(crate) async fn one_of_everything(t: &Tables, user: &User) {
    let store = &t.store;
    store.create_invitation(&t.org, &invitation(9), &record(Action::InvitationCreated)).await.unwrap();
    store.create_reset("hash", user, NOW).await.unwrap();
    store.create_session(&crate::sessions::session(1), "first").await.unwrap();
    let account = crate::keys::service(1);
    assert!(store.save_service_account(&t.org, &account, &record(Action::ServiceCreated)).await.unwrap());
    let key = crate::keys::key(1, domain::Actor::Service(account.id.clone()));
    assert!(store.create_key(&t.org, &key, "viewer", &record(Action::ApiKeyCreated)).await.unwrap());
}

#[tokio::test]
async fn the_first_owner_is_made_once() {
    let t = Tables::new().await;
    assert_eq!(t.store.first_org().await.unwrap(), None);
    let (org, user) = owner(1);
    let made = || record(Action::OrgCreated);
    assert!(t.store.create_first_owner(&org, &user, &t.org, &made()).await.unwrap());
    assert!(!t.store.create_first_owner(&org, &user, &t.org, &made()).await.unwrap());
    let (second, late) = owner(2);
    assert!(!t.store.create_first_owner(&second, &late, &t.other, &made()).await.unwrap());
    assert_eq!(t.store.first_org().await.unwrap(), Some(org.id.clone()));
    assert_eq!(t.store.user_by_email(&user.email).await.unwrap(), Some(user.clone()));
    assert_eq!(t.store.user(&user.id).await.unwrap(), Some(user.clone()));
    assert_eq!(t.store.user_by_email(&late.email).await.unwrap(), None);
    assert_eq!(t.store.memberships(&user.id).await.unwrap(), std::slice::from_ref(&org.id));
    let member = t.store.member(&t.org, &user.id).await.unwrap().unwrap();
    assert_eq!((member.role.as_str(), &member.email), ("owner", &user.email));
    assert_eq!(t.store.organization(&t.org).await.unwrap(), Some(org));
    assert_eq!(t.scan(&t.names.ledger).await.len(), 1, "what was not done is not told of");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_first_owners_at_once_one_is_made() {
    for _ in 0..5 {
        let t = Tables::new().await;
        let tries: Vec<_> = (1..=6)
            .map(|n| {
                let store = t.store.clone();
                tokio::spawn(async move {
                    let ((made, user), key) = (owner(n), org(n));
                    let record = record(Action::OrgCreated);
                    let done = store.create_first_owner(&made, &user, &key, &record).await;
                    done.is_ok_and(|done| done).then_some(made.id)
                })
            })
            .collect();
        let mut made = Vec::new();
        for attempt in tries {
            made.extend(attempt.await.unwrap());
        }
        assert_eq!(made.len(), 1);
        assert_eq!(t.store.first_org().await.unwrap(), made.pop());
    }
}

#[tokio::test]
async fn an_organisation_is_renamed_once_for_each_revision() {
    let t = Tables::new().await;
    let (org, user) = owner(1);
    t.store.create_first_owner(&org, &user, &t.org, &record(Action::OrgCreated)).await.unwrap();
    let rename = async |name: &str, revision| {
        t.store.rename_organization(&t.org, name, revision, &record(Action::OrgChanged)).await.unwrap()
    };
    assert!(rename("Engines", 1).await);
    assert!(!rename("Late", 1).await);
    assert!(rename("Mills", 2).await);
    let now = t.store.organization(&t.org).await.unwrap().unwrap();
    assert_eq!((now.name.as_str(), now.revision), ("Mills", 3));
    assert!(!t.store.rename_organization(&t.other, "x", 1, &record(Action::OrgChanged)).await.unwrap());
}

/// Before there were memberships, an account named its one organisation and role itself.
#[tokio::test]
async fn an_old_account_gets_its_membership_with_its_first_sign_in() {
    let t = Tables::new().await;
    let (org, user) = owner(1);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |n: i64| AttributeValue::N(n.to_string());
    let put = async |item: Vec<(&str, AttributeValue)>| {
        let item = item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        t.client.put_item().table_name(&t.names.control).set_item(Some(item)).send().await.unwrap();
    };
    let key = format!("email#{}", user.email);
    put(vec![
        ("pk", text(&key)),
        ("sk", text("u")),
        ("id", text(user.id.as_str())),
        ("pw", text("$argon2id$secret")),
        ("org", text(org.id.as_str())),
        ("role", text("owner")),
        ("ca", number(NOW.0)),
    ])
    .await;
    put(vec![
        ("pk", text(org.id.as_str())),
        ("sk", text("org")),
        ("name", text("Acme")),
        ("ca", number(NOW.0)),
    ])
    .await;
    let old = t.store.user_by_email(&user.email).await.unwrap().unwrap();
    assert_eq!(old.incomplete, Some((org.id.clone(), "owner".to_owned())));
    t.store.complete_user(&old).await.unwrap();
    t.store.complete_user(&old).await.unwrap();
    assert_eq!(t.store.user_by_email(&user.email).await.unwrap(), Some(user.clone()));
    assert_eq!(t.store.user(&user.id).await.unwrap(), Some(user.clone()));
    let member = t.store.member(&t.org, &user.id).await.unwrap().unwrap();
    assert_eq!(member.role, "owner");
    // It is the last owner, though nobody counted.
    let gone = t.store.remove_member(&t.org, &member, &record(Action::MemberRemoved)).await.unwrap();
    assert_eq!(gone, store::MemberChange::LastOwner);
}

#[tokio::test]
async fn an_invitation_makes_one_member_and_is_used_up() {
    let t = Tables::new().await;
    let (org, first) = owner(1);
    t.store.create_first_owner(&org, &first, &t.org, &record(Action::OrgCreated)).await.unwrap();
    let sent = invitation(2);
    t.store.create_invitation(&t.org, &sent, &record(Action::InvitationCreated)).await.unwrap();
    let (key, found): (OrgKey, Invitation) =
        t.store.invitation_by_hash(&sent.hash, NOW).await.unwrap().unwrap();
    assert_eq!((&key, &found), (&t.org, &sent));
    assert_eq!(t.store.invitation_by_hash(&sent.hash, sent.expires_at).await.unwrap(), None, "it is over");
    assert_eq!(t.store.invitation(&t.other, &sent.id, NOW).await.unwrap(), None);
    assert_eq!(t.store.invitations(&t.org, None, 10).await.unwrap(), std::slice::from_ref(&sent));

    let (one, two) = (user(2), user(3));
    assert!(t.store.create_user(&one).await.unwrap() && !t.store.create_user(&one).await.unwrap());
    assert!(t.store.create_user(&two).await.unwrap());
    let member = |user| store::Member::new(user, &sent.role, NOW);
    let add = async |user| {
        let record = record(Action::MemberAdded);
        t.store.add_member(&key, &member(user), Some(&sent), &record).await.unwrap()
    };
    assert!(add(&one).await);
    assert!(!add(&two).await, "it was used");
    assert_eq!(t.store.member(&t.org, &two.id).await.unwrap(), None);
    assert_eq!(t.store.invitation_by_hash(&sent.hash, NOW).await.unwrap(), None);
    assert_eq!(t.store.members(&t.org, None, 10).await.unwrap().len(), 2);

    let withdrawn = invitation(4);
    t.store.create_invitation(&t.org, &withdrawn, &record(Action::InvitationCreated)).await.unwrap();
    let withdraw = async || {
        t.store.delete_invitation(&t.org, &withdrawn, &record(Action::InvitationDeleted)).await.unwrap()
    };
    assert!(withdraw().await && !withdraw().await);
    assert_eq!(t.store.invitation_by_hash(&withdrawn.hash, NOW).await.unwrap(), None);
}

#[tokio::test]
async fn a_link_to_set_a_password_counts_once_and_for_a_while() {
    let t = Tables::new().await;
    let until = NOW.plus(Duration::from_hours(1));
    t.store.create_reset("one", &user(2), until).await.unwrap();
    assert_eq!(t.store.take_reset("one", NOW).await.unwrap().as_deref(), Some("owner2@example.com"));
    assert_eq!(t.store.take_reset("one", NOW).await.unwrap(), None);
    t.store.create_reset("two", &user(2), until).await.unwrap();
    assert_eq!(t.store.take_reset("two", until).await.unwrap(), None, "it is over");
    let user = user(1);
    assert!(!t.store.set_password(&user.email, "$new", false).await.unwrap(), "there is no such account");
    t.store.create_user(&user).await.unwrap();
    assert!(t.store.set_password(&user.email, "$new", false).await.unwrap());
    assert_eq!(t.store.user(&user.id).await.unwrap().unwrap().password.as_deref(), Some("$new"));
}

#[tokio::test]
async fn a_password_is_not_in_debug_output() {
    let (_, user) = owner(1);
    assert!(!format!("{user:?}").contains("secret"));
}

#[tokio::test]
async fn an_identity_leads_to_one_account_and_takes_away_a_password_that_nobody_vouched_for() {
    let t = Tables::new().await;
    let (ada, bob) = (user(1), User { verified: true, ..user(2) });
    for account in [&ada, &bob] {
        assert!(t.store.create_user(account).await.unwrap());
    }
    assert_eq!(t.store.user_by_identity("a.1").await.unwrap(), None);
    for _ in 0..2 {
        assert_eq!(t.store.link_identity(&ada, "a.1").await.unwrap(), Linked::Done);
    }
    let tied = t.store.user_by_identity("a.1").await.unwrap().unwrap();
    assert_eq!((&tied.id, tied.password.as_ref(), tied.verified), (&ada.id, None, true));
    assert_eq!(t.store.link_identity(&bob, "a.2").await.unwrap(), Linked::Done);
    assert_eq!(t.store.user_by_identity("a.2").await.unwrap().unwrap().password, bob.password);

    // What was read is old: somebody tied it to another meanwhile.
    assert_eq!(t.store.link_identity(&ada, "a.3").await.unwrap(), Linked::Elsewhere);
    assert_eq!(t.store.user_by_identity("a.3").await.unwrap(), None);
    // The identity of another issuer takes the place of the one before.
    assert_eq!(t.store.link_identity(&tied, "b.1").await.unwrap(), Linked::Done);
    assert_eq!(t.store.user_by_identity("a.1").await.unwrap(), None);
    assert_eq!(t.store.user_by_identity("b.1").await.unwrap().unwrap().id, ada.id);
}
