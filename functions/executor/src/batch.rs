//! A batch of messages: each for itself, all at once.

use crate::{App, ExecutorError, one};
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::Millis;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What matters of an SQS record.
#[derive(Debug, Clone)]
pub struct Record {
    pub id: String,
    pub body: String,
    /// How often SQS has handed it out, this time included.
    pub receive_count: u32,
}

/// Reads the records of an event.
pub fn records(event: SqsEvent) -> Vec<Record> {
    event.records.into_iter().map(record).collect()
}

/// Deals with every record of the event until `deadline`, the end of the invocation; reports the ones that failed.
pub async fn batch(app: &Arc<App>, event: SqsEvent, deadline: Millis) -> SqsBatchResponse {
    let mut tasks = JoinSet::new();
    let mut ids = std::collections::HashMap::new();
    for record in records(event) {
        let app = app.clone();
        let id = record.id.clone();
        let task = tasks.spawn(async move { one(&app, &record, deadline).await });
        ids.insert(task.id(), id);
    }
    let mut failures = Vec::new();
    while let Some(joined) = tasks.join_next_with_id().await {
        let (task, outcome) = match joined {
            Ok((task, outcome)) => (task, outcome),
            Err(e) => (e.id(), Err(ExecutorError::Panicked)),
        };
        if let (Err(error), Some(id)) = (outcome, ids.remove(&task)) {
            tracing::error!(message.id = %id, %error, "a step message failed; it will come again");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failures.push(failure);
        }
    }
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures;
    response
}

fn record(message: SqsMessage) -> Record {
    let count = message.attributes.get("ApproximateReceiveCount").and_then(|n| n.parse().ok());
    Record {
        id: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        receive_count: count.unwrap_or(1),
    }
}
