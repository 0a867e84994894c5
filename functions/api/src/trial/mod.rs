//! Runs that take place nowhere: the tests of a workflow, and tries of a single step. Nothing is sent, nothing is stored, and no
//! time passes but on the run's own clock.

mod drive;
mod judge;
mod single;

pub(crate) use drive::{Came, Stopped, Trial};
pub(crate) use judge::{Failure, failures, given};
pub(crate) use single::{Pinned, tried};
