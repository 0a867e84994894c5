//! Documents of vendors as a whole, documents that are broken, and small ones that show a rule each.

mod broken;
mod rules;
mod vendors;

use importer::{Imported, Options, import};
use serde_json::Value;
use std::io::Read;
use std::path::Path;

pub(crate) fn options() -> Options<'static> {
    Options { name: "acme", ..Options::default() }
}

pub(crate) fn imported(document: &Value) -> Imported {
    import(&document.to_string(), &options()).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// A document of `tests/importing`, which asks a server about the requests that come of it.
pub(crate) fn vendors(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/importing/documents").join(file);
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}
