//! The Lambda function that counts what is used.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use runtime::Vars;
use std::sync::Arc;
use store::Store;
use stream::{App, Config, StreamEvent, batch};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let vars = Vars::of_process();
    runtime::init_logs(&vars);
    let config = Config::read(&vars)?;
    let sdk = runtime::sdk_config(&vars)?;
    let app =
        Arc::new(App { usage: Arc::new(Store::new(aws_sdk_dynamodb::Client::new(&sdk), config.tables)) });
    run(service_fn(move |event: LambdaEvent<StreamEvent>| {
        let app = app.clone();
        async move { Ok::<_, Error>(batch(&app, event.payload).await?) }
    }))
    .await
}
