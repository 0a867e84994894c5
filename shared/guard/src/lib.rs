//! The crate's parts; its README is the page to read first.
#![doc = include_str!("../README.md")]

mod child;
mod config;
mod lanes;
mod pool;
mod protocol;
mod worker;

pub use child::child_entry;
pub use config::GuardConfig;
pub use pool::{Guard, Item};
