#![doc = include_str!("../README.md")]

mod answer;
mod bus;
mod gather;
mod message;
mod outbox;
mod plans;
#[cfg(planted)]
mod planted;
mod queue;
mod quota;
mod sandbox;
mod slots;
mod start;
mod trigger;

pub use answer::{Answered, answer_step};
pub use bus::{
    BusError, BusEvent, Chain, DEPTH_RESOURCE, ERASING, EventBridge, EventBus, KEY_RESOURCE, ORG_RESOURCE,
    SOURCE,
};
pub use message::{At, InvalidMessage, StepMessage};
pub use outbox::settle_outbox;
pub use plans::{PlanError, Plans};
#[cfg(planted)]
pub use planted::{Bug, is_planted, plant};
pub use queue::{QueueError, QueueUrls, SqsQueue, StepQueue};
pub use quota::{KEPT as QUOTAS_KEPT, Quotas, UsedUp};
pub use sandbox::{CodeError, CodeRequest, NoSandbox, Sandbox};
pub use slots::leave_slots;
pub use start::{CALL_TRIGGER, StartError, StartRequest, Started, Starter, called_run};
pub use trigger::{Asks, TriggerMessage};

/// Does once what the first call to SQS would pay for: the SDK parses its list of AWS's partitions to find the endpoint. A
/// program calls this on another thread while it waits for its first work.
pub fn warm_up() {
    use aws_sdk_sqs::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
    if let Ok(params) = Params::builder().region("us-east-1".to_owned()).build() {
        drop(DefaultResolver::new().resolve_endpoint(&params));
    }
}
