//! Stories against an emulated Secrets Manager.

mod cache;
mod keyring;
mod race;
mod safe;
mod service;
