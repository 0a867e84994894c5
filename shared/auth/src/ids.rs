//! The ids that tokens carry.

pub use domain::{OrgId, UserId};
