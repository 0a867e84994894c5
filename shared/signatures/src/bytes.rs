//! Bytes: how they are written, compared and made into keys.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use domain::workflow::verify::{Algorithm, Encoding, KeyForm};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Keys are written with padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) type Key = Zeroizing<Vec<u8>>;

/// The key that a secret is or is written as; none if it cannot be one.
pub(crate) fn key(secret: &str, form: KeyForm) -> Option<Key> {
    let key = match form {
        KeyForm::Text => Some(secret.as_bytes().to_vec()),
        KeyForm::Base64 => from_base64(secret),
        KeyForm::Hex => from_hex(secret),
    };
    key.filter(|key| !key.is_empty()).map(Zeroizing::new)
}

pub(crate) fn mac(algorithm: Algorithm, key: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let algorithm = match algorithm {
        Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::Sha256 => hmac::HMAC_SHA256,
        Algorithm::Sha512 => hmac::HMAC_SHA512,
    };
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    for part in parts {
        context.update(part);
    }
    context.sign()
}

pub(crate) fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

/// Whether they are the same, in a time that says nothing of where they are not.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

pub(crate) fn write(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Hex => hex(bytes),
        Encoding::Base64 => base64(bytes),
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text).ok()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(*pair.get(1)?)?).ok()).collect()
}

/// Names and values of a form or a query, as bytes: what is no UTF-8 stays what it is.
pub(crate) fn form(text: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    text.split(|b| *b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        (decoded(&pair[..at]), decoded(pair.get(at + 1..).unwrap_or_default()))
    })
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, others)) = rest.split_first() {
        let escaped =
            others.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        rest = others;
        match escaped.and_then(from_hex) {
            Some(byte) => {
                out.extend(byte);
                rest = &others[2..];
            }
            None if *first == b'+' => out.push(b' '),
            None => out.push(*first),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_their_form_says() {
        assert_eq!(*key("0aFF", KeyForm::Hex).unwrap(), [0x0a, 0xff]);
        assert_eq!(*key("AQI=", KeyForm::Base64).unwrap(), [1, 2]);
        assert_eq!(*key("AQI", KeyForm::Base64).unwrap(), [1, 2]);
        assert_eq!(*key("AQI", KeyForm::Text).unwrap(), *b"AQI");
        for (bad, form) in [
            ("", KeyForm::Text),
            ("", KeyForm::Hex),
            ("", KeyForm::Base64),
            ("0", KeyForm::Hex),
            ("0g", KeyForm::Hex),
            ("ü1", KeyForm::Hex),
            ("A-_=", KeyForm::Base64),
        ] {
            assert!(key(bad, form).is_none(), "{bad}");
        }
        assert_eq!(hex(&[0, 0x9a, 0xff]), "009aff");
    }

    #[test]
    fn forms_are_read_as_bytes() {
        let read = |text: &str| form(text.as_bytes()).collect::<Vec<_>>();
        let pair = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
        assert_eq!(
            read("a=1&b=x+y%26&&c&=d&e=%ff%&f=a=b%2"),
            [
                pair(b"a", b"1"),
                pair(b"b", b"x y&"),
                pair(b"c", b""),
                pair(b"", b"d"),
                pair(b"e", b"\xff%"),
                pair(b"f", b"a=b%2")
            ]
        );
    }
}
