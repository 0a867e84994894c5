//! The ways a run leaves a worker's hands before its end.

use super::{Drive, Flow, Flushed};
use crate::ExecutorError;
use dispatch::{At, StepMessage};
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

    /// Leaves the strand until a wait is over.
    pub(super) async fn park(&mut self, until: Millis, then: Then) -> Result<Flow, ExecutorError> {
        let now = self.app.clock.now();
        if until <= now {
            return Ok(Flow::Then(then));
        }
        self.show_waiting(until).await?;
        let delay = now.until(until);
        match then {
            Then::Go(ix) if delay <= limits::MAX_QUEUE_DELAY && self.first_hand => {
                self.send(ix, 1, delay).await
            }
            _ => self.come_back_at(until).await,
        }
    }

    /// Shows the run as waiting; only its main strand tells, as another may go on.
    pub(super) async fn show_waiting(&self, until: Millis) -> Result<(), ExecutorError> {
        if self.strand.is_none() {
            self.app.runs.mark_waiting(self.org, &self.head.id, until).await?;
        }
        Ok(())
    }

    /// Looks at the strand again at a time, however far that is.
    pub(super) async fn come_back_at(&mut self, at: Millis) -> Result<Flow, ExecutorError> {
        if self.app.clock.now().until(at) <= limits::MAX_QUEUE_DELAY {
            self.yield_until(at).await
        } else {
            self.wake_at(at).await
        }
    }

    /// Leaves the run to whoever is at it, and comes back at `at` to see whether it went on.
    pub(super) async fn yield_until(&mut self, at: Millis) -> Result<Flow, ExecutorError> {
        let delay = self.app.clock.now().until(at);
        self.app.queue.send(&self.again(), delay).await?;
        Ok(Flow::Handed)
    }

    /// Comes back once more, at `at`: a message that finds no more to do then ends.
    pub(super) async fn look_once_at(&mut self, at: Millis) -> Result<Flow, ExecutorError> {
        let delay = self.app.clock.now().until(at).min(limits::MAX_QUEUE_DELAY);
        self.app.queue.send(&StepMessage { tries: 1, ..self.again() }, delay).await?;
        Ok(Flow::Handed)
    }

    fn again(&self) -> StepMessage {
        StepMessage::again_in(self.org.org(), &self.head.id, &self.strand_name).on(self.head.priority)
    }

    async fn wake_at(&mut self, at: Millis) -> Result<Flow, ExecutorError> {
        let entry = DueEntry {
            org: self.org.clone(),
            run: self.head.id.clone(),
            strand: self.strand_name.clone(),
            kind: DueKind::Wake,
            at,
            of: None,
            priority: self.head.priority,
        };
        self.app.due.put_due(&entry).await?;
        Ok(Flow::Handed)
    }

    async fn send(&mut self, ix: NodeIx, attempt: u16, delay: Duration) -> Result<Flow, ExecutorError> {
        let node = self.plan.node(ix);
        self.context.prune(&node.live);
        let mut message = StepMessage {
            at: Some(At { path: node.path.clone(), attempt }),
            context: Some(self.context.clone()),
            pending: self.pending.clone(),
            again: false,
            ..self.again()
        }
        .formatted();
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
