//! A batch of messages: each for itself, all at once.

use crate::{App, one};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::Millis;
use runtime::sqs;
use std::sync::Arc;

/// Deals with every record of the event until `deadline`, the end of the invocation; reports the ones that failed.
pub async fn batch(app: &Arc<App>, event: SqsEvent, deadline: Millis) -> SqsBatchResponse {
    sqs::each(event, |record| {
        let app = app.clone();
        async move { one(&app, &record, deadline).await }
    })
    .await
}
