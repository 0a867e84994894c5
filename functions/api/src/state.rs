//! What handlers work with.

use auth::{AuthState, KeysUnavailable, Passwords, Verifier};
use blobs::BlobStore;
use dispatch::{EventBus, Plans, Starter};
use domain::Millis;
use guard::Guard;
use runtime::Clock;
use std::sync::Arc;
use store::{RunStore, Store};
use vault::Keyrings;

#[derive(Clone)]
pub struct App {
    pub store: Arc<Store>,
    pub runs: Arc<dyn RunStore>,
    pub starter: Starter,
    pub plans: Plans,
    pub bus: Arc<dyn EventBus>,
    pub blobs: Arc<dyn BlobStore>,
    pub guard: Guard,
    pub keyrings: Arc<Keyrings>,
    pub passwords: Passwords,
    pub clock: Arc<dyn Clock>,
    /// What webhook addresses begin with, without a slash at the end.
    pub public_url: Arc<str>,
}

impl App {
    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

impl AuthState for App {
    async fn verifier(&self) -> Result<Arc<Verifier>, KeysUnavailable> {
        let keyring = self.keyrings.get(AuthState::now(self)).await.map_err(|error| {
            tracing::error!(%error, error.code = error.code(), "the keyring cannot be read");
            KeysUnavailable
        })?;
        Ok(keyring.verifier().clone())
    }

    fn now(&self) -> i64 {
        self.clock.now().0.div_euclid(1000)
    }
}
