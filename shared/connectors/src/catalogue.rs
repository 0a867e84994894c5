//! The connectors that come with the program. Each is read when it is first asked for.

use crate::{Manifest, read};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

struct Entry {
    name: &'static str,
    version: u32,
    /// Where its manifest stands in [`MANIFESTS`].
    json: Range<usize>,
}

/// The manifests, one behind the other.
static MANIFESTS: &str = include_str!(concat!(env!("OUT_DIR"), "/catalogue.json"));

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// What was read, beside [`ENTRIES`].
static HELD: [OnceLock<Option<Arc<Manifest>>>; ENTRIES.len()] = [const { OnceLock::new() }; ENTRIES.len()];

/// A connector by its name; without a version the newest. `None` where there is none.
pub fn built_in(name: &str, version: Option<u32>) -> Option<Arc<Manifest>> {
    // Sorted by name, then version.
    let end =
        ENTRIES.partition_point(|entry| (entry.name, entry.version) <= (name, version.unwrap_or(u32::MAX)));
    let at = end.checked_sub(1)?;
    let entry = &ENTRIES[at];
    if entry.name != name || version.is_some_and(|version| version != entry.version) {
        return None;
    }
    HELD[at].get_or_init(|| parsed(entry)).clone()
}

/// The names of all, sorted, with the newest version of each.
pub fn names() -> Vec<(&'static str, u32)> {
    let mut names: Vec<(&str, u32)> = Vec::new();
    for entry in &ENTRIES {
        match names.last_mut() {
            Some(last) if last.0 == entry.name => last.1 = entry.version,
            _ => names.push((entry.name, entry.version)),
        }
    }
    names
}

/// A test reads them all, so that none is faulty here.
fn parsed(entry: &Entry) -> Option<Arc<Manifest>> {
    let document = serde_json::from_str(&MANIFESTS[entry.json.clone()]).ok()?;
    read(&document).ok().map(Arc::new)
}
