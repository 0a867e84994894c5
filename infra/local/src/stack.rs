//! The functions, wired to the emulators.

use crate::gateway::Gateway;
use crate::{mappings, server};
use blobs::{BlobStore, Bucket, S3Blobs};
use calls::Connectors;
use dispatch::{
    ERASING, EventBridge, EventBus, NoSandbox, Plans, QueueUrls, Quotas, SOURCE, SqsQueue, Starter, StepQueue,
};
use domain::limits;
use egress::{Egress, EgressConfig, EgressError};
use emulators::{BUCKET, Cloud, CloudError, Queue, QueueSettings, REGION, Stream};
use executor::ChainBudget;
use guard::{Guard, GuardConfig};
use mailer::FolderMailer;
use runtime::{Clock, SignedHttp, SystemClock, SystemDraw};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::{Store, StoreError, TableNames};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use vault::{Keyring, KeyringError, Keyrings, Safe, SecretFolder, SecretsManager, Storage};

const KEYRING: &str = "patchbay/keyring";
const CREDENTIALS: &str = "patchbay/credentials";
const BUS: &str = "patchbay";

/// What the local stack is configured with.
#[derive(Debug, Clone)]
pub struct Settings {
    pub setup_token: Option<String>,
    pub allow_loopback: bool,
    /// Servers that are called in the place of vendors'.
    pub instead: Vec<egress::Instead>,
    pub budget: ChainBudget,
    /// How new credentials are kept.
    pub storage: Storage,
    /// The folder that mail goes to.
    pub mail: PathBuf,
    pub rates: api::RateLimits,
    /// Count what AWS would bill, and tell it at `/_local/meter`.
    pub meter: bool,
}

/// The stack could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("`{0}` is taken or not ours to listen on: {1}")]
    Listen(SocketAddr, std::io::Error),
}

/// The platform, ready to serve.
pub struct Stack {
    pub addr: SocketAddr,
    /// Present until the first owner was made.
    pub setup_token: Option<String>,
    listener: TcpListener,
    gateway: Arc<Gateway>,
    executor: Arc<executor::App>,
    ingest: Arc<ingest::App>,
    deadletter: Arc<deadletter::App>,
    eraser: Arc<eraser::App>,
    erasing: UnboundedReceiver<Value>,
    timer: timer::App,
    stream: stream::App,
    changes: Stream,
    queues: Queues,
}

