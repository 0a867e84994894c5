//! Codes that only this deployment can make.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use crate::secret::Secret;

/// 128 bits: nobody guesses one.
const CODE_BYTES: usize = 16;

/// Makes and checks codes (HMAC-SHA256) of texts, so that what was given away is known again when it comes back.
pub struct Codes {
    key: Secret<[u8; 32]>,
}

impl Codes {
    pub fn new(key: [u8; 32]) -> Self {
        Self { key: Secret::new(key) }
    }

    /// The code of a text. One for one purpose, such as `cursor`, is none for another.
    pub fn mac(&self, purpose: &str, text: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.expose());
        let mut context = hmac::Context::with_key(&key);
        // With its length, so that no purpose and text are another purpose and text.
        context.update(&(purpose.len() as u64).to_be_bytes());
        context.update(purpose.as_bytes());
        context.update(text.as_bytes());
        URL_SAFE_NO_PAD.encode(&context.sign().as_ref()[..CODE_BYTES])
    }

    /// Whether `given` is that code; how long that takes tells nothing.
    pub fn is_mac(&self, purpose: &str, text: &str, given: &str) -> bool {
        self.mac(purpose, text).as_bytes().ct_eq(given.as_bytes()).into()
    }

    #[cfg(test)]
    pub(crate) fn key(&self) -> &Secret<[u8; 32]> {
        &self.key
    }
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codes(…)")
    }
}
