//! Steps without effects: the same inputs give the same bytes, so they need no journal write of their own.

use super::{Drive, Flow, Flushed, check_inline_size, check_size};
use crate::ExecutorError;
use crate::place::Place;
use blobs::BlobError;
use domain::run::StepError;
use engine::{Context, Event, NodeIx, Render, follow};
use expr::Template;
use serde_json::Value;
use std::time::Duration;

/// How long a step waits for room in the guard before it is sent again.
pub(super) const BUSY: Duration = Duration::from_secs(2);

impl Drive<'_> {
    pub(super) async fn pure(&mut self, ix: NodeIx, attempt: u16) -> Result<Flow, ExecutorError> {
        let started_at = self.app.clock.now();
        let event = match self.evaluate(ix).await {
            Ok(event) => event,
            // Not the workflow's fault, so not its history's: come back when the guard has room.
            Err(error) if error.retryable => return self.yield_until(started_at.plus(BUSY)).await,
            Err(error) => Event::Failed(error),
        };
        let mark = self.decide(ix, attempt, event)?;
        let mark = match self.place.keep(&self.path(ix), attempt, mark).await {
            Ok(mark) => mark,
            Err(BlobError::Unavailable { .. }) => return self.yield_until(started_at.plus(BUSY)).await,
            Err(error) => return Err(error.into()),
        };
        let entry = self.entry(ix, attempt, started_at, None, mark);
        let then = follow(self.plan, ix, &entry, &mut self.context);
        self.pending.push(entry);
        match self.flush_if_large().await? {
            Flushed::Kept => Ok(Flow::Then(then)),
            Flushed::Overruled => self.yield_until(started_at).await,
        }
    }

    async fn evaluate(&self, ix: NodeIx) -> Result<Event, StepError> {
        let event = engine::evaluate(self.plan, ix, &self.context, &self.scope(ix)).await?;
        match &event {
            Event::Evaluated(output) => check_size(output)?,
            // It rides in the head.
            Event::Stopping { output, .. } => check_inline_size(output)?,
            _ => {}
        }
        Ok(event)
    }

    /// What a step's templates are evaluated in.
    pub(super) fn scope(&self, ix: NodeIx) -> Scope<'_> {
        Scope { place: self.place, ix, context: &self.context }
    }

    pub(super) async fn render(&self, ix: NodeIx, template: &Template) -> Result<Value, StepError> {
        self.place.render(ix, template, &self.context).await
    }
}

/// The scope of one step.
pub(super) struct Scope<'a> {
    place: Place<'a>,
    ix: NodeIx,
    context: &'a Context,
}

impl Render for Scope<'_> {
    async fn render(&self, template: &Template) -> Result<Value, StepError> {
        self.place.render(self.ix, template, self.context).await
    }
}
