//! Identifiers: from chance that the seed gives, or from what they name.

use jsonata_core::value::JValue;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::call::{Call, Outcome, text};
use super::encoding::hex;
use super::{Cost, Definition, define, eg};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

pub(super) const ALL: [Definition; 4] = [
    define(
        "deterministicId(parts: list, length?: number) -> string",
        "An id of `length` (32, at most 64) hexadecimal digits that equal parts, of whatever kind and in that order, share.",
        &[eg("$deterministicId(['order', 1042])", "{}", r#""19505209eb962cf21dd082a40f8415e9""#)],
        Cost::Short(80),
        |call| {
            let length = call.whole(1, 32, 64)?;
            let mut out = call.writer();
            for part in call.list(0) {
                call.print(part, true, &mut out)?;
                out.push("\n")?;
            }
            Ok(text(&hex(&Sha256::digest(out.text))[..length]))
        },
    ),
    define(
        "isUuid(text: string) -> boolean",
        "Whether the text is a UUID of any version.",
        &[eg("$isUuid('c74a196f-f19d-5ea9-bffd-a2742432fc9c')", "{}", "true")],
        Cost::Short(2),
        |call| Ok(JValue::Bool(uuid_bytes(call.text(0)).is_some())),
    ),
    define(
        "shortId(length: number) -> string",
        "A random id of so many letters and digits, at most 64; like `$uuid`, a step that is tried again gets the same one.",
        &[eg("$length($shortId(12))", "{}", "12")],
        Cost::Short(1),
        |call| {
            let digit = |_| char::from(ALPHABET[call.stream.below(ALPHABET.len())]);
            Ok(text(&(0..call.whole(0, 0, 64)?).map(digit).collect::<String>()))
        },
    ),
    define(
        "uuidV5(name: string, namespace: string) -> string",
        "The UUID of version 5 of a name in a namespace: `dns`, `url`, `oid`, `x500` or a UUID.",
        &[eg("$uuidV5('www.example.com', 'dns')", "{}", r#""2ed6657d-e927-568b-95e1-2665a8aea6a2""#)],
        Cost::Short(16),
        uuid_v5,
    ),
];

fn uuid_bytes(written: &str) -> Option<[u8; 16]> {
    let places = [8, 13, 18, 23];
    let dashes = written.len() == 36 && places.iter().all(|at| written.as_bytes()[*at] == b'-');
    let digits = written.replace('-', "");
    if !dashes || digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
}

fn uuid_v5(call: &Call) -> Outcome {
    let namespace = match call.text(1) {
        "dns" => "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "url" => "6ba7b811-9dad-11d1-80b4-00c04fd430c8",
        "oid" => "6ba7b812-9dad-11d1-80b4-00c04fd430c8",
        "x500" => "6ba7b814-9dad-11d1-80b4-00c04fd430c8",
        other => other,
    };
    let Some(namespace) = uuid_bytes(namespace) else {
        return call.wrong(1, "dns, url, oid, x500 or a UUID");
    };
    let digest = Sha1::new().chain_update(namespace).chain_update(call.text(0)).finalize();
    let mut bytes: Vec<u8> = digest[..16].to_vec();
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let all = hex(&bytes);
    Ok(text(&[&all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..]].join("-")))
}
