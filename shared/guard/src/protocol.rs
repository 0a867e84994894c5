//! What parent and child say to each other: frames of JSON behind their length.

use std::io::{self, Read, Write};

use expr::{EvalFailure, Limits, Seed, codes};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The argument that makes an executable the guarded child.
pub(crate) const MARKER: &str = "--expression-guard";
/// The child's first bytes: a program that does not call `child_entry` is noticed at once.
pub(crate) const HELLO: &[u8; 8] = b"pbguard1";
/// The child's word that it has read a request: what kills it from here on was the request.
pub(crate) const TAKEN: u8 = b'+';
/// No frame is longer.
pub(crate) const MAX_FRAME: usize = 32 * 1024 * 1024;

/// The parent's question.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) items: Vec<RequestItem>,
    pub(crate) scope: Value,
    pub(crate) limits: WireLimits,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RequestItem {
    pub(crate) source: String,
    pub(crate) seed: Seed,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct WireLimits {
    pub(crate) max_output_bytes: usize,
    pub(crate) max_output_depth: usize,
    pub(crate) max_depth: usize,
    pub(crate) max_sequence: usize,
    pub(crate) deadline_ms: u64,
}

/// The child's answer: a value for each item, or the first failure.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Response {
    /// Undefined is an absent value, as an empty list: JSON's null is a value.
    pub(crate) values: Vec<Vec<Value>>,
    pub(crate) failure: Option<WireFailure>,
    /// The child ends itself after this answer.
    pub(crate) last: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WireFailure {
    pub(crate) item: usize,
    pub(crate) code: String,
    pub(crate) message: String,
}

impl From<&Limits> for WireLimits {
    fn from(limits: &Limits) -> Self {
        WireLimits {
            max_output_bytes: limits.max_output_bytes,
            max_output_depth: limits.max_output_depth,
            max_depth: limits.max_depth,
            max_sequence: limits.max_sequence,
            deadline_ms: limits.deadline_ms,
        }
    }
}

impl From<WireLimits> for Limits {
    fn from(limits: WireLimits) -> Self {
        Limits {
            max_output_bytes: limits.max_output_bytes,
            max_output_depth: limits.max_output_depth,
            max_depth: limits.max_depth,
            max_sequence: limits.max_sequence,
            deadline_ms: limits.deadline_ms,
            ..Limits::default()
        }
    }
}

impl WireFailure {
    /// The failure as the caller knows it; a code that is not ours is a mere failure.
    pub(crate) fn into_failure(self, source: &str) -> EvalFailure {
        const KNOWN: [&str; 9] = [
            codes::SYNTAX,
            codes::EMPTY,
            codes::TOO_LONG,
            codes::TOO_DEEP,
            codes::TOO_LARGE,
            codes::TIMEOUT,
            codes::MEMORY,
            codes::GUARD_UNAVAILABLE,
            codes::FAILED,
        ];
        let code = KNOWN.into_iter().find(|known| *known == self.code).unwrap_or(codes::FAILED);
        EvalFailure::new(code, self.message, source)
    }
}

/// Writes one frame.
pub(crate) fn write_frame(to: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| io::Error::other("the frame is too long"))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(body)?;
    to.flush()
}

/// Reads one frame; `None` at the end of the stream.
pub(crate) fn read_frame(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::other("the frame is too long"));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some(body))
}
