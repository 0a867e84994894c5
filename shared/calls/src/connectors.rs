//! Where connectors come from: the catalogue, or the organisation's own.

use connectors::{Manifest, built_in, read};
use domain::run::StepError;
use domain::{Millis, OrgKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{ConnectorStore, StoreError};
use tracing::{error, warn};

/// What the names of an organisation's own connectors begin with; no connector of the catalogue ever does.
pub const OWN: &str = "my_";
/// How long one that was read is used. A version may be changed by what breaks nothing.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// How many are kept; past that it starts afresh.
const MANY: usize = 64;

/// Gives connectors by their names.
#[derive(Clone)]
pub struct Connectors {
    store: Arc<dyn ConnectorStore>,
    kept: Arc<Mutex<HashMap<Key, Kept>>>,
}

type Key = (OrgKey, String, u32);
/// With the time of its reading.
type Kept = (Option<Arc<Manifest>>, Millis);

impl Connectors {
    pub fn new(store: Arc<dyn ConnectorStore>) -> Self {
        Self { store, kept: Arc::default() }
    }

    /// A connector; `None` where there is none. Without a version, the newest of the catalogue; of an organisation's own, each use names one.
    pub async fn find(
        &self,
        org: &OrgKey,
        name: &str,
        version: Option<u32>,
        now: Millis,
    ) -> Result<Option<Arc<Manifest>>, StoreError> {
        if !name.starts_with(OWN) {
            return Ok(built_in(name, version));
        }
        let Some(version) = version else { return Ok(None) };
        let key = (org.clone(), name.to_owned(), version);
        if let Some((manifest, at)) = self.kept().get(&key)
            // A clock that was set back reads anew.
            && *at <= now
            && at.until(now) < KEPT_FOR
        {
            return Ok(manifest.clone());
        }
        let found = self.store.own_connector(org, name, version).await?;
        let manifest = found.and_then(|found| match read(&found.document) {
            Ok(manifest) => Some(Arc::new(manifest)),
            // It was checked when it was kept, so this code no longer reads what an earlier one did.
            Err(faults) => {
                let first = faults.first().map_or("", |fault| fault.message.as_str());
                error!(
                    connector = name,
                    version,
                    fault = first,
                    "an organisation's connector cannot be read any more"
                );
                None
            }
        });
        let mut kept = self.kept();
        if kept.len() >= MANY {
            kept.clear();
        }
        kept.insert(key, (manifest.clone(), now));
        Ok(manifest)
    }

    /// The same for a call.
    pub async fn get(
        &self,
        org: &OrgKey,
        name: &str,
        version: Option<u32>,
        now: Millis,
    ) -> Result<Arc<Manifest>, StepError> {
        let found = self.find(org, name, version, now).await.map_err(|error| {
            warn!(connector = name, %error, "a connector could not be read; the call is tried again");
            StepError::passing("connection_unavailable", "the connector could not be read just now")
        })?;
        found.ok_or_else(|| {
            let message = match version {
                Some(version) => format!("there is no version {version} of the connector `{name}`"),
                None => format!("there is no connector `{name}`"),
            };
            StepError::fatal("connector_unknown", message)
        })
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Connectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connectors").finish_non_exhaustive()
    }
}
