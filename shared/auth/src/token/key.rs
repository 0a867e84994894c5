//! Keys: Ed25519, private ones as PKCS#8, public ones as their 32 bytes.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use thiserror::Error;

/// The public half of a signing key, under the id that tokens name it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub kid: String,
    pub bytes: [u8; 32],
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    #[error("the signing key `{kid}` is not an Ed25519 key in PKCS#8")]
    Malformed { kid: String },
    #[error("no signing key could be generated")]
    Generation,
}

/// A new private key. The bytes are secret.
pub fn generate_pkcs8() -> Result<Vec<u8>, KeyError> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Generation)?;
    Ok(document.as_ref().to_vec())
}

pub(super) fn public_key(kid: &str, pkcs8: &[u8]) -> Result<PublicKey, KeyError> {
    let malformed = || KeyError::Malformed { kid: kid.to_owned() };
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| malformed())?;
    let bytes = pair.public_key().as_ref().try_into().map_err(|_| malformed())?;
    Ok(PublicKey { kid: kid.to_owned(), bytes })
}
