//! Calls of connectors' actions.

use super::Drive;
use super::limit::Turns;
use crate::ExecutorError;
use calls::{Opener, Secrets, Sender, carry, manifest};
use connectors::{Access, Call};
use domain::limits;
use domain::run::StepError;
use egress::HttpRequest;
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
        (call, turns): (&mut Call, &Turns),
        key: &str,
        secrets: &Secrets,
        timeout: Duration,
    ) -> Result<Result<Value, StepError>, ExecutorError> {
        let sender = Sending { drive: self, ix, attempt, turns };
        let came = carry(call, &sender, key, secrets, self.app.clock.as_ref(), timeout).await?;
        if let Err(error) = &came {
            self.leave_alone(turns, error).await;
        }
        Ok(came)
    }
}

struct Sending<'a, 'd> {
    drive: &'a Drive<'d>,
    ix: NodeIx,
    attempt: u16,
    turns: &'a Turns,
}

impl Sender for Sending<'_, '_> {
    type Broken = ExecutorError;

    async fn turn(&self, left: Duration) -> Result<(), StepError> {
        self.drive.next_turn(self.turns, left).await
    }

    async fn send(
        &self,
        mut request: HttpRequest,
        secrets: &Secrets,
    ) -> Result<Result<Value, StepError>, ExecutorError> {
        request
            .headers
            .insert(limits::DEPTH_HEADER, http::HeaderValue::from(self.drive.head.depth.saturating_add(1)));
        self.drive.send_request(self.ix, self.attempt, request, true, secrets).await
    }
}
