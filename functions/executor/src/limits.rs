//! The limits of apps that calls come under, whoever makes them.

use crate::App;
use connectors::Call;
use domain::pace::Pace;
use domain::run::StepError;
use domain::{ConnectionId, OrgKey};
use std::time::Duration;
use store::AppLimit;
use tracing::warn;

/// The limit that a call comes under.
pub(crate) fn limit_of(connection: Option<&ConnectionId>, call: &Call) -> Option<AppLimit> {
    let manifest = call.manifest();
    let (name, limit) = manifest.rate_limit(call.action())?;
    Some(AppLimit {
        connection: connection.cloned(),
        name: format!("{}.{name}", manifest.name),
        pace: Pace::of(limit.requests, limit.per),
    })
}

/// Leaves an app alone that asks for it: nobody gets a turn before.
pub(crate) async fn leave_alone(app: &App, org: &OrgKey, limit: Option<&AppLimit>, error: &StepError) {
    // That no turn was left for this call is our own word: others may well have theirs.
    if error.code == "app_limited" {
        return;
    }
    let (Some(limit), Some(time), true) = (limit, error.retry_after_ms, error.retryable) else { return };
    let time = Duration::from_millis(time);
    if time.is_zero() {
        return;
    }
    if let Err(error) = app.limits.block(org, limit, time, app.clock.now()).await {
        warn!(%error, "others could not be told that an app asks to be left alone");
    }
}
