//! Organisations and users: the first owner is made once.

use crate::tables::{NOW, Tables, org};
use domain::UserId;
use store::{Organization, User};

pub(crate) fn owner(n: u8) -> (Organization, User) {
    let org = Organization { id: org(n).org().clone(), name: "Acme".into(), created_at: NOW };
    let user = User {
        id: UserId::from_bytes([n; 16]),
        email: format!("owner{n}@example.com"),
        password: "$argon2id$secret".into(),
        org: org.id.clone(),
        role: "owner".into(),
        created_at: NOW,
    };
    (org, user)
}

#[tokio::test]
async fn the_first_owner_is_made_once() {
    let t = Tables::new().await;
    assert_eq!(t.store.first_org().await.unwrap(), None);
    let (org, user) = owner(1);
    assert!(t.store.create_first_owner(&org, &user).await.unwrap());
    assert!(!t.store.create_first_owner(&org, &user).await.unwrap());
    let (second, late) = owner(2);
    assert!(!t.store.create_first_owner(&second, &late).await.unwrap());
    assert_eq!(t.store.first_org().await.unwrap(), Some(org.id));
    assert_eq!(t.store.user_by_email(&user.email).await.unwrap(), Some(user));
    assert_eq!(t.store.user_by_email(&late.email).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_first_owners_at_once_one_is_made() {
    for _ in 0..5 {
        let t = Tables::new().await;
        let tries: Vec<_> = (1..=6)
            .map(|n| {
                let store = t.store.clone();
                tokio::spawn(async move {
                    let (org, user) = owner(n);
                    store.create_first_owner(&org, &user).await.is_ok_and(|made| made).then_some(org.id)
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
async fn a_password_is_not_in_debug_output() {
    let (_, user) = owner(1);
    assert!(!format!("{user:?}").contains("secret"));
}
