#![doc = include_str!("../README.md")]

mod address;
mod attached;
mod body;
mod client;
mod error;
mod headers;
mod instead;
mod message;
mod ports;
mod redirect;
mod resolve;
mod spool;
mod target;

#[cfg(test)]
mod tests;

pub use address::{Reach, reach};
pub use client::{Egress, EgressConfig};
pub use error::{Blocked, EgressError, Sent};
pub use instead::{Instead, InvalidInstead};
pub use message::{HttpPort, HttpRequest, HttpResponse, Piece, Spooled};
pub use resolve::{Lookup, SystemLookup};
