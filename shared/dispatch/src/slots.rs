//! The way out of the slots of a workflow.

use crate::message::StepMessage;
use crate::queue::StepQueue;
use crate::start::StartError;
use domain::{OrgKey, RunId};
use std::time::Duration;
use store::{RunStore, StoreError};

/// How often the slots are read again because others changed them meanwhile.
const TRIES: usize = 20;

/// Takes a run out of its slots, and sends on whoever gets its place. A repetition sends again those who have not come yet.
pub async fn leave_slots(
    runs: &dyn RunStore,
    queue: &dyn StepQueue,
    org: &OrgKey,
    name: &str,
    run: &RunId,
) -> Result<(), StartError> {
    let mut leaving = vec![run.clone()];
    while let Some(run) = leaving.pop() {
        for called in vacate(runs, org, name, &run).await? {
            match runs.head(org, &called, false).await? {
                Some(head) if !head.status.is_terminal() => {
                    let again = StepMessage::again(org.org(), &called).on(head.priority);
                    queue.send(&again, Duration::ZERO).await?;
                }
                // It ended while it stood in the line: its place goes on to the next.
                _ => leaving.push(called),
            }
        }
    }
    Ok(())
}

/// Takes a run out; gives the runs that must be told of their slot.
async fn vacate(
    runs: &dyn RunStore,
    org: &OrgKey,
    name: &str,
    run: &RunId,
) -> Result<Vec<RunId>, StoreError> {
    for _ in 0..TRIES {
        let (before, seen) = runs.slots(org, name).await?;
        let mut slots = before.clone();
        slots.leave(run);
        if slots == before || runs.put_slots(org, name, &slots, seen).await? {
            return Ok(slots.called().to_vec());
        }
    }
    Err(StoreError::Conflict { operation: "leave_slots" })
}
