#![doc = include_str!("../README.md")]

mod config;
mod one;

pub use config::Config;
pub use one::{DeadLetterError, one};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use dispatch::EventBus;
use runtime::{Clock, sqs};
use std::sync::Arc;
use store::RunStore;

/// What the function works with.
#[derive(Clone)]
pub struct App {
    pub runs: Arc<dyn RunStore>,
    pub bus: Arc<dyn EventBus>,
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// Deals with every dead letter of the batch; reports the ones that must come again.
pub async fn batch(app: &Arc<App>, event: SqsEvent) -> SqsBatchResponse {
    sqs::each(event, |record| {
        let app = app.clone();
        async move { one(&app, &record.body).await }
    })
    .await
}
