//! Steps whose action goes on at its app after its answer: the app is asked, again and again, until it is over.
//!
//! The start is journalled with its answer before anything waits for its end, so that no crash starts a second one. From then on each
//! message of the strand finds this state by the journal. A claim of the attempt that will record the end says who asks next: messages that
//! come besides, as those do that are sent when a run is silent, ask nothing and end, so that they do not become ever more.

use super::effect::Settled;
use super::{Drive, Flow, check_size};
use crate::ExecutorError;
use crate::open::OPENING;
use crate::started::{ASKED, LeftOff, Started};
use connectors::completes::Progress;
use domain::Millis;
use domain::run::{Mark, StepError};
use engine::{Event, NodeIx, NodeKind};
use serde_json::Value;
use std::time::Duration;
use store::{Attempt, Claim, Held};

/// How long an app that cannot be told for now to leave off is tried to be told so, once the step's time is over.
const TELLING: Duration = Duration::from_mins(2);
/// The pause between two tries of what fails for now, where no pace is known.
const PAUSE: Duration = Duration::from_secs(15);
/// The shortest time for which one message asks alone.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// What a step started, as the journal has it.
pub(super) struct Waits {
    /// Which attempt records the end.
    pub(super) attempt: u16,
    pub(super) output: Value,
    pub(super) since: Millis,
    pub(super) until: Millis,
}

impl Drive<'_> {
    /// Asks how far the app is, if it is time; settles the step if it is over, and comes back if not.
    pub(super) async fn await_completion(&mut self, ix: NodeIx, waits: Waits) -> Result<Flow, ExecutorError> {
        let Waits { attempt, output, since, until } = waits;
        if !matches!(self.plan.node(ix).kind, NodeKind::Action(_)) {
            let error = StepError::fatal("internal", "what is no action waits for its app");
            return self.given_up(ix, attempt, until, error).await;
        }
        let now = self.app.clock.now();
        let context = self.context.clone();
        let started = Started { place: self.place, ix, context: &context, output: &output };
        let known = match started.manifest().await {
            Ok(manifest) => {
                started.completes(&manifest).map(|of| of.every).map(|every| (manifest.clone(), every))
            }
            Err(error) => Err(error),
        };
        let (manifest, every) = match known {
            Ok(known) => known,
            Err(error) if error.retryable => return self.wait_on(until, now.plus(PAUSE)).await,
            Err(error) => return self.given_up(ix, attempt, until, error).await,
        };
        let first = since.plus(every).min(until);
        if now < first {
            return self.wait_on(until, first).await;
        }
        if !self.covers(OPENING + ASKED * 3) {
            return self.yield_until(now).await;
        }
        let held = match self.asks_alone(ix, attempt, every.min(now.until(until))).await? {
            Ok(held) => held,
            Err(flow) => return Ok(flow),
        };
        let completes = match started.completes(&manifest) {
            Ok(completes) => completes,
            Err(error) => return self.completed(ix, attempt, until, Event::Failed(error), Some(held)).await,
        };
        let came = started.progress(&manifest, completes).await;
        let asked_at = self.app.clock.now();
        let event = match came {
            Ok(Progress::Done(output)) => {
                check_size(&output).map_or_else(Event::Failed, |()| Event::Effect(output))
            }
            Ok(Progress::Failed(error)) => Event::Failed(calls::http_request::shortened(error)),
            Err(error) if !error.retryable => {
                // Nobody will ask for it any more.
                let _ = started.call_off(&manifest).await;
                Event::Failed(error)
            }
            Ok(Progress::GoesOn) | Err(_) if asked_at < until => {
                let wish = came.err().and_then(|error| error.retry_after_ms).unwrap_or(0);
                let next = asked_at.plus(every.max(Duration::from_millis(wish))).min(until);
                return self.wait_on(until, next).await;
            }
            Ok(Progress::GoesOn) | Err(_) => match started.call_off(&manifest).await {
                Err(error) if error.retryable && until.until(asked_at) < TELLING => {
                    return self.yield_until(asked_at.plus(PAUSE)).await;
                }
                left_off => Event::Failed(not_completed(&manifest.title, since.until(until), &left_off)),
            },
        };
        self.completed(ix, attempt, until, event, Some(held)).await
    }

    /// Nobody can ask any more. Whoever asked before may have left a claim.
    async fn given_up(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        until: Millis,
        error: StepError,
    ) -> Result<Flow, ExecutorError> {
        match self.asks_alone(ix, attempt, PAUSE).await? {
            Ok(held) => self.completed(ix, attempt, until, Event::Failed(error), Some(held)).await,
            Err(flow) => Ok(flow),
        }
    }

    /// Records how what a step started came to its end.
    async fn completed(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        until: Millis,
        event: Event,
        held: Option<Held>,
    ) -> Result<Flow, ExecutorError> {
        let now = self.app.clock.now();
        // A wait that ends before its time would be shown as one until then.
        if self.strand.is_none() && self.head.wake_at == Some(until) && now < until {
            self.app.runs.mark_resumed(self.org, &self.head.id, until).await?;
        }
        let starts = self.starts_before(ix, attempt).await?;
        let settled = Settled { attempt, failures: attempt.saturating_sub(starts), started_at: now };
        self.settle_as(ix, settled, None, event, held).await
    }

    /// How often the step has started something before this attempt.
    pub(super) async fn starts_before(&self, ix: NodeIx, attempt: u16) -> Result<u16, ExecutorError> {
        if attempt == 1 {
            return Ok(0);
        }
        let path = self.path(ix);
        let entries = self.place.journal(self.strand.as_ref()).await?;
        let starts = entries
            .iter()
            .filter(|e| e.path == path && e.attempt < attempt && matches!(e.mark, Mark::Started { .. }));
        Ok(u16::try_from(starts.count()).unwrap_or(u16::MAX))
    }

    /// Leaves the strand until the app is asked next, and shows the run as waiting until the step's time is over.
    async fn wait_on(&mut self, until: Millis, next: Millis) -> Result<Flow, ExecutorError> {
        if self.head.wake_at != Some(until) {
            self.show_waiting(until).await?;
        }
        self.come_back_at(next).await
    }

    /// Sees to it that no other message asks until about the next time.
    async fn asks_alone(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        lease: Duration,
    ) -> Result<Result<Held, Flow>, ExecutorError> {
        let path = self.path(ix);
        let of = Attempt { strand: &self.strand_name, path: &path, attempt };
        let now = self.app.clock.now();
        let claim = self.app.runs.claim(self.org, self.head, &of, now, lease.max(SHORTEST_LEASE)).await?;
        Ok(match claim {
            Claim::Ours { held, .. } => Ok(held),
            // Whoever asked has sent a message for the next time, or comes again itself. This one looks once whether that was so.
            Claim::Busy { until } if self.tries == 0 => Err(self.look_once_at(until.plus(PAUSE)).await?),
            Claim::Busy { .. } => Err(Flow::Handed),
            Claim::Done(_) => Err(self.yield_until(now).await?),
        })
    }
}

fn not_completed(app: &str, time: Duration, left_off: &Result<LeftOff, StepError>) -> StepError {
    let told = match left_off {
        Ok(LeftOff::Told) => "it was told to leave off",
        Ok(LeftOff::CannotBeTold) => "nothing can tell it to leave off",
        Err(_) => "it could not be told to leave off",
    };
    let seconds = time.as_secs();
    StepError::fatal(
        "not_completed",
        format!("{app} was not done after {seconds} s with what the step started; {told}"),
    )
}
