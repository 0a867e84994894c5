//! The executor's Lambda function.

use aws_lambda_events::sqs::SqsEvent;
use blobs::S3Blobs;
use calls::Connectors;
use dispatch::{EventBridge, NoSandbox, Plans, Quotas, SqsQueue};
use domain::Millis;
use egress::{Egress, EgressConfig};
use executor::{App, Config, Memory, PATIENCE, batch};
use guard::{Guard, GuardConfig};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use runtime::{Clock, SignedHttp, SystemClock, SystemDraw, Vars};
use std::sync::Arc;
use store::Store;
use vault::{KeyringReader, Safe, SecretFolder, SecretsManager};

fn main() -> Result<(), Error> {
    guard::child_entry();
    // While it asks for its first event, and in the order in which that will need them.
    std::thread::spawn(|| {
        store::warm_up();
        expr::warm_up();
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
    let store = Store::new(aws_sdk_dynamodb::Client::new(&sdk), config.tables);
    let store = Arc::new(store.by_their_clock(|| SystemClock.now()));
    let clock = Arc::new(SystemClock);
    let credentials = runtime::credentials(&vars)?;
    let signed = SignedHttp {
        connector: runtime::object_connector(),
        credentials: credentials.clone(),
        region: config.files.region.clone(),
        endpoint: config.files.endpoint.clone(),
        clock: clock.clone(),
    };
    let folder = SecretFolder::new(Arc::new(SecretsManager::new(signed.clone())), &config.credentials_prefix);
    let secrets = Safe::new(Arc::new(KeyringReader::new(signed, config.keyring_secret)), folder);
    let blobs = S3Blobs::new(runtime::object_connector(), credentials, config.files, clock.clone());
    let app = Arc::new(App {
        runs: store.clone(),
        due: store.clone(),
        connections: store.clone(),
        limits: store.clone(),
        connectors: Connectors::new(store.clone()),
        triggers: store.clone(),
        quotas: Some(Quotas::new(store.clone())),
        patience: PATIENCE,
        queue: Arc::new(SqsQueue::new(aws_sdk_sqs::Client::new(&sdk), config.queues)),
        bus: Arc::new(EventBridge::new(&sdk, config.bus)),
        http: Arc::new(Egress::new(EgressConfig {
            allow_loopback: config.allow_loopback,
            max_response_bytes: domain::limits::MAX_FILE_BYTES,
            max_bytes_in_files: domain::limits::MAX_SPOOLED_BYTES,
            ..EgressConfig::default()
        })?),
        sandbox: Arc::new(NoSandbox),
        blobs: Arc::new(blobs),
        secrets: Arc::new(secrets),
        memory: Memory::default(),
        inline_bytes: domain::limits::MAX_INLINE_BYTES,
        plans: Plans::new(store),
        guard: Guard::new(GuardConfig::within(vars.parsed(
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            256,
            "a number of megabytes",
        )?)),
        clock,
        draw: Arc::new(SystemDraw),
        budget: config.budget,
        public_url: config.public_url.into(),
    });
    run(service_fn(move |event: LambdaEvent<SqsEvent>| {
        let app = app.clone();
        async move {
            let deadline = Millis(i64::try_from(event.context.deadline).unwrap_or(i64::MAX));
            Ok::<_, Error>(batch(&app, event.payload, deadline).await)
        }
    }))
    .await
}
