//! Why a message could not be dealt with. It comes again; after ten times it is a dead letter.

use blobs::BlobError;
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
    /// A response that is in a file cannot be read.
    #[error("a response on disk cannot be read: {0}")]
    File(#[from] std::io::Error),
    /// An output could not be kept.
    #[error(transparent)]
    Blob(#[from] BlobError),
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
