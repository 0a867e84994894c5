//! Where sealers come from: the keyring.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use runtime::{SignedHttp, SignedPost};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::cache::{CACHED_FOR, Keyrings};
use crate::document::Document;
use crate::error::KeyringError;
use crate::seal::Sealer;

/// Gives what opens secrets, at `now` in seconds since 1970.
#[async_trait]
pub trait Sealers: Send + Sync {
    async fn sealer(&self, now: i64) -> Result<Arc<Sealer>, KeyringError>;
}

#[async_trait]
impl Sealers for Keyrings {
    async fn sealer(&self, now: i64) -> Result<Arc<Sealer>, KeyringError> {
        Ok(self.get(now).await?.sealer().clone())
    }
}

/// Reads the keyring by one signed request, for functions that need nothing else of it: the SDK's client is larger than all else
/// that they would use it for. Kept for five minutes.
pub struct KeyringReader {
    http: SignedHttp,
    secret_id: String,
    held: Mutex<Option<(Arc<Sealer>, i64)>>,
}

impl KeyringReader {
    pub fn new(http: SignedHttp, secret_id: impl Into<String>) -> Self {
        Self { http, secret_id: secret_id.into(), held: Mutex::new(None) }
    }

    async fn read(&self) -> Result<Sealer, KeyringError> {
        let id = self.secret_id.clone();
        let failed = |reason: String| KeyringError::Service {
            id: id.clone(),
            operation: "GetSecretValue",
            source: reason.clone().into(),
            reason,
        };
        let post = SignedPost {
            service: "secretsmanager",
            host: "secretsmanager",
            path: "/",
            content_type: "application/x-amz-json-1.1",
            target: Some("secretsmanager.GetSecretValue"),
        };
        let asked = json!({"SecretId": self.secret_id}).to_string();
        let (status, answer) = self.http.post(post, asked).await.map_err(|e| failed(e.to_string()))?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let Some(text) = answer["SecretString"].as_str().filter(|_| status == 200) else {
            let code = answer["__type"].as_str().unwrap_or("no code");
            return Err(failed(format!("status {status}, {}", code.rsplit('#').next().unwrap_or(code))));
        };
        Document::parse(&self.secret_id, text)?.sealer(&self.secret_id)
    }
}

#[async_trait]
impl Sealers for KeyringReader {
    async fn sealer(&self, now: i64) -> Result<Arc<Sealer>, KeyringError> {
        let mut held = self.held.lock().await;
        if let Some((sealer, at)) = held.as_ref()
            && (*at..at + CACHED_FOR).contains(&now)
        {
            return Ok(sealer.clone());
        }
        let sealer = Arc::new(self.read().await?);
        *held = Some((sealer.clone(), now));
        Ok(sealer)
    }
}

impl fmt::Debug for KeyringReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyringReader").field("secret_id", &self.secret_id).finish_non_exhaustive()
    }
}
