//! Believing identity tokens.

use crate::OidcError;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

/// Who the provider says it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    pub issuer: String,
    /// The provider's own name for the person, which never becomes another's.
    pub subject: String,
    pub email: Option<String>,
    /// Whether the provider says that the address is the person's.
    pub email_verified: bool,
    pub claims: Map<String, Value>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What a token must be for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) nonce: &'a str,
}

/// Those of real providers have one or two kilobytes, with many groups some more.
const MAX_TOKEN_BYTES: usize = 64 * 1024;
/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 60;
/// An identity token is used at once: one that was made long ago was kept by somebody.
const FRESH: i64 = 600;

/// Why no key was found: the provider may have made a new one since the set was read.
#[derive(Debug)]
pub(crate) enum Unverified {
    UnknownKey,
    Other(OidcError),
}

impl From<OidcError> for Unverified {
    fn from(error: OidcError) -> Self {
        Self::Other(error)
    }
}

fn refuse<T>(reason: &'static str) -> Result<T, Unverified> {
    Err(Unverified::Other(OidcError::NotBelieved(reason)))
}

/// What `token` says, if all of it is right at `now` (seconds since 1970): OpenID Connect Core 1.0, 3.1.3.7.
pub(crate) fn verify(
    token: &str,
    keys: &JwkSet,
    expected: &Expected<'_>,
    now: i64,
) -> Result<Identity, Unverified> {
    if token.len() > MAX_TOKEN_BYTES {
        return refuse("it is too long");
    }
    let Ok(header) = decode_header(token) else { return refuse("its header is malformed") };
    // With a shared secret, whoever may check it may make it; `none` does not even parse.
    if header.alg.family() == AlgorithmFamily::Hmac {
        return refuse("its algorithm has no public key");
    }
    if header.crit.is_some() {
        return refuse("it names critical headers");
    }
    let Some(key) = key_of(keys, header.kid.as_deref(), header.alg) else {
        return Err(Unverified::UnknownKey);
    };
    let Ok(key) = DecodingKey::from_jwk(key) else { return refuse("its key cannot be used") };
    // Signature only: the library would read the clock for the rest.
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let Ok(data) = decode::<Map<String, Value>>(token, &key, &validation) else {
        return refuse("its signature is wrong");
    };
    let claims = data.claims;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return refuse("it is of another issuer");
    }
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !audiences.contains(&expected.client_id) {
        return refuse("it is for another client");
    }
    let party = text("azp");
    if (audiences.len() > 1 || party.is_some()) && party != Some(expected.client_id) {
        return refuse("it was made for another party");
    }
    let second = |name: &str| claims.get(name).and_then(Value::as_f64).map(|n| n as i64);
    let (Some(expires), Some(issued)) = (second("exp"), second("iat")) else {
        return refuse("it does not say when it ends or was made");
    };
    if expires.saturating_add(LEEWAY) <= now {
        return refuse("it has expired");
    }
    if issued > now.saturating_add(LEEWAY) || second("nbf").is_some_and(|n| n > now.saturating_add(LEEWAY)) {
        return refuse("it is from the future");
    }
    if issued.saturating_add(FRESH) <= now {
        return refuse("it was made too long ago");
    }
    if text("nonce") != Some(expected.nonce) {
        return refuse("it belongs to another sign-in");
    }
    let Some(subject) = text("sub").filter(|sub| !sub.is_empty() && sub.len() <= 255) else {
        return refuse("it does not say of whom it is");
    };
    Ok(Identity {
        issuer: expected.issuer.to_owned(),
        subject: subject.to_owned(),
        email: text("email").map(str::to_owned),
        email_verified: is_true(claims.get("email_verified")),
        claims,
    })
}

/// Some providers write it as a text.
pub(crate) fn is_true(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Bool(true))) || value.and_then(Value::as_str) == Some("true")
}

/// The key that a token names; of one that names none, the only one that could be it.
fn key_of<'a>(keys: &'a JwkSet, kid: Option<&str>, algorithm: Algorithm) -> Option<&'a Jwk> {
    let fits = |key: &&Jwk| {
        let signs = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
        let named = kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid));
        let family = DecodingKey::from_jwk(key).is_ok_and(|key| key.family() == algorithm.family());
        // A key that says its algorithm is for that one only.
        let same = key.common.key_algorithm.is_none_or(|own| own.to_string().parse() == Ok(algorithm));
        signs && named && family && same
    };
    let mut found = keys.keys.iter().filter(fits);
    let first = found.next()?;
    if kid.is_none() && found.next().is_some() { None } else { Some(first) }
}
