//! Steps without effects: the same inputs give the same bytes, so they need no journal write of their own.

use super::{Drive, Flow, Flushed, check_inline_size, check_size};
use crate::ExecutorError;
use blobs::BlobError;
use domain::run::StepError;
use engine::{Event, NodeIx, NodeKind, follow, truthy};
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
        let node = self.plan.node(ix);
        match &node.kind {
            NodeKind::Map { output } => {
                let output = self.render(ix, output).await?;
                check_size(&output)?;
                Ok(Event::Evaluated(output))
            }
            NodeKind::Branch { arms, .. } => {
                for (i, (when, _)) in arms.iter().enumerate() {
                    if truthy(&self.render(ix, when).await?) {
                        return Ok(Event::Chosen(u16::try_from(i).ok()));
                    }
                }
                Ok(Event::Chosen(None))
            }
            NodeKind::Stop { report, .. } => {
                let mut report = self.render(ix, report).await?;
                check_inline_size(&report)?;
                let message = report.get("message").filter(|m| !m.is_null()).map(text);
                let output = report.get_mut("output").map_or(Value::Null, Value::take);
                Ok(Event::Stopping { message, output })
            }
            NodeKind::Filter { when } => Ok(Event::Passed(truthy(&self.render(ix, when).await?))),
            NodeKind::While { when, max_iterations, .. } => {
                if !truthy(&self.render(ix, when).await?) {
                    return Ok(Event::Chosen(None));
                }
                if self.context.iteration(&node.id) < *max_iterations {
                    return Ok(Event::Chosen(Some(0)));
                }
                let message = format!(
                    "the loop was not over after {max_iterations} iterations; mend `when` or raise `max_iterations`"
                );
                Err(StepError::fatal("too_many_iterations", message))
            }
            NodeKind::Try { .. }
            | NodeKind::ForEach(_)
            | NodeKind::Parallel { .. }
            | NodeKind::Approval(_)
            | NodeKind::Workflow { .. }
            | NodeKind::Emit { .. }
            | NodeKind::Action(_)
            | NodeKind::Wait { .. }
            | NodeKind::Respond { .. } => {
                Err(StepError::fatal("internal", "a step with an effect was taken for a pure one"))
            }
        }
    }

    pub(super) async fn render(&self, ix: NodeIx, template: &Template) -> Result<Value, StepError> {
        self.place.render(ix, template, &self.context).await
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
