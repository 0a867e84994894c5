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
/// How long a key seals, in seconds: a year.
const SEALS_FOR: i64 = 365 * 24 * 3600;
/// How long a key is known before it is used: far longer than any function caches the keyring.
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
            self.fields.insert("seal".to_owned(), json!([new_seal_key(now)?]));
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

    /// The next step of the rotation of keys, if one is due at `now`: a new key is added when the one in use is old; it is used when
    /// everybody has read it. An old one that signed goes when its last token has long ended; one that sealed stays, since what it sealed
    /// is still there. Each step is a version of the secret.
    pub(crate) fn rotated(&self, now: i64) -> Result<Option<Self>, KeyringError> {
        let mut next = None;
        if let Some(keys) = self.step("jwt", SIGNS_FOR, now) {
            next = Some(("jwt", keys.with(new_key, Some(FORGOTTEN_AFTER), now)?));
        }
        if next.as_ref().is_none_or(|(_, keys)| keys.is_none())
            && let Some(keys) = self.step("seal", SEALS_FOR, now)
        {
            next = Some(("seal", keys.with(new_seal_key, None, now)?));
        }
        let Some((field, Some(keys))) = next else { return Ok(None) };
        let mut rotated = self.clone();
        rotated.fields.insert(field.to_owned(), keys.into());
        Ok(Some(rotated))
    }

    /// The keys of a field, if all of their ages can be told: others are left alone.
    fn step(&self, field: &str, used_for: i64, now: i64) -> Option<Keys<'_>> {
        let keys = self.fields.get(field)?.as_array()?;
        let ages: Option<Vec<i64>> = keys.iter().map(|key| Some(now - created(key)?)).collect();
        Some(Keys { all: keys, ages: ages?, used_for })
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

/// The keys of one purpose; the first is in use.
struct Keys<'d> {
    all: &'d [Value],
    /// In seconds.
    ages: Vec<i64>,
    /// For how long one is used, in seconds.
    used_for: i64,
}

impl Keys<'_> {
    /// The keys after the next step; `None` if none is due.
    fn with(
        &self,
        make: fn(i64) -> Result<Value, KeyringError>,
        forgotten_after: Option<i64>,
        now: i64,
    ) -> Result<Option<Vec<Value>>, KeyringError> {
        let (Some(used), Some(newest)) = (self.ages.first(), self.ages.iter().min()) else { return Ok(None) };
        let mut next = self.all.to_vec();
        if newest < used {
            if *newest < READ_BY_ALL {
                return Ok(None);
            }
            let at = self.ages.iter().position(|age| age == newest).unwrap_or(0);
            let key = next.remove(at);
            next.insert(0, key);
        } else if *used >= self.used_for {
            next.push(make(now)?);
        } else if forgotten_after.is_some_and(|after| next.len() > 1 && *used >= READ_BY_ALL + after) {
            next.truncate(1);
        } else {
            return Ok(None);
        }
        Ok(Some(next))
    }
}

fn new_seal_key(now: i64) -> Result<Value, KeyringError> {
    let id = URL_SAFE_NO_PAD.encode(&random()?[..6]);
    Ok(json!({"id": id, "key": STANDARD.encode(random()?), "created": moment(now)}))
}

fn moment(now: i64) -> String {
    jiff::Timestamp::from_second(now).unwrap_or_default().to_string()
}

fn new_key(now: i64) -> Result<Value, KeyringError> {
    let pkcs8 = Secret::new(auth::token::generate_pkcs8().map_err(|_| KeyringError::Randomness)?);
    let kid = URL_SAFE_NO_PAD.encode(&random()?[..9]);
    Ok(json!({"kid": kid, "pkcs8": STANDARD.encode(pkcs8.expose()), "created": moment(now)}))
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
