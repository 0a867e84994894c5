#![doc = include_str!("../README.md")]

pub mod audit;
pub mod callback;
pub mod cell;
pub mod connection;
pub mod duration;
pub mod fault;
pub mod id;
pub mod limits;
mod nesting;
pub mod pace;
pub mod poll;
pub mod problem;
pub mod read;
pub mod run;
pub mod secrecy;
pub mod subscription;
pub mod tenant;
pub mod time;
pub mod usage;
pub mod variables;
pub mod workflow;

pub use audit::Actor;
pub use fault::Fault;
pub use id::{
    ApiKeyId, ConnectionId, HookId, InvitationId, OrgId, RecordId, RunId, ServiceId, SessionId, UserId,
    WorkflowId,
};
pub use nesting::nests_too_deep;
pub use problem::Problem;
pub use tenant::{OrgKey, Provenance};
pub use time::Millis;
pub use usage::{Day, Figures, Quotas};
