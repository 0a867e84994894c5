//! Messages on disk: a file each, so that a queue outlives its process.
//!
//! Written before a message counts as sent, removed when it is deleted. The file system's cache survives `kill -9`, which is what is
//! asked of a local stack; a power cut is not.

use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder of messages.
#[derive(Debug)]
pub(crate) struct Kept {
    folder: PathBuf,
}

/// What of a message must survive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptMessage {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) group: Option<String>,
    pub(crate) sent: i64,
}

impl Kept {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// All messages, oldest first. A file that was being written when the process died was not promised to anybody.
    pub(crate) fn all(&self) -> io::Result<Vec<KeptMessage>> {
        let mut messages = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            match path.extension().and_then(|e| e.to_str()) {
                Some("json") => messages.push(serde_json::from_slice(&fs::read(&path)?)?),
                _ => fs::remove_file(&path)?,
            }
        }
        messages.sort_by_key(|m: &KeptMessage| m.sent);
        Ok(messages)
    }

    pub(crate) fn put(&self, message: &KeptMessage) -> io::Result<()> {
        let new = self.folder.join(format!("{}.new", message.id));
        fs::write(&new, serde_json::to_vec(message)?)?;
        fs::rename(new, self.file(&message.id))
    }

    pub(crate) fn remove(&self, id: &str) -> io::Result<()> {
        match fs::remove_file(self.file(id)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    fn file(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}
