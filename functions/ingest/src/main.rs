//! The event ingestion's Lambda function.

use aws_lambda_events::sqs::SqsEvent;
use dispatch::{Plans, Quotas, SqsQueue, Starter};
use ingest::{App, Config, batch};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use runtime::{SystemClock, Vars};
use std::sync::Arc;
use store::Store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let vars = Vars::of_process();
    runtime::init_logs(&vars);
    let config = Config::read(&vars)?;
    let sdk = runtime::sdk_config(&vars)?;
    let store = Arc::new(Store::new(aws_sdk_dynamodb::Client::new(&sdk), config.tables));
    let queue = Arc::new(SqsQueue::new(aws_sdk_sqs::Client::new(&sdk), config.queues));
    let plans = Plans::new(store.clone());
    let app = Arc::new(App {
        starter: Starter::new(store.clone(), store.clone(), queue, plans.clone())
            .within(Some(Quotas::new(store.clone()))),
        plans,
        store,
        clock: Arc::new(SystemClock),
    });
    run(service_fn(move |event: LambdaEvent<SqsEvent>| {
        let app = app.clone();
        async move { Ok::<_, Error>(batch(&app, event.payload).await) }
    }))
    .await
}
