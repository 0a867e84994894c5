//! What can go wrong with the tables.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A failed call of a table. Whether it took place is not known, unless the variant says so.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB asked us to slow down, beyond the SDK's own retries.
    #[error("the table is throttled during {operation}")]
    Throttled { operation: &'static str },
    /// Another writer changed the same thing at the same time; nothing was written.
    #[error("another change of the same item was faster during {operation}")]
    Conflict { operation: &'static str },
    /// The call failed; it may or may not have taken place.
    #[error("the table could not be reached during {operation}: {reason}")]
    Unavailable { operation: &'static str, reason: String },
    /// A stored item is not what this code writes.
    #[error("the stored attribute `{0}` is not readable")]
    Corrupt(&'static str),
}

impl StoreError {
    /// Sorts an SDK error that is not a failed condition.
    pub(crate) fn of<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        match error.code() {
            Some(
                "ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded",
            ) => Self::Throttled { operation },
            Some("TransactionConflictException") => Self::Conflict { operation },
            _ => {
                let reason = error.as_service_error().map_or_else(|| root(error), |e| root(&e));
                Self::Unavailable { operation, reason }
            }
        }
    }
}

/// The innermost message of an error chain.
fn root(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
