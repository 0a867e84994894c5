//! The control table: organisations, users, workflows, and what leads to them from outside.

mod account;
mod lookup;
mod traffic;
mod version;
mod workflow;

pub use account::{Organization, User};
pub use lookup::{EventRule, Hook};
pub use traffic::{InvalidSplit, Share, Split};
pub use version::{VersionEntry, WorkflowVersion};
pub use workflow::{WorkflowChange, WorkflowMeta};
