//! One dead letter.

use crate::App;
use dispatch::{StartError, StepMessage, TriggerMessage, settle_outbox};
use domain::run::{End, RunError, RunStatus};
use domain::{OrgKey, Provenance};
use store::StoreError;
use tracing::{error, warn};

/// Why a dead letter could not be dealt with. It comes again.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Outbox(#[from] StartError),
}

/// Fails the run of one dead letter.
pub async fn one(app: &App, body: &str) -> Result<(), DeadLetterError> {
    let message = match StepMessage::decode(body) {
        Ok(message) => message,
        Err(_) if TriggerMessage::decode(body).is_some() => {
            error!("a poll's message failed ten times; the app is asked again when the poll is next due");
            return Ok(());
        }
        Err(cause) => {
            // It names no run: there is nothing to show it on but the log. The alarm on this queue has rung already.
            error!(error = %cause, "a dead letter is not readable; it is dropped");
            return Ok(());
        }
    };
    let org = OrgKey::verified(message.org, Provenance::Message);
    let Some(head) = app.runs.head(&org, &message.run, false).await? else { return Ok(()) };
    let text = "a step's message failed ten times: the executor could not reach a table or the queue, or was lost each time";
    let end = End {
        status: RunStatus::Failed,
        at: app.clock.now(),
        error: Some(RunError::new("dead_letter", text)),
        output: None,
        outbox: head.consequences(RunStatus::Failed),
    };
    app.runs.finish(&org, &message.run, &end).await?;
    warn!(run.id = %message.run, "a dead letter ended the run, unless it had ended before");
    if let Some(head) = app.runs.head(&org, &message.run, false).await? {
        // A run that waits for this one is told by the sweeper: this function has no right to send.
        settle_outbox(&*app.runs, None, &*app.bus, &org, &head).await?;
    }
    Ok(())
}
