//! A batch of events: each for itself.

use crate::{App, one};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use runtime::sqs;
use std::sync::Arc;

/// Deals with every event of the batch; reports the ones that must come again.
pub async fn batch(app: &Arc<App>, event: SqsEvent) -> SqsBatchResponse {
    sqs::each(event, |record| {
        let app = app.clone();
        async move { one(&app, &record.body).await.map(|_| ()) }
    })
    .await
}
