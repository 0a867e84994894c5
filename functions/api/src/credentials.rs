//! Credentials in the vault: kept before what refers to them is written, and forgotten when nothing does any more.

use crate::App;
use crate::error::{ApiError, ApiResult, internal, unavailable};
use auth::AuthState;
use domain::OrgKey;
use store::StoreError;
use tracing::warn;
use vault::SafeError;

impl From<SafeError> for ApiError {
    fn from(cause: SafeError) -> Self {
        match cause {
            SafeError::TooLarge => Self::new(
                422,
                "credentials_too_large",
                "the credentials are longer than the 64 KiB that Secrets Manager keeps; give shorter ones",
            ),
            cause if cause.retryable() => unavailable(&cause),
            cause => internal(&cause),
        }
    }
}

/// Keeps a text for an item that is written next: [`settle`] says what became of that.
pub(crate) async fn keep(app: &App, org: &OrgKey, purpose: &str, text: &str) -> ApiResult<String> {
    Ok(app.safe.keep(org, purpose, text, AuthState::now(app)).await?)
}

/// Forgets what an item refers to no more, now that `written` says whether it was changed: `old` if it was, `new` if it was not.
/// Where nobody can tell, both stay: the item may yet turn out to refer to either.
pub(crate) async fn settle(
    app: &App,
    org: &OrgKey,
    written: Result<bool, StoreError>,
    old: Option<&String>,
    new: Option<&String>,
) -> ApiResult<bool> {
    let gone = match &written {
        Ok(true) => old,
        Ok(false) | Err(StoreError::Conflict { .. }) => new,
        Err(_) => None,
    };
    if let Some(gone) = gone.filter(|_| old != new)
        && let Err(error) = app.safe.forget(org, gone).await
    {
        // It is of no use to anybody; it goes with the organisation.
        warn!(%error, "credentials that nothing refers to could not be deleted");
    }
    Ok(written?)
}
