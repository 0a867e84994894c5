//! The ways a run leaves a worker's hands before its end.

use super::{Drive, Flow, Flushed};
use crate::ExecutorError;
use dispatch::{At, StepMessage};
use domain::run::FORMAT;
use domain::{Millis, limits};
use engine::{NodeIx, Then};
use std::time::Duration;
use store::{DueEntry, DueKind};

impl Drive<'_> {
    /// Leaves the next step to a message: this one has carried the run far enough.
    pub(super) async fn hand_over(&mut self, ix: NodeIx, attempt: u16) -> Result<Flow, ExecutorError> {
        self.send(ix, attempt, Duration::ZERO).await
    }

    /// Plans the next attempt.
    pub(super) async fn retry_at(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        at: Millis,
    ) -> Result<Flow, ExecutorError> {
        let delay = self.app.clock.now().until(at);
        if delay > limits::MAX_QUEUE_DELAY {
            return self.wake_at(at).await;
        }
        if !self.first_hand {
            // Somebody planned this attempt and may well have sent its message: come back and see, do not send a twin.
            return self.yield_until(at).await;
        }
        self.send(ix, attempt, delay).await
    }

    /// Leaves the run until a wait is over.
    pub(super) async fn park(&mut self, until: Millis, next: Option<NodeIx>) -> Result<Flow, ExecutorError> {
        let now = self.app.clock.now();
        if until <= now {
            return Ok(Flow::Then(Then::after(next)));
        }
        self.app.runs.mark_waiting(self.org, &self.head.id, until).await?;
        let delay = now.until(until);
        match next {
            Some(ix) if delay <= limits::MAX_QUEUE_DELAY && self.first_hand => self.send(ix, 1, delay).await,
            _ if delay <= limits::MAX_QUEUE_DELAY => self.yield_until(until).await,
            _ => self.wake_at(until).await,
        }
    }

    /// Leaves the run to whoever is at it, and comes back at `at` to see whether it went on.
    pub(super) async fn yield_until(&mut self, at: Millis) -> Result<Flow, ExecutorError> {
        let delay = self.app.clock.now().until(at);
        self.app.queue.send(&StepMessage::again(self.org.org(), &self.head.id), delay).await?;
        Ok(Flow::Handed)
    }

    async fn wake_at(&mut self, at: Millis) -> Result<Flow, ExecutorError> {
        let entry = DueEntry { org: self.org.clone(), run: self.head.id.clone(), kind: DueKind::Wake, at };
        self.app.due.put_due(&entry).await?;
        Ok(Flow::Handed)
    }

    async fn send(&mut self, ix: NodeIx, attempt: u16, delay: Duration) -> Result<Flow, ExecutorError> {
        let node = self.plan.node(ix);
        self.context.prune(&node.live);
        let mut message = StepMessage {
            format: FORMAT,
            at: Some(At { path: node.path.clone(), attempt }),
            context: Some(self.context.clone()),
            pending: self.pending.clone(),
            again: false,
            ..StepMessage::again(self.org.org(), &self.head.id)
        };
        if !message.pending.is_empty() && !message.fits() {
            if self.flush().await? == Flushed::Overruled {
                return self.yield_until(self.app.clock.now()).await;
            }
            message.pending.clear();
        }
        self.app.queue.send(&message, delay).await?;
        Ok(Flow::Handed)
    }
}
