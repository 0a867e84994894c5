#![doc = include_str!("../README.md")]

pub mod callback;
pub mod duration;
pub mod fault;
pub mod id;
pub mod limits;
pub mod problem;
pub mod run;
pub mod secrecy;
pub mod tenant;
pub mod time;
pub mod workflow;

pub use fault::Fault;
pub use id::{HookId, OrgId, RunId, UserId, WorkflowId};
pub use problem::Problem;
pub use tenant::{OrgKey, Provenance};
pub use time::Millis;
