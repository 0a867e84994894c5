//! Keys without a keyring around them, and Secrets Manager in memory.

use async_trait::async_trait;
use domain::OrgKey;
use emulators::{Cloud, REGION};
use runtime::{SignedHttp, SystemClock};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use vault::{
    KeyringError, Listed, Safe, Sealer, Sealers, Secret, SecretFolder, SecretService, SecretsManager,
    ServiceError,
};

/// What the names of secrets begin with.
pub const CREDENTIALS: &str = "patchbay/credentials";

/// Seals and opens with one key.
#[derive(Debug, Clone)]
pub struct FixedSealer(Arc<Sealer>);

impl Default for FixedSealer {
    fn default() -> Self {
        Self(Arc::new(Sealer::with_key([7; 32])))
    }
}

impl FixedSealer {
    /// Seals a text, which it opens again.
    pub fn seal(&self, org: &OrgKey, purpose: &str, text: &str) -> String {
        self.0.seal(org, purpose, text).expect("there is a key")
    }
}

#[async_trait]
impl Sealers for FixedSealer {
    async fn sealer(&self, _: i64) -> Result<Arc<Sealer>, KeyringError> {
        Ok(self.0.clone())
    }
}

/// The secrets of an emulated cloud, as functions reach them.
pub fn secrets_of(cloud: &Cloud) -> SecretFolder {
    let http = SignedHttp {
        connector: cloud.connector(),
        credentials: Cloud::credentials(),
        region: REGION.into(),
        endpoint: None,
        clock: Arc::new(SystemClock),
    };
    SecretFolder::new(Arc::new(SecretsManager::new(http)), CREDENTIALS)
}

/// Secrets by their names, in memory, at once and without fault.
#[derive(Debug, Default)]
pub struct ModelSecrets(Mutex<BTreeMap<String, Secret<String>>>);

impl ModelSecrets {
    /// A safe over such secrets, and one key.
    pub fn safe() -> Safe {
        let folder = SecretFolder::new(Arc::new(Self::default()), CREDENTIALS);
        Safe::new(Arc::new(FixedSealer::default()), folder)
    }
}

#[async_trait]
impl SecretService for ModelSecrets {
    async fn create(&self, name: &str, _: &str, _: &str, text: &Secret<String>) -> Result<(), ServiceError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(name.to_owned()).or_insert_with(|| text.clone());
        Ok(())
    }

    async fn read(&self, name: &str) -> Result<Option<Secret<String>>, ServiceError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned())
    }

    async fn delete(&self, name: &str) -> Result<(), ServiceError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }

    async fn list(&self, prefix: &str, _: Option<&str>) -> Result<Listed, ServiceError> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let names = all.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        Ok(Listed { names, next: None })
    }
}
