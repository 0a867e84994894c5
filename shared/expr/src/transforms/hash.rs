//! Digests. `encoding` is `hex` (if left out), `base64` or `base64url`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::call::{Call, Outcome, text};
use super::encoding::hex;
use super::{Cost, Definition, define, eg};

pub(super) const ALL: [Definition; 5] = [
    define(
        "crc32(text: string) -> string",
        "The CRC-32 (IEEE) of the text as 8 hexadecimal digits.",
        &[eg("$crc32('123456789')", "{}", r#""cbf43926""#)],
        Cost::Short(16),
        |call| Ok(text(&hex(&crc32(call.text(0).as_bytes()).to_be_bytes()))),
    ),
    define(
        "hmacSha256(text: string, key: string, encoding?: string) -> string",
        "The HMAC-SHA-256 of the text.",
        &[
            eg(
                "$hmacSha256('what do ya want for nothing?', 'Jefe')",
                "{}",
                r#""5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843""#,
            ),
            eg("$hmacSha256('', '', 'base64')", "{}", r#""thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0=""#),
        ],
        Cost::Short(24),
        |call| encoded(call, 2, &hmac(call.text(1).as_bytes(), call.text(0).as_bytes())),
    ),
    define(
        "md5(text: string, encoding?: string) -> string",
        "The MD5 of the text: for checksums only, since it protects nothing.",
        &[eg("$md5('hello')", "{}", r#""5d41402abc4b2a76b9719d911017c592""#)],
        Cost::Short(16),
        |call| encoded(call, 1, &Md5::digest(call.text(0))),
    ),
    define(
        "sha1(text: string, encoding?: string) -> string",
        "The SHA-1 of the text: for checksums only, since it protects nothing.",
        &[eg("$sha1('hello')", "{}", r#""aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d""#)],
        Cost::Short(16),
        |call| encoded(call, 1, &Sha1::digest(call.text(0))),
    ),
    define(
        "sha256(text: string, encoding?: string) -> string",
        "The SHA-256 of the text.",
        &[
            eg(
                "$sha256('hello')",
                "{}",
                r#""2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824""#,
            ),
            eg("$sha256('hello', 'base64url')", "{}", r#""LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ""#),
        ],
        Cost::Short(24),
        |call| encoded(call, 1, &Sha256::digest(call.text(0))),
    ),
];

fn encoded(call: &Call, at: usize, digest: &[u8]) -> Outcome {
    Ok(text(&match call.text_or(at, "hex") {
        "hex" => hex(digest),
        "base64" => STANDARD.encode(digest),
        "base64url" => URL_SAFE_NO_PAD.encode(digest),
        _ => return call.wrong(at, "hex, base64 or base64url"),
    }))
}

/// RFC 2104; SHA-256's blocks have 64 bytes.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    let short = if key.len() > block.len() { Sha256::digest(key).to_vec() } else { key.to_vec() };
    block.iter_mut().zip(&short).for_each(|(byte, key)| *byte = *key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}
