#![doc = include_str!("../README.md")]

mod assertion;
mod attached;
mod aws;
pub mod call;
pub mod connections;
mod connectors;
pub mod http_request;
mod multipart;
mod plain;
mod secrets;
pub mod tokens;

pub use self::connectors::{Connectors, OWN};
pub use attached::Attached;
pub use call::{Sender, carry};
pub use connections::{NotOpened, Opened, Opener};
pub use plain::send_plain;
pub use secrets::Secrets;
