//! Polls: when an app is asked for records. Asking is the executor's.

use crate::{App, TickError};
use dispatch::{Asks, PlanError, StartError, StartRequest, Starter, TriggerMessage};
use domain::Millis;
use domain::poll::next_after;
use domain::subscription::next_look;
use domain::workflow::TriggerKind;
use serde_json::Value;
use std::time::Duration;
use store::DueEntry;
use tracing::error;

/// When a workflow is looked at again that cannot be run.
const LATER: Duration = Duration::from_mins(10);

/// Has the subscription of an entry's trigger looked after. Whoever does that puts down the next time; should its message be lost, it is
/// looked after the next day.
pub(crate) async fn look_after(app: &App, entry: &DueEntry) -> Result<(), TickError> {
    if let Some((workflow, trigger)) = entry.of_which_trigger() {
        let at = next_look(&entry.strand, app.clock.now().plus(DueEntry::SOONEST));
        app.due.put_due(&DueEntry::subscription(&entry.org, &workflow, trigger, at)).await?;
        let message = TriggerMessage::of(Asks::Subscription, entry.org.org(), &workflow, trigger);
        app.queue.send_trigger(&message, Duration::ZERO).await.map_err(StartError::from)?;
    }
    Ok(app.due.delete_due(entry).await?)
}

/// Sends the messages of an entry's time and of those that follow before `horizon`, and puts the entry of the next time; gives how many.
///
/// The next entry comes first, so that a poll goes on whatever becomes of this time's. All of it may be repeated: to ask twice starts
/// nothing twice, and the next entry is known by its place.
pub(crate) async fn send(
    app: &App,
    entry: &DueEntry,
    now: Millis,
    horizon: Millis,
) -> Result<usize, TickError> {
    let Some((workflow, trigger)) = entry.of_which_trigger() else { return Ok(0) };
    let time = entry.time();
    let current = app.plans.current(&entry.org, &workflow).await?;
    let Some(current) = current.filter(|current| current.enabled) else {
        // Ahead of its time, it stays: the workflow may be about to be switched on.
        if time <= now {
            app.due.delete_due(entry).await?;
        }
        return Ok(0);
    };
    let plan = match app.plans.get(&entry.org, &workflow, current.version).await {
        Ok(plan) => plan,
        Err(PlanError::Store(error)) => return Err(error.into()),
        // It must not hold up the others of its shard; and a later version of this program may well read it.
        Err(error) => {
            error!(workflow.id = %workflow, %error, "a poll's workflow cannot be run; it is looked at again later");
            app.due.put_due(&DueEntry { at: now.plus(LATER), of: Some(time), ..entry.clone() }).await?;
            app.due.delete_due(entry).await?;
            return Ok(0);
        }
    };
    let mut sent = 0;
    if let Some(TriggerKind::Poll(poll)) = plan.definition().trigger(trigger).map(|trigger| &trigger.kind)
        // A time of an earlier version's pace is none of this one's.
        && next_after(&entry.strand, poll.every, Millis(time.0 - 1)) == time
    {
        // However many times were missed, one answer has all that they would have had.
        let mut times = vec![time.max(now)];
        let mut next = next_after(&entry.strand, poll.every, time.max(now));
        while next < horizon {
            times.push(next);
            next = next_after(&entry.strand, poll.every, next);
        }
        app.due.put_due(&DueEntry::poll(&entry.org, &workflow, trigger, next)).await?;
        let starter = Starter::new(app.runs.clone(), app.due.clone(), app.queue.clone(), app.plans.clone());
        let starter = starter.within(app.quotas.clone());
        for at in times {
            let request = StartRequest {
                org: &entry.org,
                workflow: &workflow,
                version: current.version,
                plan: &plan,
                trigger,
                key: "",
                input: Value::Null,
                depth: 0,
                priority: None,
                now: at,
            };
            // An app that may start nothing is not asked: the records are found when it may.
            match starter.may_start(&request).await {
                Ok(()) => {}
                Err(StartError::QuotaUsedUp(used_up)) => {
                    starter.passed_over(&entry.org, &workflow, trigger, used_up, now).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            let message = TriggerMessage::of(Asks::Records, entry.org.org(), &workflow, trigger);
            app.queue.send_trigger(&message, now.until(at)).await.map_err(StartError::from)?;
            sent += 1;
        }
    }
    app.due.delete_due(entry).await?;
    Ok(sent)
}
