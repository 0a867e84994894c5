//! Sessions: a refresh token counts once, and one that comes a second time ends the session.

use crate::tables::{NOW, Tables, org};
use domain::audit::RequestOrigin;
use domain::{Millis, SessionId, UserId};
use std::time::Duration;
use store::{Refresh, Rotation, Session};

pub(crate) fn session(n: u8) -> Session {
    Session {
        id: SessionId::from_bytes([n; 16]),
        user: UserId::from_bytes([1; 16]),
        org: org(1).org().clone(),
        created_at: NOW,
        used_at: NOW,
        expires_at: NOW.plus(Duration::from_hours(24)),
        ip: "192.0.2.1".into(),
        agent: "test".into(),
    }
}

fn refresh(of: &Session, given: &str, next: &str) -> Refresh {
    Refresh { user: of.user.clone(), session: of.id.clone(), given: given.to_owned(), next: next.to_owned() }
}

async fn rotate(t: &Tables, given: &str, next: &str, now: Millis) -> Rotation {
    let of = session(1);
    let origin = RequestOrigin { ip: "192.0.2.2".into(), ..RequestOrigin::default() };
    t.store.rotate_session(&refresh(&of, given, next), None, now, &origin).await.unwrap()
}

const LATER: Millis = Millis(NOW.0 + 60_000);

#[tokio::test]
async fn each_token_counts_once() {
    let t = Tables::new().await;
    t.store.create_session(&session(1), "a").await.unwrap();
    let Rotation::Rotated(used) = rotate(&t, "a", "b", LATER).await else { panic!() };
    assert_eq!((used.used_at, used.ip.as_str()), (LATER, "192.0.2.2"));
    assert!(matches!(rotate(&t, "b", "c", LATER).await, Rotation::Rotated(_)));
    // `a` is two before: however lately, it may have been stolen.
    assert!(matches!(rotate(&t, "a", "d", LATER).await, Rotation::Reused(_)));
    assert_eq!(rotate(&t, "c", "d", LATER).await, Rotation::Gone, "the session has ended");
    assert_eq!(t.store.sessions(&session(1).user, NOW).await.unwrap(), []);
}

#[tokio::test]
async fn an_answer_that_was_lost_can_be_asked_for_again_at_once_and_not_later() {
    let t = Tables::new().await;
    t.store.create_session(&session(1), "a").await.unwrap();
    assert!(matches!(rotate(&t, "a", "b", LATER).await, Rotation::Rotated(_)));
    let soon = LATER.plus(Duration::from_secs(9));
    assert!(matches!(rotate(&t, "a", "c", soon).await, Rotation::Rotated(_)));
    assert!(
        matches!(rotate(&t, "b", "d", soon).await, Rotation::Reused(_)),
        "`b` was never used, but is void"
    );

    t.store.create_session(&session(1), "a").await.unwrap();
    assert!(matches!(rotate(&t, "a", "b", LATER).await, Rotation::Rotated(_)));
    let late = LATER.plus(Duration::from_secs(10));
    assert!(matches!(rotate(&t, "a", "c", late).await, Rotation::Reused(_)));
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    let t = Tables::new().await;
    t.store.create_session(&session(1), "a").await.unwrap();
    assert_eq!(rotate(&t, "a", "b", session(1).expires_at).await, Rotation::Gone);
    assert_eq!(t.store.sessions(&session(1).user, session(1).expires_at).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_windows_that_ask_at_the_same_moment_both_stay_signed_in() {
    let t = Tables::new().await;
    t.store.create_session(&session(1), "a").await.unwrap();
    let all: Vec<_> = ["b", "c"]
        .map(|next| {
            let store = t.store.clone();
            tokio::spawn(async move {
                let of = session(1);
                let origin = RequestOrigin::default();
                store.rotate_session(&refresh(&of, "a", next), None, LATER, &origin).await.unwrap()
            })
        })
        .into();
    for one in all {
        assert!(matches!(one.await.unwrap(), Rotation::Rotated(_)));
    }
}

#[tokio::test]
async fn all_sessions_of_a_user_end_but_the_one_that_asks() {
    let t = Tables::new().await;
    for n in 1..=3 {
        t.store.create_session(&session(n), "a").await.unwrap();
    }
    let user = session(1).user;
    assert_eq!(t.store.end_sessions(&user, Some(&session(2).id)).await.unwrap(), 2);
    assert_eq!(t.store.sessions(&user, NOW).await.unwrap(), [session(2)]);
    assert_eq!(t.store.end_sessions(&user, None).await.unwrap(), 1);
}
