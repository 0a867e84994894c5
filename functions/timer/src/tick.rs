//! One minute's look.

use crate::{App, check, polls, reconnect, schedules};
use dispatch::{BusEvent, StartError, StepMessage};
use domain::Millis;
use futures::stream::{self, StreamExt};
use std::time::Duration;
use store::{DueEntry, DueKind, Reading, SHARDS, StoreError};
use tracing::{error, warn};

const MINUTE: i64 = 60_000;
/// Wakes are released this far ahead; SQS delays the rest.
const AHEAD: Duration = Duration::from_mins(2);
/// Before the first tick nothing was looked at: entries can be this many minutes old at most.
const BEFORE_FIRST_TICK: i64 = 60;
/// How many missed minutes one tick catches up in a shard.
const CATCH_UP: i64 = 240;
/// After this time a tick ends and keeps what it has done; the next one goes on. Its function may run for 55 seconds.
const ENOUGH: Duration = Duration::from_secs(40);
/// How many runs are looked at at a time.
const AT_ONCE: usize = 16;

/// Why a tick could not be finished; the next one goes on from the same low-water mark.
#[derive(Debug, thiserror::Error)]
pub enum TickError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Send(#[from] StartError),
    /// Everything else was looked at, and how far is kept; the invocation fails so that somebody is told.
    #[error("{0} runs could not be looked at, and will be again in a minute")]
    Postponed(usize),
}

/// What a tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticked {
    pub woken: usize,
    /// Runs that schedules started.
    pub started: usize,
    /// Polls that were sent.
    pub polled: usize,
    pub checked: usize,
    /// Looks that failed and were put off by a minute.
    pub postponed: usize,
}

/// Looks at everything that fell due since the last look, and at the waits of the next two minutes.
pub async fn tick(app: &App) -> Result<Ticked, TickError> {
    let now = app.clock.now();
    let this_minute = now.0.div_euclid(MINUTE);
    let horizon = now.plus(AHEAD).0.div_euclid(MINUTE);
    let mut low = app.due.low_water().await?;
    let mut done = Ticked::default();
    let mut failed = None;
    // Another shard is the first one each minute, so that none is always the one for which no time is left.
    let first = u8::try_from(this_minute.rem_euclid(i64::from(SHARDS))).unwrap_or(0);
    for shard in (0..SHARDS).map(|n| (first + n) % SHARDS) {
        if now.until(app.clock.now()) >= ENOUGH {
            warn!("more is due than one tick can look at; the next one goes on");
            break;
        }
        let (over, ahead) = (&mut low.over[usize::from(shard)], &mut low.ahead[usize::from(shard)]);
        let from = over.unwrap_or(this_minute - BEFORE_FIRST_TICK);
        // The tick of the minute before has looked ahead at all but the last of these minutes: each costs a read unit.
        let ahead_from = ahead.unwrap_or(this_minute).clamp(this_minute, horizon + 1);
        let catch_up_to = this_minute.min(from + CATCH_UP);
        (*over, *ahead) = (Some(catch_up_to), Some(horizon + 1));
        for minute in (from..catch_up_to).chain(ahead_from..=horizon) {
            let is_over = minute < this_minute;
            let outcome = if now.until(app.clock.now()) >= ENOUGH {
                Ok(false)
            } else {
                minute_of(app, minute, shard, is_over, now, &mut done).await.map(|()| true)
            };
            #[cfg(planted)]
            let outcome = if dispatch::is_planted(dispatch::Bug::PassesOverFailures) {
                outcome.or(Ok(true))
            } else {
                outcome
            };
            if !matches!(outcome, Ok(true)) {
                let mark = if is_over { &mut *over } else { &mut *ahead };
                *mark = mark.map(|so_far| so_far.min(minute));
            }
            failed = failed.or(outcome.err());
        }
    }
    app.due.set_low_water(&low).await?;
    match failed {
        Some(error) => Err(error),
        None if done.postponed > 0 => Err(TickError::Postponed(done.postponed)),
        None => Ok(done),
    }
}

