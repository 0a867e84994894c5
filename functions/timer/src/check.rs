//! Is a run still alive, and within its time limit?

use crate::{App, TickError};
use dispatch::{StartError, StepMessage, settle_outbox};
use domain::Millis;
use domain::run::{End, Head, RunError, RunStatus, SettledBy};
use std::time::Duration;
use store::{DueEntry, DueKind, Pulse};
use tracing::{info, warn};

/// A run of which nothing was heard for this long is silent.
const SILENT: Duration = Duration::from_mins(5);
/// Above this, the queue has a backlog: its runs are late, not silent.
const BACKLOG: u64 = 1000;
/// When a live run is looked at next.
const NEXT_CHECK: Duration = Duration::from_mins(10);

pub(crate) async fn check(app: &App, entry: &DueEntry, now: Millis) -> Result<(), TickError> {
    let Some(head) = app.runs.head(&entry.org, &entry.run, false).await? else { return Ok(()) };
    if head.status.is_terminal() {
        settle_outbox(&*app.runs, Some(&*app.queue), &*app.bus, &entry.org, &head).await?;
        return Ok(());
    }
    if now >= head.deadline {
        return time_out(app, entry, head, now).await;
    }
    let pulse = app.runs.pulse(&entry.org, &entry.run).await?;
    let quiet_until = expected_quiet(&head, pulse);
    let last_heard = pulse.newest.unwrap_or(head.started_at).max(quiet_until);
    if last_heard.until(now) >= SILENT
        && app.queue.backlog(head.priority).await.map_err(StartError::from)? < BACKLOG
    {
        warn!(run.id = %head.id, "nothing was heard of the run; its message is sent again");
        let message = StepMessage::again(entry.org.org(), &entry.run).on(head.priority);
        app.queue.send(&message, Duration::ZERO).await.map_err(StartError::from)?;
    }
    #[cfg(planted)]
    if dispatch::is_planted(dispatch::Bug::LooksOnce) {
        return Ok(());
    }
    let at = now.max(quiet_until).plus(NEXT_CHECK).min(head.deadline);
    // Not within the next minute: by the time this is written, another tick may have looked at that one.
    let at = at.max(app.clock.now().plus(DueEntry::SOONEST));
    app.due.put_due(&DueEntry { kind: DueKind::Check, at, ..entry.clone() }).await?;
    Ok(())
}

/// Until when a planned wait or attempt explains the silence. Of a run with strands nothing does.
fn expected_quiet(head: &Head, pulse: Pulse) -> Millis {
    if pulse.forked { Millis(0) } else { pulse.quiet_until.max(head.wake_at.unwrap_or_default()) }
}

async fn time_out(app: &App, entry: &DueEntry, head: Head, now: Millis) -> Result<(), TickError> {
    let error = RunError::new(
        "run_timeout",
        "the run took longer than its time limit; raise `timeout` in the definition",
    );
    let end = End {
        status: RunStatus::TimedOut,
        at: now,
        error: Some(error),
        output: None,
        outbox: head.consequences(RunStatus::TimedOut),
    };
    #[cfg(planted)]
    let end = if dispatch::is_planted(dispatch::Bug::TimesOutSilently) {
        End { outbox: Vec::new(), ..end }
    } else {
        end
    };
    let ended = match app.runs.finish(&entry.org, &entry.run, &end).await? {
        SettledBy::Us => {
            info!(run.id = %head.id, "the run was timed out");
            Head { status: end.status, finished_at: Some(now), error: end.error, outbox: end.outbox, ..head }
        }
        SettledBy::Another(head) => *head,
    };
    settle_outbox(&*app.runs, Some(&*app.queue), &*app.bus, &entry.org, &ended).await?;
    Ok(())
}