struct Queues {
    steps: Arc<Queue>,
    bulk: Arc<Queue>,
    dead: Arc<Queue>,
    events: Arc<Queue>,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Stack {
    /// Makes what is not there yet, and binds the address.
    pub async fn start(cloud: Cloud, addr: SocketAddr, settings: Settings) -> Result<Self, StackError> {
        let listener = TcpListener::bind(addr).await.map_err(|e| StackError::Listen(addr, e))?;
        let addr = listener.local_addr().map_err(|e| StackError::Listen(addr, e))?;
        cloud.meter().switch(settings.meter);
        let queues = Queues::create(&cloud)?;
        let sdk = cloud.sdk_config();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);

        let store =
            Arc::new(Store::new(aws_sdk_dynamodb::Client::new(&sdk), TableNames::with_prefix("patchbay")));
        store.create_tables().await?;
        // Also of a database that was made before there was a stream.
        store.stream_runs().await?;
        let changes = cloud.stream(store.runs_table())?;
        let secrets = aws_sdk_secretsmanager::Client::new(&sdk);
        let now = clock.now().0 / 1000;
        let keyring =
            Keyring::create_if_missing(&secrets, KEYRING, settings.setup_token.as_deref(), now).await?;
        let setup_token = match store.first_org().await? {
            Some(_) => None,
            None => Some(keyring.setup_token().expose().clone()),
        };

        let queue: Arc<dyn StepQueue> =
            Arc::new(SqsQueue::new(aws_sdk_sqs::Client::new(&sdk), queues.urls()));
        let bus: Arc<dyn EventBus> = Arc::new(EventBridge::new(&sdk, BUS));
        let plans = Plans::new(store.clone());
        let guard = Guard::new(GuardConfig::default());
        // One process that reads its own table: nothing is saved by asking seldom.
        let quotas = Some(Quotas::kept_for(store.clone(), QUOTAS_KEPT));
        let starter =
            Starter::new(store.clone(), store.clone(), queue.clone(), plans.clone()).within(quotas.clone());
        let egress = EgressConfig {
            allow_loopback: settings.allow_loopback,
            instead: settings.instead.clone(),
            max_response_bytes: limits::MAX_FILE_BYTES,
            ..EgressConfig::default()
        };
        // Signed addresses lead here: the gateway hands their requests on.
        let bucket =
            Bucket { name: BUCKET.into(), region: REGION.into(), endpoint: Some(format!("http://{addr}")) };
        let blobs: Arc<dyn BlobStore> =
            Arc::new(S3Blobs::new(cloud.connector(), Cloud::credentials(), bucket, clock.clone()));

        let keyrings = Arc::new(Keyrings::new(secrets, KEYRING));
        let signed = SignedHttp {
            connector: cloud.connector(),
            credentials: Cloud::credentials(),
            region: REGION.into(),
            endpoint: None,
            clock: clock.clone(),
        };
        let folder = SecretFolder::new(Arc::new(SecretsManager::new(signed)), CREDENTIALS);
        let safe = Arc::new(Safe::new(keyrings.clone(), folder.clone()).keeping(settings.storage));
        let http: Arc<dyn egress::HttpPort> = Arc::new(Egress::new(egress)?);
        let executor = Arc::new(executor::App {
            runs: store.clone(),
            due: store.clone(),
            queue: queue.clone(),
            bus: bus.clone(),
            http: http.clone(),
            sandbox: Arc::new(NoSandbox),
            blobs: blobs.clone(),
            connections: store.clone(),
            limits: store.clone(),
            connectors: Connectors::new(store.clone()),
            triggers: store.clone(),
            quotas: quotas.clone(),
            patience: executor::PATIENCE,
            secrets: safe.clone(),
            memory: executor::Memory::default(),
            inline_bytes: limits::MAX_INLINE_BYTES,
            plans: plans.clone(),
            guard: guard.clone(),
            clock: clock.clone(),
            draw: Arc::new(SystemDraw),
            budget: settings.budget,
            public_url: format!("http://{addr}").into(),
        });
        let eraser =
            eraser::App { store: store.clone(), blobs: blobs.clone(), secrets: folder, clock: clock.clone() };
        let erasing = cloud.events_of(SOURCE, ERASING);
        let mailer = Arc::new(FolderMailer::new(settings.mail, clock.clone()));
        let api = api::router(api::App {
            store: store.clone(),
            runs: store.clone(),
            starter: starter.clone(),
            plans: plans.clone(),
            bus: bus.clone(),
            blobs,
            mailer: mailer.clone(),
            oidc: Arc::new(oidc::Client::new(http.clone())),
            http,
            limits: Arc::new(api::Limits::new(settings.rates)),
            guard: guard.clone(),
            keyrings: keyrings.clone(),
            safe,
            passwords: auth::Passwords::new(2),
            clock: clock.clone(),
            public_url: format!("http://{addr}").into(),
        });
        let hooks = hooks::App {
            sealers: keyrings.clone(),
            secrets: hooks::Secrets::default(),
            store: store.clone(),
            runs: store.clone(),
            starter: starter.clone(),
            plans: plans.clone(),
            guard,
            clock: clock.clone(),
        };
        let ingest =
            ingest::App { store: store.clone(), starter, plans: plans.clone(), clock: clock.clone() };
        let deadletter = deadletter::App { runs: store.clone(), bus: bus.clone(), clock: clock.clone() };
        let stream = stream::App { usage: store.clone() };
        let timer = timer::App {
            runs: store.clone(),
            due: store.clone(),
            connections: store,
            mailer,
            queue,
            bus,
            clock,
            plans,
            quotas,
        };
        let meter = settings.meter;
        Ok(Self {
            addr,
            setup_token,
            listener,
            gateway: Arc::new(Gateway::new(api, Arc::new(hooks), cloud, meter)),
            executor,
            ingest: Arc::new(ingest),
            deadletter: Arc::new(deadletter),
            eraser: Arc::new(eraser),
            erasing,
            timer,
            stream,
            changes,
            queues,
        })
    }

