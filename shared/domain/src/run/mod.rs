//! The vocabulary of a run: its head, its journal, and what can go wrong with a step.

mod blob;
mod entry;
mod error;
mod file;
mod gather;
mod head;
mod priority;
mod slots;
mod status;

pub use blob::{BlobName, BlobRef, KEPT_DAYS};
pub use entry::{Entry, Mark, Segment};
pub use error::{RunError, StepError};
pub use file::{FileRef, filename};
pub use gather::{GatherRule, Gathered, Gathering, gathered_input, group_name};
pub use head::{
    Answer, Consequence, End, Head, Limited, Mail, MailKind, NewRun, Origin, Parent, Repeat, SettledBy,
};
pub use priority::Priority;
pub use slots::{Admission, Slot, Slots, slots_name};
pub use status::{RunStatus, StepStatus};

/// The version of messages that this code writes. It reads this one and those before (protocol rule 2).
///
/// 2 names a strand, 3 has a context in which outputs are named instead of told; what needs neither is still written as 1.
pub const FORMAT: u8 = 3;
