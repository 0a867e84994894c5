#![doc = include_str!("../README.md")]

mod client;
mod discovery;
mod error;
mod pending;
mod proof;
mod provider;
mod token;

#[cfg(test)]
mod tests;

pub use client::{Client, SCOPES};
pub use error::OidcError;
pub use pending::Pending;
pub use proof::Proof;
pub use provider::{InvalidProvider, Provider, Rule};
pub use token::Identity;
