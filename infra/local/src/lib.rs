#![doc = include_str!("../README.md")]

mod args;
mod filter;
mod gateway;
mod mappings;
mod server;
mod stack;

pub use args::{Args, USAGE};
pub use stack::{Settings, Stack, StackError};
