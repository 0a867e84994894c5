//! Reading a response within its limits, unpacking included.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};

use crate::client::Limits;
use crate::error::EgressError;
use crate::message::Spooled;
use crate::spool::{Full, Growing, Spool};

/// Reads the body of `response`, into a file what memory is not to hold. If `limits.unpack`, a gzip body is unpacked, and
/// `headers` then describe the plain one.
pub(crate) async fn read(
    response: &mut reqwest::Response,
    headers: &mut HeaderMap,
    host: &str,
    limits: Limits,
    spool: &Spool,
) -> Result<(Bytes, Option<Spooled>), EgressError> {
    let limit = limits.max_response_bytes;
    let too_large = || EgressError::ResponseTooLarge { host: host.to_owned(), limit };
    // Not the header: the answer to a HEAD request declares a length and has no body.
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let packed = limits.unpack && is_gzip(headers);
    let growing = Growing::new(limits.max_bytes_in_memory, limit, spool);
    let mut sink =
        if packed { Sink::Packed(Box::new(MultiGzDecoder::new(growing))) } else { Sink::Plain(growing) };
    let mut received = 0;
    loop {
        let chunk = response.chunk().await.map_err(|error| EgressError::from_reqwest(&error, host))?;
        let Some(chunk) = chunk else { break };
        // Counted as received, too: a gzip stream can go on for ever without a byte of content.
        received += chunk.len();
        if received > limit {
            return Err(too_large());
        }
        if sink.write_all(&chunk).is_err() {
            return Err(match sink.full() {
                Some(Full::Limit) => too_large(),
                Some(Full::Room(reason)) => EgressError::NoRoom { host: host.to_owned(), reason },
                None => corrupt(host),
            });
        }
    }
    let (body, file) = match sink {
        Sink::Plain(growing) => growing.finish(),
        Sink::Packed(_) if received == 0 => (Vec::new(), None),
        Sink::Packed(decoder) => {
            headers.remove(CONTENT_ENCODING);
            headers.remove(CONTENT_LENGTH);
            // Whole, and its checksum right.
            decoder.finish().map_err(|_| corrupt(host))?.finish()
        }
    };
    Ok((body.into(), file))
}

fn is_gzip(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    // More than one encoding is left to the caller.
    match (encodings.next(), encodings.next()) {
        (Some(one), None) => {
            let one = one.as_bytes().trim_ascii();
            one.eq_ignore_ascii_case(b"gzip") || one.eq_ignore_ascii_case(b"x-gzip")
        }
        _ => false,
    }
}

fn corrupt(host: &str) -> EgressError {
    EgressError::InvalidResponse { host: host.to_owned(), reason: "its gzip encoding is damaged".to_owned() }
}

enum Sink {
    Plain(Growing),
    Packed(Box<MultiGzDecoder<Growing>>),
}

impl Sink {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(growing) => growing.write_all(bytes),
            Self::Packed(decoder) => decoder.write_all(bytes),
        }
    }

    fn full(&self) -> Option<Full> {
        match self {
            Self::Plain(growing) => growing.full.clone(),
            Self::Packed(decoder) => decoder.get_ref().full.clone(),
        }
    }
}
