//! Believing tokens: one algorithm, one type, known keys, one realm, and a time that the caller gives.

use std::collections::HashMap;
use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use thiserror::Error;

use super::{Claims, LEEWAY, LIFETIME, PublicKey, Realm, TYPE};

/// Ours have about 500 bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// Why a token is not believed. Users learn only whether it expired; the reason is for the log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    #[error("the access token has expired")]
    Expired,
    #[error("the access token is not valid: {reason}")]
    Invalid { reason: &'static str },
}

/// Checks tokens against public keys by their ids.
#[derive(Clone)]
pub struct Verifier {
    keys: HashMap<String, DecodingKey>,
    realm: Realm,
    validation: Validation,
}

impl Verifier {
    pub fn new(keys: impl IntoIterator<Item = PublicKey>, realm: Realm) -> Self {
        // Signature and algorithm only: the library would read the clock for the rest, and accept an absent
        // issuer or audience.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let keys = keys.into_iter().map(|key| (key.kid, DecodingKey::from_ed_der(&key.bytes))).collect();
        Self { keys, realm, validation }
    }

    /// What `token` says, if all of it is right at `now` (seconds since 1970).
    pub fn verify(&self, token: &str, now: i64) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return invalid("it is too long");
        }
        let Ok(header) = decode_header(token) else {
            return invalid("its header is malformed");
        };
        if header.alg != Algorithm::EdDSA {
            return invalid("its algorithm is not EdDSA");
        }
        if !header.typ.is_some_and(|typ| typ.eq_ignore_ascii_case(TYPE)) {
            return invalid("it is not an access token");
        }
        if header.crit.is_some() {
            return invalid("it names critical headers");
        }
        let Some(key) = header.kid.and_then(|kid| self.keys.get(&kid)) else {
            return invalid("its key is not known");
        };
        let Ok(data) = decode::<Claims>(token, key, &self.validation) else {
            return invalid("its signature or its claims are wrong");
        };
        let claims = data.claims;
        if claims.iss != self.realm.issuer {
            return invalid("it is of another issuer");
        }
        if claims.aud != self.realm.audience {
            return invalid("it is for another audience");
        }
        if !(1..=LIFETIME).contains(&claims.exp.saturating_sub(claims.iat)) {
            return invalid("its lifetime is not one that we give");
        }
        if claims.iat > now.saturating_add(LEEWAY) {
            return invalid("it is from the future");
        }
        if claims.exp.saturating_add(LEEWAY) <= now {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

fn invalid<T>(reason: &'static str) -> Result<T, TokenError> {
    Err(TokenError::Invalid { reason })
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("kids", &self.keys.keys().collect::<Vec<_>>())
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}
