//! The control table: organisations, users, workflows, and what leads to them from outside.

mod account;
mod lookup;
mod workflow;

pub use account::{Organization, User};
pub use lookup::{EventRule, Hook};
pub use workflow::{WorkflowChange, WorkflowMeta, WorkflowVersion};
