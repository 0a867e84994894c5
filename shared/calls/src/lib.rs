#![doc = include_str!("../README.md")]

mod attached;
pub mod call;
pub mod connections;
pub mod http_request;
mod multipart;
mod secrets;

pub use attached::Attached;
pub use call::{Sender, carry, manifest};
pub use connections::Opener;
pub use secrets::Secrets;
