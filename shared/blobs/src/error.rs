//! What can go wrong with objects.

/// A failed call of the object store.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// It may pass: whoever asks again may be answered.
    #[error("the object store could not be reached during {operation}: {reason}")]
    Unavailable { operation: &'static str, reason: String },
    /// There is no such object, or it is no longer kept.
    #[error("the object is not there")]
    Gone,
    #[error("the object is larger than {most} bytes")]
    TooLarge { most: u64 },
    /// The store will not do it, however often it is asked.
    #[error("the object store refused {operation}: {reason}")]
    Refused { operation: &'static str, reason: String },
    /// What is to be sent cannot be read.
    #[error("the file to be kept cannot be read: {0}")]
    File(#[from] std::io::Error),
}
