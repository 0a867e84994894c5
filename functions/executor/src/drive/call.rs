//! Calls of connectors' actions.

use super::Drive;
use super::file::Disk;
use super::limit::Turns;
use crate::ExecutorError;
use crate::limits::leave_alone;
use crate::open::open;
use calls::http_request::Prepared;
use calls::{Secrets, Sender, carry};
use connectors::Call;
use domain::limits;
use domain::run::StepError;
use engine::{ActionNode, NodeIx};
use serde_json::Value;
use std::time::Duration;

/// A call that has begun.
pub(super) struct Begun {
    pub(super) call: Call,
    /// The number of the tokens that it uses, where it uses any.
    pub(super) tokens: Option<u32>,
}

impl Drive<'_> {
    /// Begins a call with an evaluated input. Tokens with the number `stale` are not used: the app refused them.
    pub(super) async fn begin_call(
        &self,
        action: &ActionNode,
        input: &Value,
        secrets: &mut Secrets,
        stale: Option<u32>,
    ) -> Result<Begun, StepError> {
        let (app, name) = action.uses.split_once('.').unwrap_or((&action.uses, ""));
        let version = self.place.plan.definition().connectors.get(app).copied();
        let now = self.app.clock.now();
        let manifest = self.app.connectors.get(self.org, app, version, now).await?;
        let connection = action.connection.as_ref();
        let (access, tokens) = open(self.app, self.org, connection, &manifest, secrets, stale).await?;
        let call = Call::begin(manifest, name, input.clone(), &access, self.app.clock.now().0)?;
        Ok(Begun { call, tokens })
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
            leave_alone(self.app, self.org, turns.limit.as_ref(), error).await;
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
        mut prepared: Prepared,
        secrets: &Secrets,
    ) -> Result<Result<Value, StepError>, ExecutorError> {
        prepared
            .request
            .headers
            .insert(limits::DEPTH_HEADER, http::HeaderValue::from(self.drive.head.depth.saturating_add(1)));
        prepared.reading.any_status = true;
        self.drive.send_request(self.ix, self.attempt, (prepared, Disk::later()), secrets).await
    }
}
