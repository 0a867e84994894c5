//! The guarantees under faults.

/// Says it past the harness, which keeps what passing tests print to itself.
macro_rules! say {
    ($($what:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), $($what)*);
    }};
}

mod bugs;
mod conformance;
mod definitions;
mod fairness;
mod limits;
mod seeds;
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
