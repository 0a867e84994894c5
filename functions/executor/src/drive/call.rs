//! Calls of connectors' actions.

use super::Drive;
use crate::ExecutorError;
use calls::http_request::Prepared;
use calls::{Opener, Secrets, Sender, carry, manifest};
use connectors::{Access, Call};
use domain::limits;
use domain::run::StepError;
use engine::{ActionNode, NodeIx};
use serde_json::Value;
use std::time::Duration;

impl Drive<'_> {
    /// Begins a call with an evaluated input.
    pub(super) async fn begin_call(
        &self,
        action: &ActionNode,
        input: &Value,
        secrets: &mut Secrets,
    ) -> Result<Call, StepError> {
        let (app, name) = action.uses.split_once('.').unwrap_or((&action.uses, ""));
        let version = self.place.plan.definition().connectors.get(app).copied();
        let manifest = manifest(app, version)?;
        let access = match &action.connection {
            Some(id) => {
                let opener = Opener {
                    connections: self.app.connections.as_ref(),
                    sealers: self.app.secrets.as_ref(),
                    clock: self.app.clock.as_ref(),
                    draw: self.app.draw.as_ref(),
                };
                opener.open(self.org, id, &manifest, secrets).await?
            }
            None => Access::default(),
        };
        Call::begin(manifest, name, input.clone(), &access, self.app.clock.now().0)
    }

    /// Carries a call to its end, within its time.
    pub(super) async fn call_app(
        &self,
        (ix, attempt): (NodeIx, u16),
        call: &mut Call,
        key: &str,
        secrets: &Secrets,
        timeout: Duration,
    ) -> Result<Result<Value, StepError>, ExecutorError> {
        let sender = Sending { drive: self, ix, attempt };
        carry(call, &sender, key, secrets, self.app.clock.as_ref(), timeout).await
    }
}

struct Sending<'a, 'd> {
    drive: &'a Drive<'d>,
    ix: NodeIx,
    attempt: u16,
}

impl Sender for Sending<'_, '_> {
    type Broken = ExecutorError;

    async fn send(
        &self,
        mut prepared: Prepared,
        secrets: &Secrets,
    ) -> Result<Result<Value, StepError>, ExecutorError> {
        prepared
            .request
            .headers
            .insert(limits::DEPTH_HEADER, http::HeaderValue::from(self.drive.head.depth.saturating_add(1)));
        prepared.reading.any_status = true;
        self.drive.send_request(self.ix, self.attempt, prepared, secrets).await
    }
}
