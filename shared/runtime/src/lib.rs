#![doc = include_str!("../README.md")]

mod aws;
mod clock;
mod https;
mod logs;
mod signed;
pub mod sqs;
mod vars;

pub use aws::{credentials, sdk_config};
pub use clock::{Clock, Draw, SystemClock, SystemDraw};
pub use https::object_connector;
pub use logs::{init_logs, init_logs_at};
pub use signed::{SignedError, SignedHttp, SignedPost};
pub use vars::{MissingVariable, Vars};
