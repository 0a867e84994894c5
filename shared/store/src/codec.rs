//! JSON in as few bytes as is cheap: DynamoDB bills writes by the kilobyte.
//!
//! The first byte is the encoding: 0 plain JSON, 1 raw deflate. Both are read for ever.

use crate::StoreError;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{Read, Write};

const PLAIN: u8 = 0;
const DEFLATE: u8 = 1;
/// Below this, deflate gains less than it costs.
const WORTH_IT: usize = 300;
/// No item holds more than 400 KB; what unpacks to more than this was not written by us.
const LARGEST: u64 = 16 * 1024 * 1024;

pub(crate) fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut plain = vec![PLAIN];
    serde_json::to_writer(&mut plain, value).map_err(|_| StoreError::Corrupt("value"))?;
    if plain.len() < WORTH_IT {
        return Ok(plain);
    }
    let mut encoder = DeflateEncoder::new(vec![DEFLATE], Compression::new(4));
    encoder.write_all(&plain[1..]).map_err(|_| StoreError::Corrupt("value"))?;
    let packed = encoder.finish().map_err(|_| StoreError::Corrupt("value"))?;
    Ok(if packed.len() < plain.len() { packed } else { plain })
}

pub(crate) fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    let corrupt = |_| StoreError::Corrupt("packed");
    match bytes.split_first() {
        Some((&PLAIN, json)) => serde_json::from_slice(json).map_err(corrupt),
        Some((&DEFLATE, packed)) => {
            let mut json = Vec::with_capacity(packed.len() * 3);
            DeflateDecoder::new(packed)
                .take(LARGEST)
                .read_to_end(&mut json)
                .map_err(|_| StoreError::Corrupt("packed"))?;
            serde_json::from_slice(&json).map_err(corrupt)
        }
        _ => Err(StoreError::Corrupt("packed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn packs_and_unpacks_small_and_large() {
        for value in [
            json!(null),
            json!({"a": [1, 2.5, "ü"]}),
            json!("x".repeat(5000)),
            json!(vec![json!({"id": 7}); 400]),
        ] {
            let packed = pack(&value).unwrap();
            assert_eq!(unpack::<Value>(&packed).unwrap(), value);
        }
        let long = pack(&json!("ab".repeat(5000))).unwrap();
        assert!(long.len() < 200, "{}", long.len());
    }

    #[test]
    fn refuses_what_it_did_not_write() {
        for bytes in [&[][..], &[7, 1, 2], &[0, b'{'], &[1, 255, 255]] {
            assert!(unpack::<Value>(bytes).is_err());
        }
    }
}
