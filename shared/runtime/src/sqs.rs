//! Batches from SQS: each record for itself, all at once.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use std::collections::HashMap;
use std::fmt::Display;
use tokio::task::JoinSet;

/// What matters of an SQS record.
#[derive(Debug, Clone)]
pub struct Record {
    pub id: String,
    pub body: String,
    /// How often SQS has handed it out, this time included.
    pub receive_count: u32,
}

/// Deals with every record of the event, each in a task of its own, so that a panic or a slow one costs no other; reports the
/// ones that must come again.
pub async fn each<F, T, E>(event: SqsEvent, one: F) -> SqsBatchResponse
where
    F: Fn(Record) -> T,
    T: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut ids = HashMap::new();
    for record in event.records.into_iter().map(Record::from) {
        let id = record.id.clone();
        ids.insert(tasks.spawn(one(record)).id(), id);
    }
    let mut response = SqsBatchResponse::default();
    while let Some(joined) = tasks.join_next_with_id().await {
        let (task, failed) = match joined {
            Ok((task, outcome)) => (task, outcome.err().map(|e| e.to_string())),
            Err(e) => (e.id(), Some("the record's task panicked".to_owned())),
        };
        if let (Some(error), Some(id)) = (failed, ids.remove(&task)) {
            tracing::error!(message.id = %id, %error, "a record failed; it will come again");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            response.batch_item_failures.push(failure);
        }
    }
    response
}

impl From<SqsMessage> for Record {
    fn from(message: SqsMessage) -> Self {
        let count = message.attributes.get("ApproximateReceiveCount").and_then(|n| n.parse().ok());
        Self {
            id: message.message_id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            receive_count: count.unwrap_or(1),
        }
    }
}
