//! The keyring: what it gives, and how it comes to be.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use auth::{PublicKey, Realm, Signer, Verifier};
use aws_sdk_secretsmanager::Client;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use crate::codes::Codes;
use crate::document::Document;
use crate::error::KeyringError;
use crate::seal::Sealer;
use crate::secret::Secret;
use crate::storage::{Storage, Stored, Written};

/// How often a version that another function has just written is looked for.
const ATTEMPTS: u32 = 7;

/// Doubled with each attempt: four seconds in all.
const FIRST_PAUSE: Duration = Duration::from_millis(16);

/// The deployment's own keys.
pub struct Keyring {
    setup_token: Secret<String>,
    signer: Signer,
    verifier: Arc<Verifier>,
    public: Vec<PublicKey>,
    codes: Arc<Codes>,
    identity_provider: Option<Secret<String>>,
    sealer: Arc<Sealer>,
}

impl Keyring {
    /// Reads the keyring, and completes a secret that holds a setup token only. `now` is in seconds since
    /// 1970.
    ///
    /// Functions that complete the same secret at once draw different keys; one of them must win for all, or
    /// tokens of one would be refused by the other. Secrets Manager has no conditional write, but it takes
    /// one content only for a version id, and the writer chooses the id (`ClientRequestToken`). All writers
    /// derive the new version's id from the id of the version that they read, so the first one creates it and
    /// the others are refused. Nobody uses the keys that it drew: everyone, the winner too, reads until the
    /// current version is complete. A write whose answer is lost is repeated by the SDK with the same
    /// content, which is ignored; if that fails as well, the next load finds what was written.
    pub async fn load(client: &Client, secret_id: &str, now: i64) -> Result<Self, KeyringError> {
        let storage = Storage { client, id: secret_id };
        let mut completed = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 1 {
                tokio::time::sleep(FIRST_PAUSE * 2u32.pow(attempt)).await;
            }
            let stored = storage.current().await?;
            if stored.document.is_complete() {
                rotate(&storage, &stored, now).await;
                return Self::from_document(secret_id, &stored.document);
            }
            if completed.as_ref() == Some(&stored.version_id) {
                // Secrets Manager is eventually consistent: the successor exists, but is not shown as the
                // current version yet.
                continue;
            }
            let outcome = storage.put_after(&stored.version_id, &stored.document.completed(now)?).await?;
            let won = matches!(outcome, Written::Accepted);
            tracing::info!(secret.id = secret_id, keyring.won = won, "completed the keyring");
            completed = Some(stored.version_id);
        }
        Err(KeyringError::Unsettled { id: secret_id.to_owned() })
    }

    /// Creates the keyring if the secret does not exist, and reads it. For the local stack; in the cloud the
    /// template creates it.
    ///
    /// A given setup token takes the place of the stored one, so that scripts can rely on it.
    pub async fn create_if_missing(
        client: &Client,
        secret_id: &str,
        setup_token: Option<&str>,
        now: i64,
    ) -> Result<Self, KeyringError> {
        let storage = Storage { client, id: secret_id };
        let setup_token = setup_token.filter(|token| !token.is_empty());
        if let Written::Accepted = storage.create(&Document::generate(setup_token, now)?).await? {
            return Self::load(client, secret_id, now).await;
        }
        let keyring = Self::load(client, secret_id, now).await?;
        match setup_token {
            Some(token) if !keyring.opens_setup(token) => {
                let stored = storage.current().await?;
                storage.put_after(&stored.version_id, &stored.document.with_setup_token(token)).await?;
                Self::load(client, secret_id, now).await
            }
            Some(_) | None => Ok(keyring),
        }
    }

    /// Signs access tokens, with the first of the keys.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Verifies access tokens, with any of the keys.
    pub fn verifier(&self) -> &Arc<Verifier> {
        &self.verifier
    }

    /// The public keys that access tokens are verified with, as a JWK set (RFC 7517, RFC 8037).
    pub fn jwks(&self) -> Value {
        let keys = self.public.iter().map(|key| {
            let x = URL_SAFE_NO_PAD.encode(key.bytes);
            json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.kid, "x": x})
        });
        json!({"keys": keys.collect::<Vec<_>>()})
    }

    /// Whether `given` is the setup token; how long that takes tells nothing but its length.
    pub fn opens_setup(&self, given: &str) -> bool {
        self.setup_token.expose().as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// For the setup link that the local stack prints.
    pub fn setup_token(&self) -> &Secret<String> {
        &self.setup_token
    }

    /// Makes codes that cursors and cookies are known again by.
    pub fn codes(&self) -> &Arc<Codes> {
        &self.codes
    }

    /// What seals and opens secrets.
    pub fn sealer(&self) -> &Arc<Sealer> {
        &self.sealer
    }

    /// The OpenID provider by which people sign in, as JSON that its reader knows; with its client's secret.
    pub fn identity_provider(&self) -> Option<&Secret<String>> {
        self.identity_provider.as_ref()
    }

    /// Sets that provider, or takes it away. Of several who change the keyring at the same moment, each has its turn.
    pub(crate) async fn set_identity_provider(
        client: &Client,
        secret_id: &str,
        provider: Option<&Value>,
        now: i64,
    ) -> Result<Self, KeyringError> {
        let storage = Storage { client, id: secret_id };
        Self::load(client, secret_id, now).await?;
        for attempt in 0..ATTEMPTS {
            if attempt > 1 {
                tokio::time::sleep(FIRST_PAUSE * 2u32.pow(attempt)).await;
            }
            let stored = storage.current().await?;
            let next = stored.document.with_identity_provider(provider.cloned());
            if storage.put_after(&stored.version_id, &next).await? == Written::Accepted {
                return Self::from_document(secret_id, &next);
            }
        }
        Err(KeyringError::Unsettled { id: secret_id.to_owned() })
    }

    #[cfg(test)]
    pub(crate) fn cursor_key(&self) -> &Secret<[u8; 32]> {
        self.codes.key()
    }

    fn from_document(id: &str, document: &Document) -> Result<Self, KeyringError> {
        let malformed = |reason: String| KeyringError::Malformed { id: id.to_owned(), reason };
        let whole = document.whole(id)?;
        let mut signers = Vec::with_capacity(whole.jwt.len());
        for key in &whole.jwt {
            let pkcs8 = STANDARD
                .decode(key.pkcs8.expose())
                .map(Secret::new)
                .map_err(|_| malformed(format!("the key `{}` is not base64", key.kid)))?;
            let signer = Signer::from_pkcs8(&key.kid, pkcs8.expose(), Realm::default())
                .map_err(|error| malformed(error.to_string()))?;
            signers.push(signer);
        }
        let public: Vec<PublicKey> = signers.iter().map(|signer| signer.public_key().clone()).collect();
        let verifier = Verifier::new(public.iter().cloned(), Realm::default());
        let signer = signers.into_iter().next().ok_or_else(|| malformed("`jwt` has no key".to_owned()))?;
        let cursor_key = STANDARD
            .decode(whole.cursor_key.expose())
            .ok()
            .and_then(|bytes| Secret::new(bytes).expose().as_slice().try_into().ok())
            .ok_or_else(|| malformed("`cursor_key` is not base64 of 32 bytes".to_owned()))?;
        Ok(Self {
            setup_token: whole.setup_token,
            signer,
            verifier: Arc::new(verifier),
            public,
            codes: Arc::new(Codes::new(cursor_key)),
            identity_provider: document.identity_provider(),
            sealer: Arc::new(document.sealer(id)?),
        })
    }
}

/// Takes the next step of the rotation of signing keys where one is due. What was read counts until it is read anew; a step that
/// fails is taken by the next who reads. Of several who take one at once, one does: see [`Keyring::load`].
async fn rotate(storage: &Storage<'_>, stored: &Stored, now: i64) {
    let written = match stored.document.rotated(now) {
        Ok(None) => return,
        Ok(Some(next)) => storage.put_after(&stored.version_id, &next).await,
        Err(error) => Err(error),
    };
    match written {
        Ok(written) => {
            let won = matches!(written, Written::Accepted);
            tracing::info!(secret.id = storage.id, keyring.won = won, "took a step of the rotation of keys");
        }
        Err(error) => {
            tracing::warn!(%error, secret.id = storage.id, "keys were not rotated; the next reader tries");
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("signer", &self.signer)
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}
