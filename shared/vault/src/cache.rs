//! The keyring in memory, for minutes.

use std::fmt;
use std::sync::Arc;

use aws_sdk_secretsmanager::Client;
use tokio::sync::Mutex;

use crate::error::KeyringError;
use crate::keyring::Keyring;

/// How long a keyring is used before it is read again, in seconds.
pub const CACHED_FOR: i64 = 300;

/// How much longer it is used while it cannot be read.
const GRACE: i64 = 300;

/// How soon reading is tried again then.
const RETRY_AFTER: i64 = 15;

/// Reads the keyring when it is needed and keeps it for a while.
pub struct Keyrings {
    client: Client,
    secret_id: String,
    held: Mutex<Option<Held>>,
}

struct Held {
    keyring: Arc<Keyring>,
    loaded_at: i64,
    next_load: i64,
}

impl Keyrings {
    pub fn new(client: Client, secret_id: impl Into<String>) -> Self {
        Self { client, secret_id: secret_id.into(), held: Mutex::new(None) }
    }

    /// The keyring as it was at most five minutes before `now` (seconds since 1970), ten if Secrets Manager
    /// does not answer. Of many who ask at once, one reads and the others wait for it.
    pub async fn get(&self, now: i64) -> Result<Arc<Keyring>, KeyringError> {
        let mut held = self.held.lock().await;
        // A clock that was set back reads anew rather than trust an age that it cannot tell.
        if let Some(held) = held.as_ref().filter(|held| (held.loaded_at..held.next_load).contains(&now)) {
            return Ok(Arc::clone(&held.keyring));
        }
        match Keyring::load(&self.client, &self.secret_id, now).await {
            Ok(keyring) => {
                let keyring = Arc::new(keyring);
                *held =
                    Some(Held { keyring: Arc::clone(&keyring), loaded_at: now, next_load: now + CACHED_FOR });
                Ok(keyring)
            }
            Err(error) => match held.as_mut() {
                Some(held)
                    if error.retryable() && (0..CACHED_FOR + GRACE).contains(&(now - held.loaded_at)) =>
                {
                    tracing::warn!(
                        secret.id = self.secret_id,
                        error.code = error.code(),
                        "the keyring could not be read again; the one in memory is used"
                    );
                    held.next_load = (now + RETRY_AFTER).min(held.loaded_at + CACHED_FOR + GRACE);
                    Ok(Arc::clone(&held.keyring))
                }
                Some(_) | None => Err(error),
            },
        }
    }

    /// Sets the provider by which people sign in, or takes it away. Other functions know it when they read the keyring again:
    /// within five minutes.
    pub async fn set_identity_provider(
        &self,
        provider: Option<&serde_json::Value>,
        now: i64,
    ) -> Result<(), KeyringError> {
        let mut held = self.held.lock().await;
        let keyring = Keyring::set_identity_provider(&self.client, &self.secret_id, provider, now).await?;
        *held = Some(Held { keyring: Arc::new(keyring), loaded_at: now, next_load: now + CACHED_FOR });
        Ok(())
    }
}

impl fmt::Debug for Keyrings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyrings").field("secret_id", &self.secret_id).finish_non_exhaustive()
    }
}
