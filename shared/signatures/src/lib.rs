#![doc = include_str!("../README.md")]

mod bytes;
mod delivery;
mod hmac;
mod refusal;
mod request;
mod sign;
mod standard;
mod stripe;
mod token;
mod twilio;
mod verify;

pub use refusal::Refusal;
pub use request::Request;
pub use sign::{Message, sign};
pub use verify::{Verified, verify};
