//! Code that users wrote.

use super::effect::shown;
use super::pure::BUSY;
use super::{Drive, Flow, Flushed, check_size};
use crate::ExecutorError;
use dispatch::CodeRequest;
use domain::run::StepError;
use engine::{CodeNode, Event, NodeIx};

impl Drive<'_> {
    /// Lets the sandbox run the code. It can reach nothing and needs no claim: a worker that dies over it has done no harm.
    pub(super) async fn code(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        code: &CodeNode,
    ) -> Result<Flow, ExecutorError> {
        if !self.covers(code.timeout) {
            self.flush().await?;
            return self.yield_until(self.app.clock.now()).await;
        }
        let started_at = self.app.clock.now();
        if self.flush_if_large().await? == Flushed::Overruled {
            return self.yield_until(started_at).await;
        }
        let input = match self.render(ix, &code.input).await {
            Ok(input) => input,
            Err(error) if error.retryable => return self.yield_until(started_at.plus(BUSY)).await,
            Err(error) => {
                return self.settle(ix, attempt, started_at, None, Event::Failed(error), None).await;
            }
        };
        let request = CodeRequest {
            language: code.language,
            source: code.source.clone(),
            input,
            timeout: code.timeout,
        };
        let running = self.app.sandbox.run(&request);
        let output = self.while_shown(running).await.map_err(StepError::from);
        let output = output.and_then(|output| check_size(&output).map(|()| output));
        let event = output.map_or_else(Event::Failed, Event::Effect);
        self.settle(ix, attempt, started_at, Some(shown(request.input)), event, None).await
    }
}
