#![doc = include_str!("../README.md")]

mod cache;
mod codes;
mod document;
mod error;
mod folder;
mod keyring;
mod manager;
mod safe;
mod seal;
mod sealers;
mod secret;
mod storage;

#[cfg(test)]
mod tests;

pub use cache::{CACHED_FOR, Keyrings};
pub use codes::Codes;
pub use error::{KeyringError, SafeError};
pub use folder::{ErasedPage, SecretFolder};
pub use keyring::Keyring;
pub use manager::{Listed, SecretService, SecretsManager, ServiceError};
pub use safe::{Safe, Storage};
pub use seal::{SealError, Sealer};
pub use sealers::{KeyringReader, Sealers};
pub use secret::Secret;
