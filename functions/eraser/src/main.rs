//! The eraser's Lambda function.

use blobs::S3Blobs;
use eraser::{App, Config, ENOUGH, erase};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use runtime::{Clock, SignedHttp, SystemClock, Vars};
use serde_json::Value;
use std::sync::Arc;
use store::Store;
use vault::{SecretFolder, SecretsManager};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let vars = Vars::of_process();
    runtime::init_logs(&vars);
    let config = Config::read(&vars)?;
    let sdk = runtime::sdk_config(&vars)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let credentials = runtime::credentials(&vars)?;
    let signed = SignedHttp {
        connector: runtime::object_connector(),
        credentials: credentials.clone(),
        region: config.bucket.region.clone(),
        endpoint: config.bucket.endpoint.clone(),
        clock: clock.clone(),
    };
    let secrets = SecretFolder::new(Arc::new(SecretsManager::new(signed)), &config.credentials_prefix);
    let blobs = S3Blobs::new(runtime::object_connector(), credentials, config.bucket, clock.clone());
    let app = App {
        store: Arc::new(Store::new(aws_sdk_dynamodb::Client::new(&sdk), config.tables)),
        blobs: Arc::new(blobs),
        secrets,
        clock,
    };
    run(service_fn(move |event: LambdaEvent<Value>| {
        let app = app.clone();
        async move {
            let until = app.clock.now().plus(ENOUGH);
            erase(&app, &event.payload, until).await?;
            Ok::<_, Error>(())
        }
    }))
    .await
}
