//! What is kept: bytes in memory, or a file on disk.

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A file is read in pieces of this size.
const PIECE: usize = 256 * 1024;

#[derive(Debug, Clone)]
pub enum Content {
    Bytes(Bytes),
    /// The first so many bytes of a file.
    File(Arc<File>, u64),
}

impl Content {
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, bytes) => *bytes,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The SHA-256 of the content, in hexadecimal digits.
    pub fn digest(&self) -> io::Result<String> {
        let mut hash = Sha256::new();
        match self {
            Self::Bytes(bytes) => hash.update(bytes),
            Self::File(file, bytes) => {
                let mut at = 0;
                while let Some(piece) = piece(file, at, *bytes)? {
                    hash.update(&piece);
                    at += piece.len() as u64;
                }
            }
        }
        let mut digits = String::with_capacity(64);
        for byte in hash.finalize() {
            digits.extend(
                [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
            );
        }
        Ok(digits)
    }

    /// A body to send; a file is read while it is sent.
    pub(crate) fn body(&self) -> SdkBody {
        match self {
            Self::Bytes(bytes) => SdkBody::from(bytes.clone()),
            Self::File(file, bytes) => {
                let (file, bytes) = (file.clone(), *bytes);
                let pieces = stream::try_unfold(0, move |at| {
                    let file = file.clone();
                    async move {
                        let next = piece(&file, at, bytes)?;
                        Ok::<_, io::Error>(next.map(|piece| {
                            let to = at + piece.len() as u64;
                            (Frame::data(piece), to)
                        }))
                    }
                });
                SdkBody::from_body_1_x(StreamBody::new(pieces))
            }
        }
    }
}

/// The bytes from `at` on, of a file of so many; `None` at its end.
fn piece(file: &File, at: u64, bytes: u64) -> io::Result<Option<Bytes>> {
    let left = usize::try_from(bytes.saturating_sub(at)).unwrap_or(usize::MAX).min(PIECE);
    if left == 0 {
        return Ok(None);
    }
    let mut piece = vec![0; left];
    file.read_exact_at(&mut piece, at)?;
    Ok(Some(piece.into()))
}
