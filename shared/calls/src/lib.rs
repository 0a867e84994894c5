#![doc = include_str!("../README.md")]

pub mod call;
pub mod connections;
pub mod http_request;
mod secrets;
pub mod tokens;

pub use call::{Sender, carry, manifest};
pub use connections::Opener;
pub use secrets::Secrets;
