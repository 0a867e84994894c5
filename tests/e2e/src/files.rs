//! What a stack leaves behind.

use std::path::{Path, PathBuf};

/// The files in a folder, however deep, that have this text in them.
pub fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let wanted = text.as_bytes();
    let mut found = all(folder);
    assert!(!found.is_empty(), "{} is empty", folder.display());
    found.retain(|file| {
        let bytes = std::fs::read(file).unwrap_or_default();
        bytes.windows(wanted.len()).any(|window| window == wanted)
    });
    found
}

/// The emulated Secrets Manager.
pub(crate) const SECRETS: &str = "secrets.json";

/// The same without the emulated Secrets Manager: that is where credentials are, by default.
pub fn files_besides_secrets_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = files_with(folder, text);
    found.retain(|file| !file.ends_with(SECRETS));
    found
}

fn all(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.flat_map(|e| if e.path().is_dir() { all(&e.path()) } else { vec![e.path()] }).collect()
}
