//! The end of a run.

use super::{Drive, Flushed};
use crate::ExecutorError;
use dispatch::settle_outbox;
use domain::run::{End, Head, RunError, RunStatus, SettledBy};
use serde_json::Value;
use tracing::info;

impl Drive<'_> {
    /// Journals what is pending, ends the run unless it has ended, and sends what that brings about.
    pub(crate) async fn end(
        &mut self,
        status: RunStatus,
        error: Option<RunError>,
        output: Option<Value>,
    ) -> Result<(), ExecutorError> {
        #[cfg(planted)]
        if dispatch::is_planted(dispatch::Bug::EndsWithoutHistory) {
            self.pending.clear();
        }
        if self.flush().await? == Flushed::Overruled {
            self.yield_until(self.app.clock.now()).await?;
            return Ok(());
        }
        let outbox = self.head.consequences(status);
        let end = End { status, at: self.app.clock.now(), error, output, outbox };
        let ended = match self.app.runs.finish(self.org, &self.head.id, &end).await? {
            SettledBy::Us => {
                let code = end.error.as_ref().map(|e| e.code.as_str());
                info!(run.id = %self.head.id, run.status = %status, error.code = code, "the run ended");
                Head {
                    status,
                    error: end.error,
                    output: end.output,
                    finished_at: Some(end.at),
                    outbox: end.outbox,
                    input: None,
                    ..self.head.clone()
                }
            }
            SettledBy::Another(head) => *head,
        };
        settle_outbox(&*self.app.runs, Some(&*self.app.queue), &*self.app.bus, self.org, &ended).await?;
        Ok(())
    }

    pub(crate) async fn time_out(&mut self) -> Result<(), ExecutorError> {
        let error = RunError::new(
            "run_timeout",
            "the run took longer than its time limit; raise `timeout` in the definition",
        );
        self.end(RunStatus::TimedOut, Some(error), None).await
    }
}
