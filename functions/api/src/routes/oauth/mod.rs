//! OAuth 2.0: as whom an organisation asks apps for tokens, and the consent of users.

mod client;
mod consent;
mod pending;

pub(crate) use client::*;
pub(crate) use consent::*;

use super::connectors::unknown;
use crate::App;
use crate::error::{ApiError, ApiResult};
use calls::tokens::{Fetcher, Waits};
use connectors::Manifest;
use connectors::manifest::{Grant, OAuth2};
use domain::OrgKey;
use std::sync::Arc;
use std::time::Duration;

/// The function is stopped after 29 seconds.
const WAITS: Waits = Waits { server: Duration::from_secs(10), others: Duration::from_secs(3) };

/// What the client must be told to send browsers back to.
fn redirect_uri(app: &App) -> String {
    format!("{}/v1/oauth/callback", app.public_url)
}

pub(super) fn fetcher(app: &App) -> Fetcher<'_> {
    Fetcher {
        connections: app.store.as_ref(),
        safe: app.safe.as_ref(),
        http: app.http.as_ref(),
        clock: app.clock.as_ref(),
        draw: &runtime::SystemDraw,
        waits: WAITS,
    }
}

/// A connector whose users can agree to something.
async fn asking(app: &App, org: &OrgKey, name: &str) -> ApiResult<Arc<Manifest>> {
    let manifest = app.connector(org, name, None).await?.ok_or_else(unknown)?;
    if manifest.auth.iter().any(|auth| auth.oauth2.as_ref().is_some_and(is_by_user)) {
        return Ok(manifest);
    }
    let detail = format!("{} is not signed in to by a user's consent", manifest.title);
    Err(ApiError::new(409, "no_consent_needed", detail))
}

fn is_by_user(oauth2: &OAuth2) -> bool {
    oauth2.grant == Grant::AuthorizationCode
}
