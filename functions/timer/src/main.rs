//! The timer's Lambda function.

use dispatch::{EventBridge, Plans, Quotas, SqsQueue};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use runtime::{SignedHttp, SystemClock, Vars};
use serde_json::Value;
use std::sync::Arc;
use store::Store;
use timer::{App, Config, tick};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let vars = Vars::of_process();
    runtime::init_logs(&vars);
    let config = Config::read(&vars)?;
    let sdk = runtime::sdk_config(&vars)?;
    let store = Arc::new(Store::new(aws_sdk_dynamodb::Client::new(&sdk), config.tables));
    let clock = Arc::new(SystemClock);
    let signed = SignedHttp {
        connector: runtime::object_connector(),
        credentials: runtime::credentials(&vars)?,
        region: config.region,
        endpoint: config.endpoint,
        clock: clock.clone(),
    };
    let app = Arc::new(App {
        runs: store.clone(),
        plans: Plans::new(store.clone()),
        quotas: Some(Quotas::new(store.clone())),
        due: store.clone(),
        connections: store,
        mailer: mailer::sender(config.mail_from, signed),
        queue: Arc::new(SqsQueue::new(aws_sdk_sqs::Client::new(&sdk), config.queues)),
        bus: Arc::new(EventBridge::new(&sdk, config.bus)),
        clock,
    });
    run(service_fn(move |_: LambdaEvent<Value>| {
        let app = app.clone();
        async move {
            let done = tick(&app).await?;
            tracing::info!(timer.woken = done.woken, timer.checked = done.checked, "looked at what was due");
            Ok::<_, Error>(())
        }
    }))
    .await
}
