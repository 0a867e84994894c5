//! Making tokens.

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use uuid::Uuid;

use super::key::public_key;
use super::{Claims, KeyError, LIFETIME, PublicKey, Realm, SignError, Subject, TYPE};

/// A signed token and how long it counts.
#[derive(Clone)]
pub struct AccessToken {
    pub token: String,
    /// In seconds.
    pub expires_in: i64,
}

/// Signs tokens with one key.
#[derive(Clone)]
pub struct Signer {
    key: EncodingKey,
    public: PublicKey,
    realm: Realm,
}

impl Signer {
    pub fn from_pkcs8(kid: &str, pkcs8: &[u8], realm: Realm) -> Result<Self, KeyError> {
        Ok(Self { key: EncodingKey::from_ed_der(pkcs8), public: public_key(kid, pkcs8)?, realm })
    }

    /// What a [`Verifier`](super::Verifier) needs to believe this signer.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a token for `subject` that counts from `now` (seconds since 1970).
    pub fn sign(&self, subject: Subject, now: i64) -> Result<AccessToken, SignError> {
        let header = Header {
            typ: Some(TYPE.to_owned()),
            kid: Some(self.public.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        let claims = Claims {
            sub: subject.user,
            org: subject.org,
            role: subject.role,
            sid: subject.session,
            iat: now,
            exp: now + LIFETIME,
            iss: self.realm.issuer.clone(),
            aud: self.realm.audience.clone(),
            jti: Uuid::new_v4().simple().to_string(),
        };
        Ok(AccessToken { token: encode(&header, &claims, &self.key)?, expires_in: LIFETIME })
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("kid", &self.public.kid)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}
