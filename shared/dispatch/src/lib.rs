#![doc = include_str!("../README.md")]

mod bus;
mod message;
mod nesting;
mod outbox;
mod plans;
mod queue;
mod start;

pub use bus::{BusError, BusEvent, EventBridge, EventBus, ORG_RESOURCE, SOURCE};
pub use message::{At, InvalidMessage, StepMessage};
pub use nesting::nests_too_deep;
pub use outbox::settle_outbox;
pub use plans::{PlanError, Plans};
pub use queue::{QueueError, SqsQueue, StepQueue};
pub use start::{StartError, StartRequest, Started, Starter};