    /// Serves until `stop` resolves.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let timer = Arc::new(self.timer);
        let steps = [(self.queues.steps, MAPPING_CONCURRENCY), (self.queues.bulk, BULK_CONCURRENCY)];
        for (queue, concurrency) in steps {
            let app = self.executor.clone();
            mappings::sqs(queue, concurrency, move |event| {
                let app = app.clone();
                async move {
                    let deadline = app.clock.now().plus(limits::EXECUTOR_TIMEOUT);
                    executor::batch(&app, event, deadline).await
                }
            });
        }
        mappings::sqs(self.queues.events, 4, {
            let app = self.ingest;
            move |event| {
                let app = app.clone();
                async move { ingest::batch(&app, event).await }
            }
        });
        mappings::sqs(self.queues.dead, 1, {
            let app = self.deadletter;
            move |event| {
                let app = app.clone();
                async move { deadletter::batch(&app, event).await }
            }
        });
        mappings::stream(self.changes, self.stream);
        mappings::events(self.erasing, {
            let app = self.eraser;
            move |event| {
                let app = app.clone();
                async move {
                    let until = app.clock.now().plus(eraser::ENOUGH);
                    if let Err(error) = eraser::erase(&app, &event, until).await {
                        tracing::error!(%error, "an erasure could not go on; the timer tells of it again");
                    }
                }
            }
        });
        let recovered = timer.clone();
        tokio::spawn(async move {
            match timer::resend_unfinished(&recovered).await {
                Ok(0) => {}
                Ok(n) => tracing::info!(runs = n, "unfinished runs go on"),
                Err(error) => {
                    tracing::error!(%error, "unfinished runs could not be sent again; the sweep will find them");
                }
            }
        });
        mappings::every_minute(timer);
        server::serve(self.listener, self.gateway, stop).await;
    }
}

/// How long the local stack believes what it read of a quota.
const QUOTAS_KEPT: Duration = Duration::from_secs(1);
/// How many invocations of the executor run at a time: the template's `MaximumConcurrency`.
const MAPPING_CONCURRENCY: usize = 32;
/// The same of bulk work: the template's `BulkConcurrency`.
const BULK_CONCURRENCY: usize = 2;

impl Queues {
    fn urls(&self) -> QueueUrls {
        QueueUrls { interactive: self.steps.url().to_owned(), bulk: self.bulk.url().to_owned() }
    }

    /// The queues of steps are in memory: the journal tells where every run stands. Nothing else tells of an event that was taken, so
    /// those are kept.
    fn create(cloud: &Cloud) -> Result<Self, CloudError> {
        let create = |name: &str, redrive: Option<&Arc<Queue>>, kept: bool| {
            let redrive = redrive.map(|dead| (dead.clone(), limits::MAX_RECEIVE_COUNT));
            cloud.create_queue(name, QueueSettings { visibility: limits::QUEUE_VISIBILITY, redrive, kept })
        };
        let dead = create("patchbay-steps-dead", None, false)?;
        let steps = create("patchbay-steps", Some(&dead), false)?;
        let bulk = create("patchbay-bulk", Some(&dead), false)?;
        let events_dead = create("patchbay-events-dead", None, true)?;
        let events = create("patchbay-events", Some(&events_dead), true)?;
        cloud.deliver_events_to(&events);
        Ok(Self { steps, bulk, dead, events })
    }
}
