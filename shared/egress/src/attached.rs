//! Bodies of several pieces, some of them files: read while they are sent.

use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::message::Piece;

/// Files are read in steps of this size.
const STEP: u64 = 64 * 1024;

/// A body whose length is known before it is sent.
pub(crate) struct Attached {
    pieces: std::vec::IntoIter<Piece>,
    /// The file that is being sent, and how far it is.
    file: Option<(std::sync::Arc<std::fs::File>, u64, u64)>,
    left: u64,
}

impl Attached {
    pub(crate) fn new(body: Bytes, attached: &[Piece]) -> Self {
        let pieces: Vec<Piece> =
            std::iter::once(Piece::Bytes(body)).chain(attached.iter().cloned()).collect();
        let left = pieces.iter().map(Piece::len).sum();
        Self { pieces: pieces.into_iter(), file: None, left }
    }

    /// What is sent next; `None` at the end.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some((file, at, end)) = &mut self.file {
                if at < end {
                    let mut step = vec![0; usize::try_from((*end - *at).min(STEP)).unwrap_or(0)];
                    file.read_exact_at(&mut step, *at)?;
                    *at += step.len() as u64;
                    return Ok(Some(step.into()));
                }
                self.file = None;
            }
            match self.pieces.next() {
                None => return Ok(None),
                Some(Piece::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Piece::Bytes(bytes)) => return Ok(Some(bytes)),
                Some(Piece::File(file, bytes)) => self.file = Some((file, 0, bytes)),
            }
        }
    }
}

impl Body for Attached {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        Poll::Ready(match body.next() {
            Ok(Some(bytes)) => {
                body.left = body.left.saturating_sub(bytes.len() as u64);
                Some(Ok(Frame::data(bytes)))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
