//! The consequences of a run's end.

use crate::bus::{BusEvent, EventBus, SOURCE};
use crate::message::StepMessage;
use crate::queue::StepQueue;
use crate::slots::leave_slots;
use crate::start::StartError;
use domain::run::{Consequence, Head, Mail, MailKind, Parent};
use domain::{Millis, OrgKey};
use serde_json::json;
use std::time::Duration;
use store::RunStore;

/// Sends what the end of a run must bring about, then takes it off the head. A repeat sends again; receivers know the run's id.
///
/// Without a queue, what needs one is left to the sweeper, and all of it with that.
pub async fn settle_outbox(
    runs: &dyn RunStore,
    queue: Option<&dyn StepQueue>,
    bus: &dyn EventBus,
    org: &OrgKey,
    head: &Head,
) -> Result<(), StartError> {
    if head.outbox.is_empty() {
        return Ok(());
    }
    let needs_queue = |c: &Consequence| matches!(c, Consequence::ResumeParent | Consequence::FreeSlot);
    if queue.is_none() && head.outbox.iter().any(needs_queue) {
        return Ok(());
    }
    #[cfg(planted)]
    if crate::is_planted(crate::Bug::ClearsOutboxFirst) {
        runs.clear_outbox(org, &head.id).await?;
    }
    for consequence in &head.outbox {
        match (consequence, &head.parent, queue) {
            (Consequence::FailureEvent, _, _) => {
                bus.put(&[failure_event(head)]).await?;
            }
            (Consequence::ResumeParent, Some(parent), Some(queue)) => {
                resume(runs, queue, org, head, parent).await?;
            }
            (Consequence::FreeSlot, _, Some(queue)) => {
                if let Some(slot) = &head.slot {
                    leave_slots(runs, queue, org, &slot.of, &head.id).await?;
                }
            }
            (Consequence::ResumeParent | Consequence::FreeSlot, _, _) => {}
        }
    }
    runs.clear_outbox(org, &head.id).await?;
    Ok(())
}

fn failure_event(head: &Head) -> BusEvent {
    BusEvent {
        org: head.org.clone(),
        source: SOURCE.to_owned(),
        detail_type: "Run failed".to_owned(),
        chain: None,
        detail: json!({
            "run": head.id.as_str(),
            "workflow": head.workflow.as_str(),
            "version": head.version,
            "status": head.status.as_str(),
            "error": head.error,
            "depth": head.depth,
            "started_at": head.started_at.rfc3339(),
            "finished_at": head.finished_at.map(domain::Millis::rfc3339),
        }),
    }
}

/// Tells the run that waits how this one ended.
async fn resume(
    runs: &dyn RunStore,
    queue: &dyn StepQueue,
    org: &OrgKey,
    head: &Head,
    parent: &Parent,
) -> Result<(), StartError> {
    let Some(waiting) = runs.head(org, &parent.run, false).await? else { return Ok(()) };
    if waiting.status.is_terminal() {
        return Ok(());
    }
    let mail = Mail {
        kind: MailKind::RunEnded,
        payload: json!({
            "run": head.id.as_str(),
            "status": head.status.as_str(),
            "output": head.output,
            "error": head.error,
        }),
        at: head.finished_at.unwrap_or(Millis(0)),
        by: None,
    };
    runs.put_mail(org, &waiting, &parent.path, &mail).await?;
    let message = StepMessage::again_in(org.org(), &parent.run, &parent.strand).on(waiting.priority);
    queue.send(&message, Duration::ZERO).await?;
    Ok(())
}
