//! The vocabulary of a run: its head, its journal, and what can go wrong with a step.

mod entry;
mod error;
mod head;
mod status;

pub use entry::{Entry, Mark, Segment};
pub use error::{RunError, StepError};
pub use head::{Answer, Consequence, End, Head, Mail, MailKind, NewRun, Origin, Parent, Repeat, SettledBy};
pub use status::{RunStatus, StepStatus};

/// The version of messages and journal items that this code writes. It reads this one and the one before (protocol rule 2).
///
/// 2 names a strand; a message of the main strand is still written as 1.
pub const FORMAT: u8 = 2;
