#![doc = include_str!("../README.md")]

mod assertion;
mod attached;
mod aws;
pub mod call;
pub mod connections;
pub mod http_request;
mod multipart;
mod secrets;
pub mod tokens;

pub use attached::Attached;
pub use call::{Sender, carry, manifest};
pub use connections::{NotOpened, Opened, Opener};
pub use secrets::Secrets;
