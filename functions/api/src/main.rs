//! The API's Lambda function.

use api::{App, Config, Limits, router};
use auth::Passwords;
use blobs::S3Blobs;
use dispatch::{EventBridge, Plans, Quotas, SqsQueue, Starter};
use egress::{Egress, EgressConfig};
use guard::{Guard, GuardConfig};
use lambda_http::{Error, run};
use runtime::{SignedHttp, SystemClock, Vars};
use std::sync::Arc;
use store::Store;
use vault::{Keyrings, Safe, SecretFolder, SecretsManager};

fn main() -> Result<(), Error> {
    guard::child_entry();
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
    let clock = Arc::new(SystemClock);
    let credentials = runtime::credentials(&vars)?;
    let signed = SignedHttp {
        connector: runtime::object_connector(),
        credentials: credentials.clone(),
        region: config.files.region.clone(),
        endpoint: config.files.endpoint.clone(),
        clock: clock.clone(),
    };
    let secrets = Arc::new(SecretsManager::new(signed.clone()));
    let mailer = mailer::sender(config.mail_from, signed);
    let keyrings = Arc::new(Keyrings::new(aws_sdk_secretsmanager::Client::new(&sdk), config.keyring_secret));
    let safe = Safe::new(keyrings.clone(), SecretFolder::new(secrets, &config.credentials_prefix));
    let blobs = S3Blobs::new(runtime::object_connector(), credentials, config.files, clock.clone());
    let plans = Plans::new(store.clone());
    let http = Arc::new(Egress::new(EgressConfig::default())?);
    let app = App {
        runs: store.clone(),
        starter: Starter::new(store.clone(), store.clone(), queue, plans.clone())
            .within(Some(Quotas::new(store.clone()))),
        plans,
        store,
        bus: Arc::new(EventBridge::new(&sdk, config.bus)),
        blobs: Arc::new(blobs),
        mailer,
        oidc: Arc::new(oidc::Client::new(http.clone())),
        http,
        limits: Arc::new(Limits::new(config.rates)),
        guard: Guard::new(GuardConfig::within(vars.parsed(
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            256,
            "a number of megabytes",
        )?)),
        keyrings,
        safe: Arc::new(safe.keeping(config.storage)),
        passwords: Passwords::new(2),
        clock,
        public_url: config.public_url.into(),
    };
    run(router(app)).await
}
