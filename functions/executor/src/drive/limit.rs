//! Turns at apps that take only so many requests in a while: all workers share them.
//!
//! A request has its turn taken before it is sent, and before the claim of its step: who dies in between leaves a turn unused, and
//! nothing else. A turn that comes soon is waited for in place, which counts for the step's time; for a later one the step is put back,
//! which is no attempt of it. A list that has begun waits for its further pages in place for longer, as to begin it anew would
//! ask for the same pages again; when its step's time is too short for that, the attempt has failed.

use super::{Drive, Flow};
use crate::ExecutorError;
use crate::limits::limit_of;
use connectors::Call;
use domain::Millis;
use domain::run::{Limited, StepError};
use engine::{ActionNode, NodeIx};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use store::{AppLimit, Turn};
use tracing::{info, warn};

/// How long a step is put back when the limits cannot be asked just now.
const UNASKED: Duration = Duration::from_secs(2);
/// How many times as long a further page of a list is waited for.
const PAGES_WAIT: u32 = 15;
/// Who comes to its turn later than this takes another: it was for a request at its time.
const MISSED: Duration = Duration::from_millis(250);

/// The turns of one call.
pub(super) struct Turns {
    pub(super) limit: Option<AppLimit>,
    /// When the first request has its turn, until that is sent.
    first: AtomicI64,
}

/// No turn is kept.
const NONE: i64 = i64::MIN;

impl Drive<'_> {
    /// Takes the turn of a call's first request, or puts the step back until there may be one.
    pub(super) async fn first_turn(
        &mut self,
        (ix, attempt): (NodeIx, u16),
        action: &ActionNode,
        call: &Call,
    ) -> Result<Result<Turns, Flow>, ExecutorError> {
        let Some(limit) = limit_of(action.connection.as_ref(), call) else {
            return Ok(Ok(Turns { limit: None, first: AtomicI64::new(NONE) }));
        };
        // Who has been put back before goes before who comes first.
        let patience = if self.first_hand { self.app.patience / 2 } else { self.app.patience };
        let patience = patience.min(action.timeout / 2);
        let now = self.app.clock.now();
        let wait = match self.app.limits.turn(self.org, &limit, patience, now).await {
            Ok(Turn::In(wait)) => {
                let first = AtomicI64::new(now.plus(wait).0);
                return Ok(Ok(Turns { limit: Some(limit), first }));
            }
            Ok(Turn::NotBefore(wait)) => wait,
            Err(error) => {
                warn!(run.id = %self.head.id, %error, "the limits of an app could not be asked; the step is put back");
                UNASKED
            }
        };
        let app = call.manifest();
        info!(
            run.id = %self.head.id,
            connector = app.name,
            limit = limit.name,
            wait_ms = wait.as_millis() as u64,
            "a step waits for the rate limit of an app"
        );
        let limited = Limited {
            path: self.path(ix),
            attempt,
            app: app.title.clone(),
            since: now,
            until: now.plus(wait),
        };
        self.put_back(&limited).await.map(Err)
    }

    /// Leaves the strand until then, with all as it was before the step.
    async fn put_back(&mut self, limited: &Limited) -> Result<Flow, ExecutorError> {
        // What was computed on the way here is kept: to compute it anew could use up the time again, and so for ever.
        self.flush().await?;
        if self.strand.is_none() {
            self.app.runs.mark_limited(self.org, &self.head.id, limited).await?;
        }
        self.come_back_at(limited.until).await
    }

    /// Waits for the turn of a call's next request. `left` is what is left of its step's time.
    pub(super) async fn next_turn(&self, turns: &Turns, left: Duration) -> Result<(), StepError> {
        let Some(limit) = &turns.limit else { return Ok(()) };
        let clock = &self.app.clock;
        let first = turns.first.swap(NONE, Ordering::Relaxed);
        let now = clock.now();
        if first != NONE && Millis(first).until(now) < MISSED {
            // Not for longer than it agreed to, should its clock have been set meanwhile.
            self.wait_in_place(now.until(Millis(first)).min(self.app.patience)).await;
            return Ok(());
        }
        let patience = (self.app.patience * PAGES_WAIT).min(left / 2);
        match self.app.limits.turn(self.org, limit, patience, now).await {
            Ok(Turn::In(wait)) => self.wait_in_place(wait).await,
            // It has its claim, and had a turn; one request too many is better than an effect of which nobody knows.
            Ok(Turn::NotBefore(_)) if first != NONE => {}
            Ok(Turn::NotBefore(wait)) => {
                let message = "the app's rate limit leaves no time for the further pages of the list; ask for fewer items, or give \
                               the step more time";
                let mut error = StepError::passing("app_limited", message);
                error.retry_after_ms = Some(wait.as_millis() as u64);
                return Err(error);
            }
            Err(error) => {
                warn!(run.id = %self.head.id, %error, "the limits of an app could not be asked; the call goes on");
            }
        }
        Ok(())
    }

    async fn wait_in_place(&self, time: Duration) {
        if !time.is_zero() {
            self.while_shown(self.app.clock.sleep(time)).await;
        }
    }
}