/// Looks at every entry of one shard's minute: one that fails keeps no other from its look.
async fn minute_of(
    app: &App,
    minute: i64,
    shard: u8,
    minute_is_over: bool,
    now: Millis,
    done: &mut Ticked,
) -> Result<(), TickError> {
    // A look ahead that misses what was written this second costs nothing: the look after it sees all.
    let reading = if minute_is_over { Reading::Strong } else { Reading::Eventual };
    let entries = app.due.due_in(minute, shard, reading).await?;
    let mut looks = stream::iter(entries)
        .map(|entry| async move { (look(app, &entry, minute_is_over, now).await, entry) })
        .buffer_unordered(AT_ONCE);
    let mut failed = None;
    while let Some((looked, entry)) = looks.next().await {
        match looked {
            Ok(count) => {
                done.woken += count.woken;
                done.started += count.started;
                done.polled += count.polled;
                done.checked += count.checked;
                done.postponed += count.postponed;
            }
            // Another look would find the same: it must not hold up the low-water mark for ever.
            Err(TickError::Store(cause @ StoreError::Corrupt(_))) => {
                error!(run.id = %entry.run, error = %cause, "what is stored of the run is not readable; the run is passed over");
            }
            Err(cause) => failed = failed.or(Some(cause)),
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn look(app: &App, entry: &DueEntry, minute_is_over: bool, now: Millis) -> Result<Ticked, TickError> {
    match entry.kind {
        DueKind::Wake => {
            let message =
                StepMessage::again_in(entry.org.org(), &entry.run, &entry.strand).on(entry.priority);
            app.queue.send(&message, now.until(entry.at)).await.map_err(StartError::from)?;
            app.due.delete_due(entry).await?;
            Ok(Ticked { woken: 1, ..Ticked::default() })
        }
        // Looked at once, when its minute is over: the low-water mark then passes it, and TTL removes it.
        DueKind::Check if minute_is_over => {
            match check::check(app, entry, now).await {
                Ok(()) => Ok(Ticked { checked: 1, ..Ticked::default() }),
                Err(error @ TickError::Store(StoreError::Corrupt(_))) => Err(error),
                // What fails again and again must not hold up its whole shard: it is looked at anew, and the mark goes on.
                Err(cause) => {
                    warn!(run.id = %entry.run, error = %cause, "a run could not be looked at; again in a minute");
                    let at = app.clock.now().plus(DueEntry::SOONEST);
                    app.due.put_due(&DueEntry { at, ..entry.clone() }).await?;
                    Ok(Ticked { postponed: 1, ..Ticked::default() })
                }
            }
        }
        DueKind::Check => Ok(Ticked::default()),
        // Announced each minute until nothing is left, whatever became of the last announcement and of who heard it.
        DueKind::Erasure if minute_is_over => {
            if app.due.is_being_erased(&entry.org).await? {
                app.bus.put(&[BusEvent::erasing(entry.org.org())]).await.map_err(StartError::from)?;
                let at = app.clock.now().plus(DueEntry::SOONEST);
                app.due.put_due(&DueEntry { at, ..entry.clone() }).await?;
            }
            app.due.delete_due(entry).await?;
            Ok(Ticked::default())
        }
        DueKind::Erasure => Ok(Ticked::default()),
        DueKind::Reconnect if minute_is_over => {
            match reconnect::tell(app, entry, now).await {
                Ok(true) => {}
                Err(error @ TickError::Store(StoreError::Corrupt(_))) => return Err(error),
                // As with checks: it must not hold up its whole shard.
                outcome => {
                    warn!(connection.id = entry.strand, failed = ?outcome.err(), "nobody could be told of a connection; again in a minute");
                    let at = app.clock.now().plus(DueEntry::SOONEST);
                    app.due.put_due(&DueEntry { at, of: Some(entry.time()), ..entry.clone() }).await?;
                }
            }
            app.due.delete_due(entry).await?;
            Ok(Ticked::default())
        }
        DueKind::Subscription if minute_is_over => {
            polls::look_after(app, entry).await?;
            Ok(Ticked::default())
        }
        DueKind::Reconnect | DueKind::Subscription => Ok(Ticked::default()),
        DueKind::Schedule | DueKind::Poll => {
            let horizon = Millis((now.plus(AHEAD).0.div_euclid(MINUTE) + 1) * MINUTE);
            let looked = if entry.kind == DueKind::Poll {
                let sent = polls::send(app, entry, now, horizon).await;
                sent.map(|polled| Ticked { polled, ..Ticked::default() })
            } else {
                let started = schedules::fire(app, entry, now, horizon).await;
                started.map(|started| Ticked { started, ..Ticked::default() })
            };
            match looked {
                Err(error @ TickError::Store(StoreError::Corrupt(_))) => Err(error),
                // As with checks: what fails again and again must not hold up its whole shard. The entry keeps its own time.
                Err(cause) if minute_is_over => {
                    warn!(trigger = entry.strand, error = %cause, "a trigger's time could not be kept; again in a minute");
                    let at = app.clock.now().plus(DueEntry::SOONEST);
                    app.due.put_due(&DueEntry { at, of: Some(entry.time()), ..entry.clone() }).await?;
                    app.due.delete_due(entry).await?;
                    Ok(Ticked { postponed: 1, ..Ticked::default() })
                }
                // The look when the minute is over sees it again.
                Err(cause) => {
                    warn!(trigger = entry.strand, error = %cause, "a trigger's time could not be prepared for");
                    Ok(Ticked::default())
                }
                looked => looked,
            }
        }
    }
}
