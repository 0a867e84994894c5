//! The guarantees under faults.

mod bugs;
mod conformance;
mod storms;

use dispatch::Plans;
use simulation::Library;
use std::sync::Arc;

/// The workflows, and their compiled plans.
fn library() -> (Arc<Library>, Plans) {
    let library = Library::new();
    let plans = Plans::new(library.clone());
    (library, plans)
}
