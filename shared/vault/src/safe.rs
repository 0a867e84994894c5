//! Credentials that are kept for long, by one of two drivers: sealed beside what they belong to, or in a secret of their own.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::OrgKey;

use crate::cache::CACHED_FOR;
use crate::error::{KeyringError, SafeError};
use crate::folder::{Content, SecretFolder};
use crate::seal::Sealer;
use crate::sealers::Sealers;
use crate::secret::Secret;

/// What the text begins with that stands for a secret of Secrets Manager.
const NAMED: &str = "sm:";
/// How many opened secrets are held at most.
const HELD: usize = 256;

/// How new credentials are kept. What is kept already opens whatever this says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Storage {
    /// Each in a secret of its own of AWS Secrets Manager.
    #[default]
    SecretsManager,
    /// Sealed by the keyring, in the item that they belong to.
    Sealed,
}

impl FromStr for Storage {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "secrets-manager" => Ok(Self::SecretsManager),
            "sealed" => Ok(Self::Sealed),
            _ => Err(()),
        }
    }
}

/// Keeps credentials and opens them. What it gives to be kept in an item shows nothing of them.
pub struct Safe {
    sealers: Arc<dyn Sealers>,
    folder: SecretFolder,
    storage: Storage,
    opened: Mutex<HashMap<String, Held>>,
}

struct Held {
    content: Arc<Content>,
    read_at: i64,
}

impl Safe {
    /// One that opens whatever is kept, and keeps new credentials sealed.
    pub fn new(sealers: Arc<dyn Sealers>, folder: SecretFolder) -> Self {
        Self { sealers, folder, storage: Storage::Sealed, opened: Mutex::default() }
    }

    /// The same that keeps new credentials so.
    #[must_use]
    pub fn keeping(self, storage: Storage) -> Self {
        Self { storage, ..self }
    }

    /// Keeps a text at `now` (seconds since 1970): what opens as it again for this organisation and purpose only.
    ///
    /// It is kept before the item that will refer to it is written. Whoever cannot write that item [forgets](Self::forget) it.
    pub async fn keep(&self, org: &OrgKey, purpose: &str, text: &str, now: i64) -> Result<String, SafeError> {
        match self.storage {
            Storage::Sealed => Ok(self.sealers.sealer(now).await?.seal(org, purpose, text)?),
            Storage::SecretsManager => {
                let name = self.folder.keep(org, purpose, text).await?;
                Ok(format!("{NAMED}{name}"))
            }
        }
    }

    /// Opens what was kept for the same organisation and purpose.
    pub async fn open(
        &self,
        org: &OrgKey,
        purpose: &str,
        kept: &str,
        now: i64,
    ) -> Result<Secret<String>, SafeError> {
        let Some(name) = kept.strip_prefix(NAMED) else {
            return Ok(self.sealers.sealer(now).await?.open(org, purpose, kept)?);
        };
        if let Some(content) = self.held(name, now) {
            return content.opened(org, purpose);
        }
        let content = Arc::new(self.folder.read(org, name).await?);
        let opened = content.opened(org, purpose)?;
        self.hold(name, content, now);
        Ok(opened)
    }

    /// What seals and opens the rest: tokens and secret variables.
    pub async fn sealer(&self, now: i64) -> Result<Arc<Sealer>, KeyringError> {
        self.sealers.sealer(now).await
    }

    /// Deletes what nothing refers to any more. What is sealed has gone with its item.
    pub async fn forget(&self, org: &OrgKey, kept: &str) -> Result<(), SafeError> {
        let Some(name) = kept.strip_prefix(NAMED) else { return Ok(()) };
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.folder.delete(org, name).await
    }

    /// A secret that was read in the last minutes. A name never gets another content, so it is never an old one.
    fn held(&self, name: &str, now: i64) -> Option<Arc<Content>> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let held = opened.get(name)?;
        (held.read_at..held.read_at + CACHED_FOR).contains(&now).then(|| held.content.clone())
    }

    fn hold(&self, name: &str, content: Arc<Content>, now: i64) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|_, held| (held.read_at..held.read_at + CACHED_FOR).contains(&now));
        if opened.len() >= HELD
            && let Some(oldest) =
                opened.iter().min_by_key(|(_, held)| held.read_at).map(|(name, _)| name.clone())
        {
            opened.remove(&oldest);
        }
        opened.insert(name.to_owned(), Held { content, read_at: now });
    }

    #[cfg(test)]
    pub(crate) fn holds(&self) -> usize {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[async_trait]
impl Sealers for Safe {
    async fn sealer(&self, now: i64) -> Result<Arc<Sealer>, KeyringError> {
        self.sealers.sealer(now).await
    }
}

impl fmt::Debug for Safe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Safe")
            .field("storage", &self.storage)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}
