//! Runs.

mod cancel;
mod get;
mod list;

pub(crate) use cancel::*;
pub(crate) use get::*;
pub(crate) use list::*;
