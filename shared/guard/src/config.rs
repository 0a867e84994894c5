//! Sizes and times of the guard.

use std::path::PathBuf;
use std::time::Duration;

use expr::Limits;

/// How the guard runs its children. The defaults fit a Lambda function of 512 MB and more.
#[derive(Debug, Clone)]
pub struct GuardConfig {
    /// The program to execute: one whose `main` calls [`crate::child_entry`] first. Default: this executable.
    pub program: PathBuf,
    /// Address space that a child may use beyond what it starts with.
    pub memory_bytes: u64,
    /// A request that is not answered by then costs its child its life.
    pub wall: Duration,
    /// Children that work at the same time.
    pub max_children: usize,
    /// Children that are kept for the next request.
    pub max_idle: usize,
    /// Requests after which a child is replaced.
    pub max_uses: u32,
    /// How long a request waits for a free child.
    pub max_wait: Duration,
    /// How long a new child may take to report.
    pub max_start: Duration,
    /// Serialised size of one request.
    pub max_request_bytes: usize,
    /// Limits of what runs in place, before the guard is used at all.
    pub in_place: Limits,
    /// Limits of what runs in a child; the deadline lies before `wall`, so that a mere loop costs no child.
    pub guarded: Limits,
}

/// What a function needs besides its children, in megabytes.
const OWN_MB: usize = 96;
/// What a child at its limit needs with its image, in megabytes (132 were seen).
const CHILD_MB: usize = 144;

impl GuardConfig {
    /// As many children as fit beside a function of `memory_mb` megabytes; at least one.
    ///
    /// A bomb then ends its own child, never the sandbox around all of them.
    pub fn within(memory_mb: usize) -> Self {
        let children = (memory_mb.saturating_sub(OWN_MB) / CHILD_MB).max(1);
        Self { max_children: children, max_idle: children, ..Self::default() }
    }
}

impl Default for GuardConfig {
    fn default() -> Self {
        // This very executable, even after its file was replaced.
        let own = PathBuf::from("/proc/self/exe");
        let program = if own.exists() { own } else { std::env::current_exe().unwrap_or(own) };
        GuardConfig {
            program,
            memory_bytes: 128 * 1024 * 1024,
            wall: Duration::from_millis(800),
            max_children: 2,
            max_idle: 2,
            max_uses: 500,
            max_wait: Duration::from_secs(5),
            max_start: Duration::from_secs(2),
            max_request_bytes: 8 * 1024 * 1024,
            in_place: Limits::default(),
            guarded: Limits {
                max_depth: 6_000,
                max_sequence: 1_000_000,
                deadline_ms: 600,
                ..Limits::default()
            },
        }
    }
}
