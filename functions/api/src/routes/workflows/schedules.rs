//! Schedules: checked when they are saved, and their first time put down when they go live.

use crate::App;
use crate::error::ApiResult;
use domain::workflow::TriggerKind;
use domain::{Fault, Millis, OrgKey, WorkflowId};
use engine::Plan;
use schedule::Schedule;
use store::{DueEntry, DueStore};

/// The faults of a definition's schedules.
pub(super) fn faults(plan: &Plan) -> Vec<Fault> {
    let mut faults = Vec::new();
    for trigger in &plan.definition().triggers {
        let TriggerKind::Schedule { schedule, zone, .. } = &trigger.kind else { continue };
        match Schedule::parse(schedule, zone.as_deref()) {
            Ok(_) => {}
            Err(error) => {
                let field = if error.code() == "unknown_zone" { "zone" } else { "schedule" };
                faults.push(error.fault(format!("{}/{field}", trigger.pointer)));
            }
        }
    }
    faults
}

/// Puts down the next time of each schedule of the live version, before that goes live: an entry too many starts nothing.
pub(super) async fn plan_next(app: &App, org: &OrgKey, workflow: &WorkflowId, live: &Plan) -> ApiResult<()> {
    let now = app.now();
    for trigger in &live.definition().triggers {
        let TriggerKind::Schedule { schedule, zone, .. } = &trigger.kind else { continue };
        let Ok(schedule) = Schedule::parse(schedule, zone.as_deref()) else { continue };
        if let Some(at) = schedule.next_after(Millis(0), now) {
            app.store.put_due(&DueEntry::schedule(org, workflow, &trigger.id, at)).await?;
        }
    }
    Ok(())
}
