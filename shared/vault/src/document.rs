//! The keyring's JSON: reading it, and adding what is missing.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::KeyringError;
use crate::seal::{SealKey, Sealer};
use crate::secret::Secret;

const VERSION: u64 = 1;

const PROVIDER: &str = "identity_provider";

/// How long a key signs, in seconds: 90 days.
const SIGNS_FOR: i64 = 90 * 24 * 3600;
/// How long a key is known before it signs: far longer than any function caches the keyring.
const READ_BY_ALL: i64 = 3600;
/// How long the one before is known after that: far longer than a token lives.
const FORGOTTEN_AFTER: i64 = 24 * 3600;

/// The secret's content, fields of later programs included.
#[derive(Clone)]
pub(crate) struct Document {
    fields: Map<String, Value>,
}

/// What the keyring needs of it.
#[derive(Deserialize)]
pub(crate) struct Whole {
    pub(crate) setup_token: Secret<String>,
    pub(crate) jwt: Vec<JwtKey>,
    pub(crate) cursor_key: Secret<String>,
}

#[derive(Deserialize)]
pub(crate) struct JwtKey {
    pub(crate) kid: String,
    pub(crate) pkcs8: Secret<String>,
}

impl Document {
    pub(crate) fn parse(id: &str, text: &str) -> Result<Self, KeyringError> {
        let malformed =
            |reason: &str| KeyringError::Malformed { id: id.to_owned(), reason: reason.to_owned() };
        // The reader's own message could quote the secret.
        let fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| malformed("it is not a JSON object"))?;
        match fields.get("version").map(Value::as_u64) {
            None | Some(Some(VERSION)) => {}
            Some(Some(version)) => {
                return Err(KeyringError::Version { id: id.to_owned(), version });
            }
            Some(None) => return Err(malformed("`version` is not a number")),
        }
        if !matches!(fields.get("setup_token"), Some(Value::String(token)) if !token.is_empty()) {
            return Err(malformed("`setup_token` is missing or empty"));
        }
        Ok(Self { fields })
    }

    /// A complete keyring with new keys, and a new setup token if none is given.
    pub(crate) fn generate(setup_token: Option<&str>, now: i64) -> Result<Self, KeyringError> {
        let setup_token = match setup_token {
            Some(token) => token.to_owned(),
            None => URL_SAFE_NO_PAD.encode(random()?),
        };
        let fields = Map::from_iter([("setup_token".to_owned(), Value::String(setup_token))]);
        Self { fields }.completed(now)
    }

    pub(crate) fn is_complete(&self) -> bool {
        ["version", "jwt", "cursor_key", "seal"].iter().all(|field| self.fields.contains_key(*field))
    }

    /// The same with new keys where they are missing.
    pub(crate) fn completed(mut self, now: i64) -> Result<Self, KeyringError> {
        self.fields.entry("version").or_insert(VERSION.into());
        if !self.fields.contains_key("jwt") {
            self.fields.insert("jwt".to_owned(), json!([new_key(now)?]));
        }
        if !self.fields.contains_key("cursor_key") {
            self.fields.insert("cursor_key".to_owned(), STANDARD.encode(random()?).into());
        }
        if !self.fields.contains_key("seal") {
            let id = URL_SAFE_NO_PAD.encode(&random()?[..6]);
            self.fields.insert("seal".to_owned(), json!([{"id": id, "key": STANDARD.encode(random()?)}]));
        }
        Ok(self)
    }

    /// What seals and opens secrets.
    pub(crate) fn sealer(&self, id: &str) -> Result<Sealer, KeyringError> {
        let malformed = || KeyringError::Malformed {
            id: id.to_owned(),
            reason: "`seal` is not a list of keys with `id` and `key`, base64 of 32 bytes".to_owned(),
        };
        let stored = self.fields.get("seal").and_then(Value::as_array).ok_or_else(malformed)?;
        let read = |key: &Value| {
            let bytes = STANDARD.decode(key.get("key")?.as_str()?).ok().map(Secret::new)?;
            let key_id = key.get("id")?.as_str()?.to_owned();
            Some(SealKey { id: key_id, key: Secret::new(bytes.expose().as_slice().try_into().ok()?) })
        };
        let keys: Option<Vec<SealKey>> = stored.iter().map(read).collect();
        keys.filter(|keys| !keys.is_empty()).map(Sealer::new).ok_or_else(malformed)
    }

    /// The next step of the rotation of signing keys, if one is due at `now`: a new key is added when the one that signs is old; it
    /// signs when everybody has read it; the old one goes when its last token has long ended. Each step is a version of the secret.
    /// Keys whose age cannot be told are left alone.
    pub(crate) fn rotated(&self, now: i64) -> Result<Option<Self>, KeyringError> {
        let Some(keys) = self.fields.get("jwt").and_then(Value::as_array) else { return Ok(None) };
        let ages: Option<Vec<i64>> = keys.iter().map(|key| Some(now - created(key)?)).collect();
        let Some(ages) = ages else { return Ok(None) };
        let (Some(signing), Some(newest)) = (ages.first(), ages.iter().min()) else { return Ok(None) };
        let mut next = keys.clone();
        if newest < signing {
            if *newest < READ_BY_ALL {
                return Ok(None);
            }
            let at = ages.iter().position(|age| age == newest).unwrap_or(0);
            let key = next.remove(at);
            next.insert(0, key);
        } else if *signing >= SIGNS_FOR {
            next.push(new_key(now)?);
        } else if keys.len() > 1 && *signing >= READ_BY_ALL + FORGOTTEN_AFTER {
            next.truncate(1);
        } else {
            return Ok(None);
        }
        let mut rotated = self.clone();
        rotated.fields.insert("jwt".to_owned(), next.into());
        Ok(Some(rotated))
    }

    pub(crate) fn with_setup_token(mut self, setup_token: &str) -> Self {
        self.fields.insert("setup_token".to_owned(), setup_token.into());
        self
    }

    /// What the deployer said about the OpenID provider by which people sign in, as JSON.
    pub(crate) fn identity_provider(&self) -> Option<Secret<String>> {
        self.fields.get(PROVIDER).map(|provider| Secret::new(provider.to_string()))
    }

    /// The same with another provider, or none.
    pub(crate) fn with_identity_provider(mut self, provider: Option<Value>) -> Self {
        match provider {
            Some(provider) => self.fields.insert(PROVIDER.to_owned(), provider),
            None => self.fields.remove(PROVIDER),
        };
        self
    }

    pub(crate) fn whole(&self, id: &str) -> Result<Whole, KeyringError> {
        Whole::deserialize(&self.fields).map_err(|_| KeyringError::Malformed {
            id: id.to_owned(),
            reason: "a field has the wrong type, or a key lacks `kid` or `pkcs8`".to_owned(),
        })
    }

    /// What is stored.
    pub(crate) fn to_json(&self) -> Secret<String> {
        Secret::new(Value::Object(self.fields.clone()).to_string())
    }
}

fn new_key(now: i64) -> Result<Value, KeyringError> {
    let pkcs8 = Secret::new(auth::token::generate_pkcs8().map_err(|_| KeyringError::Randomness)?);
    let kid = URL_SAFE_NO_PAD.encode(&random()?[..9]);
    let created = jiff::Timestamp::from_second(now).unwrap_or_default().to_string();
    Ok(json!({"kid": kid, "pkcs8": STANDARD.encode(pkcs8.expose()), "created": created}))
}

fn created(key: &Value) -> Option<i64> {
    let created: jiff::Timestamp = key.get("created")?.as_str()?.parse().ok()?;
    Some(created.as_second())
}

fn random() -> Result<[u8; 32], KeyringError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| KeyringError::Randomness)?;
    Ok(bytes)
}
