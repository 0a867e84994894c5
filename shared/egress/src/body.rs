//! Reading a response within its limit, unpacking included.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};

use crate::error::EgressError;

/// Reads the body of `response`. If `unpack`, a gzip body is unpacked, and `headers` then describe the plain
/// one.
pub(crate) async fn read(
    response: &mut reqwest::Response,
    headers: &mut HeaderMap,
    host: &str,
    limit: usize,
    unpack: bool,
) -> Result<Bytes, EgressError> {
    let too_large = || EgressError::ResponseTooLarge { host: host.to_owned(), limit };
    // Not the header: the answer to a HEAD request declares a length and has no body.
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let packed = unpack && is_gzip(headers);
    let mut sink = if packed {
        Sink::Packed(Box::new(MultiGzDecoder::new(Capped::new(limit))))
    } else {
        Sink::Plain(Capped::new(limit))
    };
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
            return Err(if sink.is_full() { too_large() } else { corrupt(host) });
        }
    }
    if !packed || received == 0 {
        return Ok(sink.into_plain());
    }
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    sink.finish().ok_or_else(|| corrupt(host))
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

/// A buffer that refuses to grow beyond its limit.
struct Capped {
    bytes: Vec<u8>,
    limit: usize,
    full: bool,
}

impl Capped {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, full: false }
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            self.full = true;
            return Err(io::Error::other("the limit is reached"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Sink {
    Plain(Capped),
    Packed(Box<MultiGzDecoder<Capped>>),
}

impl Sink {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(buffer) => buffer.write_all(bytes),
            Self::Packed(decoder) => decoder.write_all(bytes),
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Plain(buffer) => buffer.full,
            Self::Packed(decoder) => decoder.get_ref().full,
        }
    }

    /// What was collected without unpacking.
    fn into_plain(self) -> Bytes {
        match self {
            Self::Plain(buffer) => buffer.bytes.into(),
            Self::Packed(_) => Bytes::new(),
        }
    }

    /// What was unpacked, if the stream is whole and its checksum right.
    fn finish(self) -> Option<Bytes> {
        match self {
            Self::Plain(buffer) => Some(buffer.bytes.into()),
            Self::Packed(decoder) => decoder.finish().ok().map(|buffer| buffer.bytes.into()),
        }
    }
}
