//! The webhook ingress's Lambda function.

use dispatch::{Plans, Quotas, SqsQueue, Starter};
use guard::{Guard, GuardConfig};
use hooks::{App, Config, handle};
use lambda_http::{Error, Request, run, service_fn};
use runtime::{SystemClock, Vars};
use std::sync::Arc;
use store::Store;

fn main() -> Result<(), Error> {
    guard::child_entry();
    // While it asks for its first event.
    std::thread::spawn(|| {
        store::warm_up();
        dispatch::warm_up();
    });
    start()
}

#[tokio::main(flavor = "current_thread")]
async fn start() -> Result<(), Error> {
    let vars = Vars::of_process();
    runtime::init_logs(&vars);
    let config = Config::read(&vars)?;
    let sdk = runtime::sdk_config(&vars)?;
    let store = Arc::new(Store::new(aws_sdk_dynamodb::Client::new(&sdk), config.tables));
    let queue = Arc::new(SqsQueue::new(aws_sdk_sqs::Client::new(&sdk), config.queues));
    let plans = Plans::new(store.clone());
    let app = Arc::new(App {
        runs: store.clone(),
        starter: Starter::new(store.clone(), store.clone(), queue, plans.clone())
            .within(Some(Quotas::new(store.clone()))),
        plans,
        store,
        guard: Guard::new(GuardConfig::within(vars.parsed(
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            256,
            "a number of megabytes",
        )?)),
        clock: Arc::new(SystemClock),
    });
    run(service_fn(move |request: Request| {
        let app = app.clone();
        async move { Ok::<_, Error>(handle(&app, request).await) }
    }))
    .await
}
