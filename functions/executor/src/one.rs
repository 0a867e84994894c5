//! One message: find out where its strand of the run stands, then carry it on.

use crate::admit::{Admitted, admit};
use crate::drive::{Drive, Outset};
use crate::gather::{Gathers, gather};
use crate::place::{Place, Standing};
use crate::poll::poll;
use crate::started::leave_off;
use crate::subscription::look_after;
use crate::{App, ExecutorError};
use dispatch::{Asks, At, StepMessage, TriggerMessage, leave_slots, settle_outbox};
use domain::run::RunStatus;
use domain::{Millis, OrgKey, Provenance};
use engine::{Context, Plan, Strand, Then, begin};
use runtime::sqs::Record;
use std::time::Duration;
use tracing::{debug, info};

/// How long a strand whose beginning cannot be computed just now waits.
const BUSY: Duration = Duration::from_secs(2);

/// Deals with one record. An error means that it must come again.
pub async fn one(app: &App, record: &Record, deadline: Millis) -> Result<(), ExecutorError> {
    let mut message = match StepMessage::decode(&record.body) {
        Ok(message) => message,
        Err(error) => match TriggerMessage::decode(&record.body) {
            Some(message) => {
                let org = OrgKey::verified(message.org.clone(), Provenance::Message);
                return match message.asks() {
                    Asks::Records => poll(app, &org, &message, deadline).await,
                    Asks::Subscription | Asks::NewSubscription => {
                        Box::pin(look_after(app, &org, &message, deadline)).await
                    }
                };
            }
            None => return Err(error.into()),
        },
    };
    let org = OrgKey::verified(message.org.clone(), Provenance::Message);
    let first_hand = !message.again && record.receive_count <= 1;
    let context = message.context.take().filter(|_| first_hand);

    let Some(mut head) = app.runs.head(&org, &message.run, context.is_none()).await? else {
        info!(run.id = %message.run, "the run is no longer kept");
        return Ok(());
    };
    if head.status.is_terminal() {
        debug!(run.id = %head.id, run.status = %head.status, "the run has ended already");
        settle_outbox(&*app.runs, Some(&*app.queue), &*app.bus, &org, &head).await?;
        if let Some(slot) = &head.slot {
            // It may have been given one after its end.
            leave_slots(&*app.runs, &*app.queue, &org, &slot.of, &head.id).await?;
        }
        if !first_hand {
            leave_off(app, &org, &head, &message, deadline).await?;
        }
        return Ok(());
    }
    let plan = app.plans.get(&org, &head.workflow, head.version).await?;
    let strand = match message.strand.as_str() {
        "" => None,
        name => Some(Strand::parse(&plan, name).ok_or_else(|| ExecutorError::NoSuchStrand(name.to_owned()))?),
    };
    let mut refused = None;
    if strand.is_none() && head.gathering.is_some() {
        match gather(app, &org, plan.gather(&head.trigger), &mut head).await? {
            Gathers::Begins => {}
            Gathers::Later => return Ok(()),
            Gathers::Ends(error) => refused = Some((RunStatus::Cancelled, error)),
        }
    }
    if let (None, Some(limit)) = (&strand, plan.concurrency())
        && !head.slot.as_ref().is_some_and(|slot| slot.held)
        && app.clock.now() < head.deadline
        && refused.is_none()
    {
        match admit(app, &org, limit, &mut head).await? {
            Admitted::GoesOn => {}
            Admitted::Later => return Ok(()),
            Admitted::Ends(status, error) => refused = Some((status, error)),
        }
    }
    let place = Place { app, org: &org, head: &head, plan: &plan };
    let (context, then, pending) = if let Some(mut context) = context {
        let then = from_message(&plan, message.at.as_ref(), &mut context)?;
        (context, then, message.pending)
    } else {
        match place.standing(strand.as_ref()).await? {
            Standing::At(found) => (found.0, found.1, Vec::new()),
            Standing::Busy => {
                let again = StepMessage::again_in(org.org(), &head.id, &message.strand).on(head.priority);
                app.queue.send(&again, BUSY).await?;
                return Ok(());
            }
        }
    };
    let outset = Outset { strand, context, pending, first_hand, tries: message.tries };
    let mut drive = Drive::new(place, outset, deadline);
    if app.clock.now() >= head.deadline {
        drive.time_out().await?;
        return drive.abandon(&then).await.map(drop);
    }
    if let Some((status, error)) = refused {
        return drive.end(status, Some(error), None).await;
    }
    drive.go(then).await
}

fn from_message(plan: &Plan, at: Option<&At>, context: &mut Context) -> Result<Then, ExecutorError> {
    let Some(at) = at else { return Ok(begin(plan, context)) };
    let node = plan.by_path(&at.path).ok_or_else(|| ExecutorError::NoSuchStep(at.path.clone()))?;
    Ok(match at.attempt {
        1 => Then::Go(node),
        attempt => Then::Retry { node, attempt, at: Millis(0) },
    })
}
