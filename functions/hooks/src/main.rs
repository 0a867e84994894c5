//! The webhook ingress's Lambda function.

use dispatch::{Plans, Quotas, SqsQueue, Starter};
use guard::{Guard, GuardConfig};
use hooks::{App, Config, Secrets, handle};
use lambda_http::{Error, Request, run, service_fn};
use runtime::{SignedHttp, SystemClock, Vars};
use std::sync::Arc;
use store::Store;
use vault::KeyringReader;

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
    let clock = Arc::new(SystemClock);
    // It connects when the first trigger asks for a secret.
    let http = SignedHttp {
        connector: runtime::object_connector(),
        credentials: runtime::credentials(&vars)?,
        region: config.region,
        endpoint: config.endpoint,
        clock: clock.clone(),
    };
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
        sealers: Arc::new(KeyringReader::new(http, config.keyring_secret)),
        secrets: Secrets::default(),
        clock,
    });
    run(service_fn(move |request: Request| {
        let app = app.clone();
        async move { Ok::<_, Error>(handle(&app, request).await) }
    }))
    .await
}
