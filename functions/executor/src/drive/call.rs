//! Calls of connectors' actions.

use super::Drive;
use super::file::Disk;
use super::limit::Turns;
use crate::ExecutorError;
use calls::http_request::Prepared;
use calls::tokens::{Fetcher, Waits};
use calls::{NotOpened, Opener, Secrets, Sender, carry, manifest};
use connectors::{Access, Call};
use domain::run::StepError;
use domain::{ConnectionId, limits};
use engine::{ActionNode, NodeIx};
use serde_json::Value;
use std::time::Duration;
use store::DueEntry;
use tracing::warn;

/// How long tokens may take. Most of the time they are there.
const WAITS: Waits = Waits { server: Duration::from_secs(10), others: Duration::from_secs(8) };
/// The same, and what is around it: an invocation that ends sooner begins no call by a connection.
pub(super) const OPENING: Duration = Duration::from_secs(25);

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
        let manifest = manifest(app, version)?;
        let (access, tokens) = match &action.connection {
            Some(id) => {
                let fetcher = Fetcher {
                    connections: self.app.connections.as_ref(),
                    safe: self.app.secrets.as_ref(),
                    http: self.app.http.as_ref(),
                    clock: self.app.clock.as_ref(),
                    draw: self.app.draw.as_ref(),
                    waits: WAITS,
                };
                let opener = Opener { fetcher, stale };
                match opener.open(self.org, id, &manifest, secrets).await {
                    Ok(opened) => (opened.access, opened.tokens),
                    Err(error) => {
                        if let NotOpened::Ended { reason, number } = &error {
                            self.need_reconnect(id, *number, reason).await;
                        }
                        return Err(error.into_error());
                    }
                }
            }
            None => (Access::default(), None),
        };
        let call = Call::begin(manifest, name, input.clone(), &access, self.app.clock.now().0)?;
        Ok(Begun { call, tokens })
    }

    /// Says of a connection that its user must agree again, and has whoever agreed last told. The step fails either way; the next one
    /// that needs the connection says it should this fail.
    async fn need_reconnect(&self, id: &ConnectionId, number: u32, reason: &str) {
        // First, so that a crash between the two leaves an entry too many and not one too few. All that find it at once write the same.
        let entry = DueEntry::told_of(self.org, id, self.app.clock.now());
        if let Err(error) = self.app.due.put_due(&entry).await {
            warn!(connection.id = %id, %error, "nobody is told yet that a connection must be made anew");
            return;
        }
        match self.app.connections.need_reconnect(self.org, id, number, reason).await {
            Ok(_) => warn!(connection.id = %id, reason, "a connection must be made anew"),
            Err(error) => {
                warn!(connection.id = %id, %error, "it could not be kept that a connection must be made anew");
            }
        }
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
