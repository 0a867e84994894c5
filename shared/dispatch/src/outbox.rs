//! The consequences of a run's end.

use crate::bus::{BusEvent, EventBus, SOURCE};
use crate::start::StartError;
use domain::OrgKey;
use domain::run::{Consequence, Head};
use serde_json::json;
use store::RunStore;

/// Sends what the end of a run must bring about, then takes it off the head. A repeat sends again; receivers know the run's id.
pub async fn settle_outbox(
    runs: &dyn RunStore,
    bus: &dyn EventBus,
    org: &OrgKey,
    head: &Head,
) -> Result<(), StartError> {
    if head.outbox.is_empty() {
        return Ok(());
    }
    let events: Vec<BusEvent> = head
        .outbox
        .iter()
        .map(|consequence| match consequence {
            Consequence::FailureEvent => BusEvent {
                org: head.org.clone(),
                source: SOURCE.to_owned(),
                detail_type: "Run failed".to_owned(),
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
            },
        })
        .collect();
    bus.put(&events).await?;
    runs.clear_outbox(org, &head.id).await?;
    Ok(())
}
