//! Where a body goes that grows: into memory first, then into a file, and never beyond its limit.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::message::Spooled;

/// The room for files that all requests of a client share.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    taken: Arc<AtomicU64>,
    most: u64,
}

/// A part of that room; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    spool: Spool,
    bytes: u64,
}

impl Spool {
    pub(crate) fn new(most: u64) -> Self {
        Self { taken: Arc::default(), most }
    }
}

impl Room {
    fn grow(&mut self, by: u64) -> bool {
        let grown = self.spool.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
            taken.checked_add(by).filter(|taken| *taken <= self.spool.most)
        });
        if grown.is_ok() {
            self.bytes += by;
        }
        grown.is_ok()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.spool.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Why no more could be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Full {
    /// The limit of the body is reached.
    Limit,
    /// The disk, or what we use of it, has no more room.
    Room(String),
}

/// A body as it grows.
pub(crate) struct Growing {
    memory: Vec<u8>,
    file: Option<(File, Room)>,
    written: u64,
    in_memory: usize,
    limit: usize,
    spool: Spool,
    /// Set when a write was refused.
    pub(crate) full: Option<Full>,
}

impl Growing {
    pub(crate) fn new(in_memory: usize, limit: usize, spool: &Spool) -> Self {
        Self {
            memory: Vec::new(),
            file: None,
            written: 0,
            in_memory: in_memory.min(limit),
            limit,
            spool: spool.clone(),
            full: None,
        }
    }

    /// The whole body: in memory, or in a file.
    pub(crate) fn finish(self) -> (Vec<u8>, Option<Spooled>) {
        match self.file {
            None => (self.memory, None),
            Some((file, room)) => (Vec::new(), Some(Spooled::taking(file, self.written, room))),
        }
    }

    fn refuse(&mut self, why: Full) -> io::Error {
        self.full = Some(why);
        io::Error::other("no more is taken")
    }

    fn write_to_file(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some((tempfile::tempfile()?, Room { spool: self.spool.clone(), bytes: 0 }));
            let begun = std::mem::take(&mut self.memory);
            self.write_to_file(&begun)?;
        }
        if let Some((file, room)) = &mut self.file {
            if !room.grow(bytes.len() as u64) {
                return Err(io::Error::other("other responses take all of it"));
            }
            file.write_all(bytes)?;
        }
        Ok(())
    }
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written + bytes.len() as u64 > self.limit as u64 {
            return Err(self.refuse(Full::Limit));
        }
        if self.file.is_none() && self.memory.len() + bytes.len() <= self.in_memory {
            self.memory.extend_from_slice(bytes);
        } else if let Err(error) = self.write_to_file(bytes) {
            return Err(self.refuse(Full::Room(error.to_string())));
        }
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_is_large_goes_to_a_file_and_gives_its_room_back() {
        let spool = Spool::new(100);
        let mut body = Growing::new(10, 60, &spool);
        body.write_all(b"0123456789").unwrap();
        assert_eq!(spool.taken.load(Ordering::Relaxed), 0);
        body.write_all(&[b'x'; 40]).unwrap();
        assert_eq!(spool.taken.load(Ordering::Relaxed), 50);
        let (memory, file) = body.finish();
        let file = file.unwrap();
        let mut read = vec![0; 50];
        file.file.read_exact_at(&mut read, 0).unwrap();
        assert!(memory.is_empty() && read.starts_with(b"0123456789xxx") && file.bytes == 50);

        let mut second = Growing::new(0, 60, &spool);
        assert!(second.write_all(&[b'y'; 60]).is_err());
        assert!(matches!(second.full, Some(Full::Room(_))));
        drop((file, second));
        assert_eq!(spool.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_limit_is_that_of_the_whole() {
        let spool = Spool::new(100);
        let mut body = Growing::new(10, 20, &spool);
        body.write_all(&[0; 20]).unwrap();
        assert!(body.write_all(&[0; 1]).is_err());
        assert_eq!(body.full, Some(Full::Limit));
    }
}
