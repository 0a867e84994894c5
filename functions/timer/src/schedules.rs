//! Runs that a schedule starts.

use crate::{App, TickError};
use dispatch::{PlanError, StartError, StartRequest, Starter};
use domain::Millis;
use domain::workflow::TriggerKind;
use schedule::{ANCHOR, Missed, Schedule, Since, TOLERANCE};
use serde_json::json;
use store::DueEntry;
use tracing::{error, info, warn};

/// How many missed times one look starts; the next look goes on.
const AT_ONCE: usize = 50;

/// Starts the runs of an entry's time and of those that follow before `horizon`, and puts the entry of the next time.
///
/// All of it may be repeated: a run is known by its time, the next entry by its place.
pub(crate) async fn fire(
    app: &App,
    entry: &DueEntry,
    now: Millis,
    horizon: Millis,
) -> Result<usize, TickError> {
    let mut started = 0;
    // An entry that was put off stands for its own time.
    let time = entry.time();
    // Ahead of its time, an entry whose workflow is off stays: it may be about to be switched on.
    let mut stays = time > now;
    if let Some((workflow, trigger)) = entry.of_which_trigger()
        && let Some(current) = app.plans.current(&entry.org, &workflow).await?
        && current.enabled
    {
        stays = false;
        let plan = match app.plans.get(&entry.org, &workflow, current.version).await {
            Ok(plan) => plan,
            Err(PlanError::Store(error)) => return Err(error.into()),
            // It must not hold up the others of its shard.
            Err(error) => {
                error!(workflow.id = %workflow, %error, "a schedule's workflow cannot be run; it is passed over");
                return Ok(0);
            }
        };
        let kind = plan.definition().trigger(trigger).map(|trigger| &trigger.kind);
        if let Some((schedule, missed)) = kind.and_then(read)
            // A time of an earlier version's schedule is none of this one's.
            && schedule.next_after(ANCHOR, Millis(time.0 - 1)) == Some(time)
        {
            let last = Millis(time.0 - 1);
            let since = Since { anchor: ANCHOR, last, now, tolerance: TOLERANCE };
            let mut times = if time < now { schedule.due(missed, since, AT_ONCE) } else { vec![time] };
            // A full list may not be all: the next look goes on from its end.
            let mut reached = match times.last() {
                Some(last) if times.len() == AT_ONCE => *last,
                _ => now.max(time),
            };
            let mut next = schedule.next_after(ANCHOR, reached);
            while let Some(at) = next.filter(|at| *at < horizon && times.len() < AT_ONCE) {
                times.push(at);
                reached = at;
                next = schedule.next_after(ANCHOR, reached);
            }
            let starter =
                Starter::new(app.runs.clone(), app.due.clone(), app.queue.clone(), app.plans.clone());
            let starter = starter.within(app.quotas.clone());
            for at in times {
                let key = format!("at:{}", at.0);
                // As webhooks and events do: the live version says when, the key which version runs.
                let chosen = current.version_for(&workflow, trigger, &key);
                let (version, plan) = match app.plans.get(&entry.org, &workflow, chosen).await {
                    Ok(plan) => (chosen, plan),
                    Err(PlanError::Store(error)) => return Err(error.into()),
                    Err(error) => {
                        error!(workflow.id = %workflow, %error, "a version of a split cannot be run; the live one runs");
                        (current.version, plan.clone())
                    }
                };
                let request = StartRequest {
                    org: &entry.org,
                    workflow: &workflow,
                    version,
                    plan: &plan,
                    trigger,
                    key: &key,
                    input: json!({"scheduled_at": at.rfc3339()}),
                    depth: 0,
                    priority: None,
                    // What was missed begins now.
                    now: at.max(now),
                };
                let run = match starter.start_in(request, now.until(at)).await {
                    Ok(run) => run,
                    // The time is passed over, as one that was missed; the schedule goes on.
                    Err(StartError::QuotaUsedUp(used_up)) => {
                        starter.passed_over(&entry.org, &workflow, trigger, used_up, now).await;
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
                info!(run.id = %run.run(), scheduled_at = %at.rfc3339(), "a schedule starts a run");
                started += 1;
            }
            if let Some(at) = next {
                app.due.put_due(&DueEntry::schedule(&entry.org, &workflow, trigger, at)).await?;
            }
        }
    }
    if !stays {
        app.due.delete_due(entry).await?;
    }
    Ok(started)
}

fn read(kind: &TriggerKind) -> Option<(Schedule, Missed)> {
    let TriggerKind::Schedule { schedule, zone, missed } = kind else { return None };
    let missed = missed.as_deref().and_then(Missed::parse).unwrap_or_default();
    match Schedule::parse(schedule, zone.as_deref()) {
        Ok(schedule) => Some((schedule, missed)),
        // It was checked when it was saved.
        Err(error) => {
            warn!(%error, "a schedule is no longer readable; it starts nothing");
            None
        }
    }
}
