//! Sealing: texts that only this deployment opens again, each for one organisation and one purpose.
//!
//! AES-256-GCM, by a key of the organisation's own that is derived from one of the keyring's (HKDF-SHA256). The first of those seals,
//! all open: a new one is put in front, and what was sealed before stays readable.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::OrgKey;
use thiserror::Error;

use crate::secret::Secret;

/// What a sealed text begins with; another way of sealing will have another.
const FORMAT: &str = "v1";

/// Why a text could not be sealed or opened. Neither text nor key is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SealError {
    #[error("no random numbers could be drawn")]
    Randomness,
    #[error("what is sealed is malformed")]
    Malformed,
    #[error("the keyring has no such key any more")]
    UnknownKey,
    /// It was changed, or is of another organisation or for another purpose.
    #[error("what is sealed does not open here")]
    Refused,
}

/// A key of the keyring.
pub(crate) struct SealKey {
    pub(crate) id: String,
    pub(crate) key: Secret<[u8; 32]>,
}

/// Seals and opens.
pub struct Sealer {
    keys: Vec<SealKey>,
}

impl Sealer {
    pub(crate) fn new(keys: Vec<SealKey>) -> Self {
        Self { keys }
    }

    /// One with a key of its own, for tests of what uses it.
    pub fn with_key(key: [u8; 32]) -> Self {
        Self::new(vec![SealKey { id: "test".to_owned(), key: Secret::new(key) }])
    }

    /// Seals a text; `purpose` says where it is kept, and nowhere else does it open.
    pub fn seal(&self, org: &OrgKey, purpose: &str, text: &str) -> Result<String, SealError> {
        let sealing = self.keys.first().ok_or(SealError::UnknownKey)?;
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| SealError::Randomness)?;
        let mut bytes = text.as_bytes().to_vec();
        key_of(sealing, org)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose.as_bytes()),
                &mut bytes,
            )
            .map_err(|_| SealError::Refused)?;
        let mut sealed = nonce.to_vec();
        sealed.extend(bytes);
        Ok(format!("{FORMAT}.{}.{}", sealing.id, URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Opens what was sealed for the same organisation and purpose.
    pub fn open(&self, org: &OrgKey, purpose: &str, sealed: &str) -> Result<Secret<String>, SealError> {
        let mut parts = sealed.splitn(3, '.');
        let (Some(FORMAT), Some(id), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SealError::Malformed);
        };
        let opening = self.keys.iter().find(|key| key.id == id).ok_or(SealError::UnknownKey)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::Malformed)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or(SealError::Malformed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Malformed)?;
        let mut bytes = Secret::new(sealed.to_vec());
        let mut open = bytes.expose().clone();
        let opened = key_of(opening, org)?
            .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut open)
            .map_err(|_| SealError::Refused)?;
        bytes = Secret::new(opened.to_vec());
        zeroize::Zeroize::zeroize(&mut open);
        String::from_utf8(bytes.expose().clone()).map(Secret::new).map_err(|_| SealError::Malformed)
    }
}

/// An organisation's own key.
fn key_of(key: &SealKey, org: &OrgKey) -> Result<LessSafeKey, SealError> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"patchbay seal");
    let base = salt.extract(key.key.expose());
    let info = [org.org().as_str().as_bytes()];
    let derived = base.expand(&info, &AES_256_GCM).map_err(|_| SealError::Refused)?;
    Ok(LessSafeKey::new(UnboundKey::from(derived)))
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|key| &key.id).collect();
        f.debug_struct("Sealer").field("keys", &ids).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{OrgId, Provenance};

    fn org(n: u8) -> OrgKey {
        OrgKey::verified(OrgId::from_bytes([n; 16]), Provenance::Token)
    }

    fn key(id: &str, n: u8) -> SealKey {
        SealKey { id: id.to_owned(), key: Secret::new([n; 32]) }
    }

    #[test]
    fn what_is_sealed_opens_for_its_organisation_and_purpose_only() {
        let sealer = Sealer::with_key([7; 32]);
        for text in ["", "canary-secret-value", "ü € 🔑", &"x".repeat(8192)] {
            let sealed = sealer.seal(&org(1), "variable/a/b", text).unwrap();
            assert!(text.is_empty() || !sealed.contains(text));
            assert_ne!(sealed, sealer.seal(&org(1), "variable/a/b", text).unwrap(), "never twice the same");
            assert_eq!(sealer.open(&org(1), "variable/a/b", &sealed).unwrap().expose(), text);
            assert_eq!(sealer.open(&org(2), "variable/a/b", &sealed).unwrap_err(), SealError::Refused);
            assert_eq!(sealer.open(&org(1), "variable/a/c", &sealed).unwrap_err(), SealError::Refused);
            let other = Sealer::with_key([8; 32]).open(&org(1), "variable/a/b", &sealed);
            assert_eq!(other.unwrap_err(), SealError::Refused);
        }
        let sealed = sealer.seal(&org(1), "p", "canary").unwrap();
        let changed =
            format!("{}{}", &sealed[..sealed.len() - 1], if sealed.ends_with('A') { 'B' } else { 'A' });
        for bad in [
            "",
            "v1",
            "v1.test",
            "v1.test.",
            "v1.test.AAAA",
            "v1.test.%%",
            &changed,
            &sealed.replace("v1", "v2"),
        ] {
            assert!(sealer.open(&org(1), "p", bad).is_err(), "{bad}");
        }
        assert!(!format!("{sealer:?}").contains('7'));
    }

    #[test]
    fn a_new_key_seals_and_the_one_before_opens_still() {
        let before = Sealer::new(vec![key("a", 1)]);
        let sealed = before.seal(&org(1), "p", "old").unwrap();
        let after = Sealer::new(vec![key("b", 2), key("a", 1)]);
        assert_eq!(after.open(&org(1), "p", &sealed).unwrap().expose(), "old");
        let sealed = after.seal(&org(1), "p", "new").unwrap();
        assert!(sealed.starts_with("v1.b."));
        assert_eq!(before.open(&org(1), "p", &sealed).unwrap_err(), SealError::UnknownKey);
    }
}
