#![doc = include_str!("../README.md")]

mod call;
mod catalogue;
mod compare;
pub mod completes;
pub mod dynamic;
mod encode;
mod feed;
pub mod fixture;
pub mod hook;
pub mod manifest;
mod read;
pub mod schema;
mod signing;
pub mod trigger;
pub mod xml;
#[cfg(feature = "yaml")]
pub mod yaml;

pub use call::{
    Access, Answered, Call, MAX_ITEMS, MAX_ITEMS_FIELD, Response, basic, evaluate, with_max_items,
};
pub use catalogue::{built_in, names};
pub use compare::breaking;
pub use manifest::{Manifest, hosts};
pub use read::read;
pub use signing::Signing;
