//! Files that are written: temporary, without a name, and never larger than a file may be.

use crate::input::{disk, too_large};
use domain::limits;
use domain::run::StepError;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

/// A file as it grows.
pub(crate) struct Growing {
    file: BufWriter<File>,
    written: u64,
    most: u64,
    full: bool,
}

impl Growing {
    pub(crate) fn new() -> Result<Self, StepError> {
        Self::of_at_most(limits::MAX_FILE_BYTES as u64)
    }

    pub(crate) fn of_at_most(most: u64) -> Result<Self, StepError> {
        let file = tempfile::tempfile().map_err(|e| disk(&e))?;
        Ok(Self { file: BufWriter::new(file), written: 0, most, full: false })
    }

    /// The file, whole, and its size.
    pub(crate) fn finish(mut self) -> Result<(File, u64), StepError> {
        self.file.flush().map_err(|e| disk(&e))?;
        let mut file = self.file.into_inner().map_err(|e| disk(e.error()))?;
        let bytes = file.seek(SeekFrom::End(0)).map_err(|e| disk(&e))?;
        file.rewind().map_err(|e| disk(&e))?;
        Ok((file, bytes))
    }

    /// Takes over all that another file has.
    pub(crate) fn take(&mut self, other: &mut File) -> Result<(), StepError> {
        copy(other, self).map_err(|e| self.failed(&e))
    }

    /// Why a write failed.
    pub(crate) fn failed(&self, error: &io::Error) -> StepError {
        if !self.full {
            return disk(error);
        }
        too_large(format!("a file may have {} MB", self.most / 1_048_576))
    }
}

/// Copies to the end, in pieces.
pub(crate) fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    io::copy(from, to).map(|_| ())
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written + bytes.len() as u64 > self.most {
            self.full = true;
            return Err(io::Error::other("no more is taken"));
        }
        let taken = self.file.write(bytes)?;
        self.written += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

// A writer of archives goes back to put sizes in: what it writes there is counted again, a few bytes of each entry.
impl Seek for Growing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
