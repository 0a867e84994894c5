//! One event: as much of an organisation as fits into an invocation.

use crate::App;
use blobs::BlobError;
use domain::run::KEPT_DAYS;
use domain::{Millis, OrgId, OrgKey, Provenance};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;
use store::{Erased, StoreError};
use tracing::info;
use vault::ServiceError;

/// How many objects are listed at a time.
const OBJECTS: usize = 200;
/// How many are deleted at a time.
const AT_ONCE: usize = 16;

/// Why an invocation could not go on. The next event finds what is left.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error("the event names no organisation")]
    Event,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Blobs(#[from] BlobError),
    #[error(transparent)]
    Secrets(#[from] ServiceError),
}

/// What an invocation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There is more, which the next event finds.
    Some,
    /// Nothing is left, or the organisation is not to be erased.
    Done,
}

/// Goes on with the organisation that the event names, until then at the longest.
pub async fn erase(app: &App, event: &Value, until: Millis) -> Result<Outcome, EraseError> {
    let org = event["detail"]["organization"].as_str().and_then(|id| OrgId::parse(id).ok());
    // What the event says gives no right: each step looks at the mark.
    let org = OrgKey::verified(org.ok_or(EraseError::Event)?, Provenance::Event);
    loop {
        match app.store.erase_step(&org, app.clock.now()).await? {
            Erased::Some => {}
            Erased::NotBefore(_) => return Ok(Outcome::Some),
            Erased::Files => {
                if files(app, &org, until).await? {
                    app.store.files_erased(&org).await?;
                }
            }
            Erased::Secrets => {
                if !secrets(app, &org, until).await? {
                    // The list is late: there is no use in asking again at once.
                    return Ok(Outcome::Some);
                }
                app.store.secrets_erased(&org).await?;
            }
            Erased::All => {
                info!(organization.id = %org.org(), "nothing is left of the organisation");
                return Ok(Outcome::Done);
            }
        }
        if app.clock.now() >= until {
            return Ok(Outcome::Some);
        }
    }
}

/// Deletes the organisation's objects; whether all are gone.
async fn files(app: &App, org: &OrgKey, until: Millis) -> Result<bool, EraseError> {
    for days in KEPT_DAYS {
        let prefix = format!("d{days}/{}/", org.org());
        loop {
            let found = app.blobs.list(&prefix, None, OBJECTS).await?;
            if found.is_empty() {
                break;
            }
            stream::iter(found)
                .map(|object| async move { app.blobs.delete(&object.key).await })
                .buffer_unordered(AT_ONCE)
                .try_collect::<()>()
                .await?;
            if app.clock.now() >= until {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Deletes the organisation's secrets; whether the whole list named none any more. Also those that no item refers to, such as one whose
/// maker died before it could say so.
async fn secrets(app: &App, org: &OrgKey, until: Millis) -> Result<bool, ServiceError> {
    let (mut named, mut from) = (0, None);
    loop {
        let page = app.secrets.erase_page(org, from.as_deref()).await?;
        named += page.named;
        from = page.next;
        if from.is_none() {
            return Ok(named == 0);
        }
        if app.clock.now() >= until {
            return Ok(false);
        }
    }
}
