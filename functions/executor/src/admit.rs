//! Whether a run may go on beside the others of its workflow (`concurrency`).
//!
//! The head says which slots a run asks for before the run is among them: whoever ends it then frees what it may hold. A run that
//! ended in between is found when the slots are full.

use crate::drive::evaluation_error;
use crate::{App, ExecutorError};
use dispatch::{StepMessage, leave_slots, settle_outbox};
use domain::OrgKey;
use domain::run::{Admission, End, Head, RunError, RunStatus, SettledBy, Slot, StepError, slots_name};
use domain::workflow::WhenFull;
use engine::{ConcurrencyNode, Context, seed};
use serde_json::Value;
use std::time::Duration;

/// How often the slots are read again because others changed them meanwhile, or because a run that held one was found to be over.
const TRIES: usize = 20;
/// When a run comes back that could not compute its key, or for which others were too fast.
const SOON: Duration = Duration::from_secs(2);
/// When a run comes back for which the line has no room; as long again is drawn, so that not all come at once.
const LATER: Duration = Duration::from_secs(30);

/// What becomes of the run now.
pub(crate) enum Admitted {
    GoesOn,
    /// It waits, and will be sent on, or has ended meanwhile.
    Later,
    Ends(RunStatus, RunError),
}

/// Asks for a slot for the run, and notes in `head` what is known of it.
pub(crate) async fn admit(
    app: &App,
    org: &OrgKey,
    of: &ConcurrencyNode,
    head: &mut Head,
) -> Result<Admitted, ExecutorError> {
    let name = if let Some(slot) = &head.slot {
        slot.of.clone()
    } else {
        match key(app, org, of, head).await? {
            Ok(key) => slots_name(&head.workflow, &key),
            Err(error) if error.retryable => return come_back(app, org, head, SOON).await,
            Err(error) => {
                return Ok(Admitted::Ends(RunStatus::Failed, RunError::new(&error.code, error.message)));
            }
        }
    };
    if head.slot.is_none() {
        let slot = Slot { of: name.clone(), held: false };
        if !app.runs.mark_slot(org, &head.id, &slot).await? {
            return Ok(Admitted::Later);
        }
        head.slot = Some(slot);
    }
    let (runs, queue) = (&*app.runs, &*app.queue);
    for _ in 0..TRIES {
        let (before, seen) = runs.slots(org, &name).await?;
        let mut slots = before.clone();
        let admission = slots.enter(&head.id, of.limit, of.when_full == WhenFull::Queue, head.deadline);
        if slots != before && !runs.put_slots(org, &name, &slots, seen).await? {
            continue;
        }
        #[cfg(planted)]
        let admission = match admission {
            Admission::Waits if dispatch::is_planted(dispatch::Bug::GoesOnUnasked) => Admission::Holds,
            told => told,
        };
        if admission == Admission::Holds {
            let slot = Slot { of: name.clone(), held: true };
            if !runs.mark_slot(org, &head.id, &slot).await? {
                leave_slots(runs, queue, org, &name, &head.id).await?;
                return Ok(Admitted::Later);
            }
            head.slot = Some(slot);
            return Ok(Admitted::GoesOn);
        }
        let Some(oldest) = slots.oldest() else { continue };
        let holder = runs.head(org, oldest, false).await?.filter(|head| !head.status.is_terminal());
        match (holder, admission, of.when_full) {
            (None, _, _) => leave_slots(runs, queue, org, &name, oldest).await?,
            (Some(holder), Admission::Full, WhenFull::CancelOldest) => {
                supersede(app, org, holder, &head.id).await?;
                leave_slots(runs, queue, org, &name, oldest).await?;
            }
            (Some(_), Admission::Full, WhenFull::Drop) => {
                let message = format!("{} runs were under way already, as many as may be", of.limit);
                return Ok(Admitted::Ends(RunStatus::Cancelled, RunError::new("concurrency_full", message)));
            }
            (Some(_), Admission::Full, WhenFull::Queue) => {
                let more = app.draw.draw() % LATER.as_secs();
                return come_back(app, org, head, LATER + Duration::from_secs(more)).await;
            }
            (Some(_), _, _) => return Ok(Admitted::Later),
        }
    }
    come_back(app, org, head, SOON).await
}

/// What the run's key is: equal for runs that share a limit.
async fn key(
    app: &App,
    org: &OrgKey,
    of: &ConcurrencyNode,
    head: &Head,
) -> Result<Result<String, StepError>, ExecutorError> {
    let Some(template) = &of.key else { return Ok(Ok(String::new())) };
    let input = match &head.input {
        Some(input) => input.clone(),
        None => app.runs.head(org, &head.id, true).await?.and_then(|head| head.input).unwrap_or_default(),
    };
    let context = Context::begin(head, input);
    let seed = seed(head, "concurrency", &context);
    let rendered = app.guard.lane(org.org().as_str()).render(template, context.scope(), &seed).await;
    Ok(match rendered {
        Ok(Value::String(text)) => Ok(text),
        Ok(value) => Ok(value.to_string()),
        Err(error) => Err(evaluation_error(&error)),
    })
}

async fn come_back(app: &App, org: &OrgKey, head: &Head, after: Duration) -> Result<Admitted, ExecutorError> {
    let again = StepMessage::again(org.org(), &head.id).on(head.priority);
    app.queue.send(&again, after).await?;
    Ok(Admitted::Later)
}

/// Cancels the run that another takes the place of.
async fn supersede(app: &App, org: &OrgKey, holder: Head, by: &domain::RunId) -> Result<(), ExecutorError> {
    let message = format!("the run {by} came when all slots were taken, and took this one's");
    let end = End {
        status: RunStatus::Cancelled,
        at: app.clock.now(),
        error: Some(RunError::new("superseded", message)),
        output: None,
        outbox: holder.consequences(RunStatus::Cancelled),
    };
    let ended = match app.runs.finish(org, &holder.id, &end).await? {
        SettledBy::Us => Head {
            status: end.status,
            error: end.error,
            finished_at: Some(end.at),
            outbox: end.outbox,
            ..holder
        },
        SettledBy::Another(head) => *head,
    };
    settle_outbox(&*app.runs, Some(&*app.queue), &*app.bus, org, &ended).await?;
    Ok(())
}
