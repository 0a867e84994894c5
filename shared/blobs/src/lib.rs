#![doc = include_str!("../README.md")]

mod content;
mod error;
mod port;
mod s3;
mod sign;

pub use content::Content;
pub use error::BlobError;
pub use port::{BlobStore, Listed};
pub use s3::{Bucket, S3Blobs};
