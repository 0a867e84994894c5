#![doc = include_str!("../README.md")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test drives the program from outside: it reads its own environment and has its own HTTP client"
)]
#![expect(clippy::needless_pass_by_value, reason = "definitions are written in place, as `json!(…)`")]

mod answer;
mod app;
mod browser;
mod files;
mod process;
pub mod smoke;
mod steps;
mod target;

pub use answer::{Answer, has_page};
pub use app::{
    EMAIL, Options, PASSWORD, SETUP_TOKEN, TestApp, Workflow, assert_failed, secret_of, step, text,
};
pub use browser::{Browser, Page};
pub use files::{files_besides_secrets_with, files_with};
pub use process::Process;
pub use steps::{http_get, http_post, manual, webhook};
pub use target::{Reply, Seen, Target};

use std::path::PathBuf;
use std::time::Duration;

/// How long anything may take that a test waits for. Far more than it should: a machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The repository.
pub fn root() -> PathBuf {
    // Asked at run time: clones that share a target directory share compiled crates, and with them a path fixed in one.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(own).join("../..")
}

/// A text file of the repository.
pub fn file(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("`{}` cannot be read: {e}", path.display()))
}
