//! After a start without a queue: every unfinished run gets its message again.

use crate::{App, TickError};
use dispatch::{StartError, StepMessage, settle_outbox};
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::HashSet;
use std::time::Duration;

/// How many runs are looked at at a time.
const AT_ONCE: usize = 16;

/// Sends the message of every run that has not ended; gives how many there were.
///
/// For the local stack, whose queue is in memory: in the cloud the queue outlives its functions. Finds the runs by their due
/// entries, of which each live run has one that is still to be looked at.
pub async fn resend_unfinished(app: &App) -> Result<usize, TickError> {
    let mut seen = HashSet::new();
    let low = app.due.low_water().await?;
    let mut entries = app.due.all_due().await?;
    entries.retain(|entry| low.is_before(entry) && seen.insert(entry.run.clone()));
    let sent: Vec<bool> = stream::iter(entries)
        .map(|entry| async move {
            let Some(head) = app.runs.head(&entry.org, &entry.run, false).await? else { return Ok(false) };
            if head.status.is_terminal() {
                settle_outbox(&*app.runs, Some(&*app.queue), &*app.bus, &entry.org, &head).await?;
                return Ok(false);
            }
            let message = StepMessage::again(entry.org.org(), &entry.run).on(head.priority);
            app.queue.send(&message, Duration::ZERO).await.map_err(StartError::from)?;
            Ok::<_, TickError>(true)
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(sent.into_iter().filter(|sent| *sent).count())
}
