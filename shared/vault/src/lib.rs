#![doc = include_str!("../README.md")]

mod cache;
mod codes;
mod document;
mod error;
mod keyring;
mod seal;
mod sealers;
mod secret;
mod storage;

#[cfg(test)]
mod tests;

pub use cache::{CACHED_FOR, Keyrings};
pub use codes::Codes;
pub use error::KeyringError;
pub use keyring::Keyring;
pub use seal::{SealError, Sealer};
pub use sealers::{KeyringReader, Sealers};
pub use secret::Secret;
