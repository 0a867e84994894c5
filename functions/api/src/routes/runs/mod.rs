//! Runs.

mod cancel;
mod files;
mod get;
mod list;
mod repeat;

pub(crate) use cancel::*;
pub(crate) use files::*;
pub(crate) use get::*;
pub(crate) use list::*;
pub(crate) use repeat::*;
