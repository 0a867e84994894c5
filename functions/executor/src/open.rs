//! Connections of calls: opened, and told of when they must be made anew.

use crate::App;
use calls::tokens::{Fetcher, Waits};
use calls::{NotOpened, Opener, Secrets};
use connectors::{Access, Manifest};
use domain::run::StepError;
use domain::{ConnectionId, OrgKey};
use std::time::Duration;
use store::DueEntry;
use tracing::warn;

/// How long tokens may take. Most of the time they are there.
const WAITS: Waits = Waits { server: Duration::from_secs(10), others: Duration::from_secs(8) };
/// The same, and what is around it: an invocation that ends sooner begins no call by a connection.
pub(crate) const OPENING: Duration = Duration::from_secs(25);

/// What a call may use, and the number of the tokens that it uses, where it uses any. Tokens with the number `stale` are not used: the
/// app refused them.
pub(crate) async fn open(
    app: &App,
    org: &OrgKey,
    connection: Option<&ConnectionId>,
    manifest: &Manifest,
    secrets: &mut Secrets,
    stale: Option<u32>,
) -> Result<(Access, Option<u32>), StepError> {
    let Some(id) = connection else { return Ok((Access::default(), None)) };
    let fetcher = Fetcher {
        connections: app.connections.as_ref(),
        safe: app.secrets.as_ref(),
        http: app.http.as_ref(),
        clock: app.clock.as_ref(),
        draw: app.draw.as_ref(),
        waits: WAITS,
    };
    match (Opener { fetcher, stale }).open(org, id, manifest, secrets).await {
        Ok(opened) => Ok((opened.access, opened.tokens)),
        Err(error) => {
            if let NotOpened::Ended { reason, number } = &error {
                need_reconnect(app, org, id, *number, reason).await;
            }
            Err(error.into_error())
        }
    }
}

/// Says of a connection that its user must agree again, and has whoever agreed last told. The call fails either way; the next one
/// that needs the connection says it should this fail.
async fn need_reconnect(app: &App, org: &OrgKey, id: &ConnectionId, number: u32, reason: &str) {
    // First, so that a crash between the two leaves an entry too many and not one too few. All that find it at once write the same.
    let entry = DueEntry::told_of(org, id, app.clock.now());
    if let Err(error) = app.due.put_due(&entry).await {
        warn!(connection.id = %id, %error, "nobody is told yet that a connection must be made anew");
        return;
    }
    match app.connections.need_reconnect(org, id, number, reason).await {
        Ok(_) => warn!(connection.id = %id, reason, "a connection must be made anew"),
        Err(error) => {
            warn!(connection.id = %id, %error, "it could not be kept that a connection must be made anew");
        }
    }
}
