#![doc = include_str!("../README.md")]
#![expect(clippy::disallowed_methods, reason = "AWS has a clock of its own")]

mod bus;
mod cloud;
mod dynamodb;
mod kept;
mod meter;
mod reads;
mod s3;
mod secrets;
mod sqs;
mod stream;

pub use cloud::{ACCOUNT, Cloud, CloudError, REGION};
pub use meter::{Meter, Metered};
pub use s3::BUCKET;
pub use sqs::{Queue, QueueSettings, Received};
pub use stream::Stream;
