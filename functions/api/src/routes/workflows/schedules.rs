//! Schedules and polls: checked when they are saved, and their first time put down when they go live.

use crate::App;
use crate::error::ApiResult;
use dispatch::{StartError, StartRequest};
use domain::poll::next_after;
use domain::workflow::TriggerKind;
use domain::{Fault, OrgKey, WorkflowId};
use engine::Plan;
use schedule::{ANCHOR, Schedule};
use serde_json::json;
use std::time::Duration;
use store::{DueEntry, DueStore, WorkflowMeta};

/// The timer may have looked this far ahead already.
const SOON: Duration = Duration::from_mins(3);

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

/// Puts down the next time of each schedule and poll of the live version, before that goes live: an entry too many starts nothing.
pub(super) async fn plan_next(app: &App, org: &OrgKey, workflow: &WorkflowId, live: &Plan) -> ApiResult<()> {
    let now = app.now();
    for trigger in &live.definition().triggers {
        match &trigger.kind {
            TriggerKind::Schedule { schedule, zone, .. } => {
                let Ok(schedule) = Schedule::parse(schedule, zone.as_deref()) else { continue };
                if let Some(at) = schedule.next_after(ANCHOR, now) {
                    app.store.put_due(&DueEntry::schedule(org, workflow, &trigger.id, at)).await?;
                }
            }
            TriggerKind::Poll(poll) => {
                let of = format!("{workflow}/{}", trigger.id);
                let at = next_after(&of, poll.every, now.plus(DueEntry::SOONEST));
                app.store.put_due(&DueEntry::poll(org, workflow, &trigger.id, at)).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Starts the runs of the next minutes, which the timer would find late: it has looked there already. It finds them started. Apps that
/// are polled are asked at once.
pub(super) async fn start_soon(app: &App, org: &OrgKey, meta: &WorkflowMeta, live: &Plan) -> ApiResult<()> {
    let now = app.now();
    if meta.enabled {
        // Once more: the timer may have looked at the entry before the workflow was on, and thrown it away.
        plan_next(app, org, &meta.id, live).await?;
    }
    for trigger in live.definition().triggers.iter().filter(|_| meta.enabled) {
        if matches!(trigger.kind, TriggerKind::Poll(_)) {
            app.starter.poll(org, &meta.id, &trigger.id).await?;
        }
        let TriggerKind::Schedule { schedule, zone, .. } = &trigger.kind else { continue };
        let Ok(schedule) = Schedule::parse(schedule, zone.as_deref()) else { continue };
        let mut next = schedule.next_after(ANCHOR, now);
        while let Some(at) = next.filter(|at| *at <= now.plus(SOON)) {
            let key = format!("at:{}", at.0);
            let version = meta
                .splits
                .get(&trigger.id)
                .map_or(meta.live, |split| split.choose(meta.live, &meta.id, &trigger.id, &key));
            let plan = app.plans.get(org, &meta.id, version).await?;
            let request = StartRequest {
                org,
                workflow: &meta.id,
                version,
                plan: &plan,
                trigger: &trigger.id,
                key: &key,
                input: json!({"scheduled_at": at.rfc3339()}),
                depth: 0,
                priority: None,
                now: at,
            };
            match app.starter.start_in(request, now.until(at)).await {
                // The workflow is on all the same.
                Err(StartError::QuotaUsedUp(used_up)) => {
                    app.starter.passed_over(org, &meta.id, &trigger.id, used_up, now).await;
                }
                started => drop(started?),
            }
            next = schedule.next_after(ANCHOR, at);
        }
    }
    Ok(())
}
