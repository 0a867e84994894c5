//! What polls know: kept under a condition on what was read.

use crate::tables::Tables;
use domain::poll::PollState;
use domain::{OrgId, OrgKey, Provenance, WorkflowId};
use store::{KeptPoll, TriggerStore};

#[tokio::test]
async fn a_state_is_kept_unless_it_was_changed_meanwhile() {
    let t = Tables::new().await;
    let workflow = WorkflowId::from_bytes([3; 16]);
    let state = async |trigger: &str| t.store.poll_state(&t.org, &workflow, trigger).await.unwrap();
    assert_eq!(state("new").await, None);
    let mut first = KeptPoll { revision: 0, state: PollState::of("q".into()) };
    // As many keys as a poll ever remembers beside an answer.
    let keys: Vec<String> = (0..10_000).map(|n| format!("record {n}")).collect();
    for some in keys.chunks(5_000) {
        first.state.learn(some.iter().map(String::as_str));
    }
    assert_eq!(first.state.known(), 10_000);
    let keep = async |kept: &KeptPoll| t.store.keep_poll_state(&t.org, &workflow, "new", kept).await.unwrap();
    assert!(keep(&first).await);
    assert!(!keep(&first).await, "somebody has kept one since");
    let there = state("new").await.unwrap();
    assert_eq!(there, KeptPoll { revision: 1, ..first });
    assert!(keep(&there).await);
    assert!(!keep(&there).await);
    assert_eq!(state("new").await.unwrap().revision, 2);
    assert_eq!(state("other").await, None, "each trigger has its own");
    let other = OrgKey::verified(OrgId::from_bytes([0xee; 16]), Provenance::Token);
    assert_eq!(t.store.poll_state(&other, &workflow, "new").await.unwrap(), None);
}
