//! Members: an organisation keeps an owner, whatever happens at the same moment.

use crate::accounts::{owner, user};
use crate::tables::{NOW, Tables, record};
use domain::audit::Action;
use store::{Member, MemberChange};

async fn with_members(roles: &[(u8, &str)]) -> (Tables, Vec<Member>) {
    let t = Tables::new().await;
    let (org, first) = owner(1);
    t.store.create_first_owner(&org, &first, &t.org, &record(Action::OrgCreated)).await.unwrap();
    let mut members = vec![t.store.member(&t.org, &first.id).await.unwrap().unwrap()];
    for (n, role) in roles {
        let user = user(*n);
        assert!(t.store.create_user(&user).await.unwrap());
        let member = Member::new(&user, role, NOW);
        assert!(t.store.add_member(&t.org, &member, None, &record(Action::MemberAdded)).await.unwrap());
        assert!(!t.store.add_member(&t.org, &member, None, &record(Action::MemberAdded)).await.unwrap());
        members.push(member);
    }
    (t, members)
}

async fn change(t: &Tables, member: &Member, role: &str) -> MemberChange {
    t.store.change_role(&t.org, member, role, &record(Action::MemberChanged)).await.unwrap()
}

async fn remove(t: &Tables, member: &Member) -> MemberChange {
    t.store.remove_member(&t.org, member, &record(Action::MemberRemoved)).await.unwrap()
}

#[tokio::test]
async fn the_last_owner_stays() {
    let (t, members) = with_members(&[(2, "editor")]).await;
    let [first, second] = &members[..] else { panic!() };
    assert_eq!(remove(&t, first).await, MemberChange::LastOwner);
    assert_eq!(change(&t, first, "admin").await, MemberChange::LastOwner);
    assert_eq!(change(&t, second, "owner").await, MemberChange::Done);
    assert_eq!(change(&t, first, "admin").await, MemberChange::Done);
    let second = t.store.member(&t.org, &second.user).await.unwrap().unwrap();
    assert_eq!((remove(&t, &second).await, second.role.as_str()), (MemberChange::LastOwner, "owner"));
    let first = t.store.member(&t.org, &first.user).await.unwrap().unwrap();
    assert_eq!(remove(&t, &first).await, MemberChange::Done);
    assert_eq!(t.store.memberships(&first.user).await.unwrap(), []);
    assert_eq!(t.store.member(&t.org, &first.user).await.unwrap(), None);
}

#[tokio::test]
async fn a_change_is_of_the_role_that_was_read() {
    let (t, members) = with_members(&[(2, "editor")]).await;
    let second = &members[1];
    assert_eq!(change(&t, second, "viewer").await, MemberChange::Done);
    assert_eq!(change(&t, second, "admin").await, MemberChange::Conflict);
    assert_eq!(remove(&t, second).await, MemberChange::Conflict);
    let told = t.scan(&t.names.ledger).await.len();
    assert_eq!(told, 3, "made, added, changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_who_leave_at_the_same_moment_leave_one_behind() {
    for _ in 0..10 {
        let (t, members) = with_members(&[(2, "owner"), (3, "owner"), (4, "owner")]).await;
        let all: Vec<_> = members
            .into_iter()
            .map(|member| {
                let (store, org) = (t.store.clone(), t.org.clone());
                tokio::spawn(async move {
                    loop {
                        match store.remove_member(&org, &member, &record(Action::MemberRemoved)).await {
                            Ok(done) => return done,
                            Err(store::StoreError::Conflict { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        let mut done = Vec::new();
        for one in all {
            done.push(one.await.unwrap());
        }
        assert_eq!(done.iter().filter(|d| **d == MemberChange::LastOwner).count(), 1, "{done:?}");
        let left = t.store.members(&t.org, None, 10).await.unwrap();
        assert_eq!((left.len(), left[0].role.as_str()), (1, "owner"));
    }
}

#[tokio::test]
async fn members_are_listed_in_pages() {
    let (t, _) = with_members(&[(2, "viewer"), (3, "viewer"), (4, "viewer")]).await;
    let first = t.store.members(&t.org, None, 3).await.unwrap();
    assert_eq!(first.len(), 3);
    let rest = t.store.members(&t.org, Some(&first[2].user), 3).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert!(t.store.members(&t.other, None, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn tokens_of_before_are_refused_in_every_organisation() {
    let (t, members) = with_members(&[]).await;
    let (further, _) = owner(2);
    let made = record(Action::OrgCreated);
    t.store.create_organization(&further, &user(1), &t.other, &made).await.unwrap();
    t.store.refuse_tokens_before(&members[0].user, 77).await.unwrap();
    for org in [&t.org, &t.other] {
        assert_eq!(t.store.member(org, &members[0].user).await.unwrap().unwrap().not_before, 77);
    }
    assert_eq!(t.store.memberships(&members[0].user).await.unwrap().len(), 2);
}
