//! One message: find out where its run stands, then carry it on.

use crate::drive::{Drive, Outset};
use crate::{App, ExecutorError};
use dispatch::{At, StepMessage, settle_outbox};
use domain::run::Head;
use domain::{Millis, OrgKey, Provenance};
use engine::{Context, Plan, Then, frontier};
use runtime::sqs::Record;
use serde_json::Value;
use tracing::{debug, info};

/// Deals with one record. An error means that it must come again.
pub async fn one(app: &App, record: &Record, deadline: Millis) -> Result<(), ExecutorError> {
    let mut message = StepMessage::decode(&record.body)?;
    let org = OrgKey::verified(message.org.clone(), Provenance::Message);
    let first_hand = !message.again && record.receive_count <= 1;
    let context = message.context.take().filter(|_| first_hand);

    let Some(head) = app.runs.head(&org, &message.run, context.is_none()).await? else {
        info!(run.id = %message.run, "the run is no longer kept");
        return Ok(());
    };
    if head.status.is_terminal() {
        debug!(run.id = %head.id, run.status = %head.status, "the run has ended already");
        settle_outbox(&*app.runs, &*app.bus, &org, &head).await?;
        return Ok(());
    }
    let plan = app.plans.get(&org, &head.workflow, head.version).await?;
    let (context, then, pending) = if let Some(context) = context {
        (context, from_message(&plan, message.at.as_ref())?, message.pending)
    } else {
        let (context, then) = from_journal(app, &org, &head, &plan).await?;
        (context, then, Vec::new())
    };
    let mut drive = Drive::new(app, &org, &head, &plan, Outset { context, pending, first_hand }, deadline);
    if app.clock.now() >= head.deadline {
        return drive.time_out().await;
    }
    drive.go(then).await
}

fn from_message(plan: &Plan, at: Option<&At>) -> Result<Then, ExecutorError> {
    let Some(at) = at else { return Ok(Then::after(plan.first())) };
    let node = plan.by_path(&at.path).ok_or_else(|| ExecutorError::NoSuchStep(at.path.clone()))?;
    Ok(match at.attempt {
        1 => Then::Go(node),
        attempt => Then::Retry { node, attempt, at: Millis(0) },
    })
}

async fn from_journal(
    app: &App,
    org: &OrgKey,
    head: &Head,
    plan: &Plan,
) -> Result<(Context, Then), ExecutorError> {
    let journal = app.runs.journal(org, &head.id).await?;
    let input = head.input.clone().unwrap_or(Value::Null);
    let found = frontier(plan, Context::begin(head, input), &journal.entries, app.clock.now());
    Ok((found.context, found.then))
}
