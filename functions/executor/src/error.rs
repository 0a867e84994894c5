//! Why a message could not be dealt with. It comes again; after ten times it is a dead letter.

use dispatch::{InvalidMessage, PlanError, QueueError, StartError};
use engine::IllegalTransition;
use store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    #[error(transparent)]
    Message(#[from] InvalidMessage),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Outbox(#[from] StartError),
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// A message names a step that its run's version does not have.
    #[error("the version of this run has no step `{0}`")]
    NoSuchStep(String),
    /// A strand whose own strand has not come so far: its journal is not what it was.
    #[error("the journal does not lead to the strand `{0}`")]
    NoSuchStrand(String),
}
