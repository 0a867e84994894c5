//! A deployment in one process, and what a test does with it.

mod saved;

use crate::faults::{
    Faults, FaultyBus, FaultyDue, FaultyHttp, FaultyLimits, FaultyQueue, FaultyRuns, FaultySandbox,
    FaultyTriggers,
};
use crate::{
    FaultyBlobs, FixedSealer, ManualClock, Message, ModelQueue, ModelSandbox, RecordingBus, ScriptedHttp,
    SeededDraw, secrets_of,
};
use ::blobs::{BlobStore, Bucket, S3Blobs};
use calls::Connectors;
use dispatch::{Plans, StartError, StartRequest, Started, Starter};
use domain::run::{Entry, Head, Mark};
use domain::{Millis, OrgId, OrgKey, Provenance, RunId, limits};
use emulators::{Cloud, REGION};
use executor::ChainBudget;
use guard::{Guard, GuardConfig};
use runtime::sqs::Record;
use runtime::{Clock, SystemClock};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use store::{DueStore, Journal, LowWater, RunStore, Store, TableNames};
use vault::{Safe, SecretFolder};

/// When every world begins: 2026-03-01T12:00:30Z.
pub const START: Millis = Millis(1_772_366_430_000);
/// What no test needs more of: past this, a run goes round in circles.
const MOST_DELIVERIES: usize = 3000;
/// The longest that a settling world is followed.
const MOST_MINUTES: usize = 60 * 24 * 3;

/// How the queue hands out messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Each once, as SQS nearly always does.
    Once,
    /// Each twice, one after the other; both look like the first delivery.
    TwiceInTurn,
    /// Each twice, at the same time; both look like the first delivery.
    TwiceAtOnce,
}

/// A run as its items tell.
#[derive(Debug, Clone)]
pub struct RunView {
    pub head: Head,
    pub journal: Journal,
}

impl RunView {
    /// The final mark of a step, if it has one.
    pub fn outcome(&self, path: &str) -> Option<&Mark> {
        let mut entries = self.journal.entries.iter();
        entries.find(|e| e.path == path && kind(&e.mark).is_some()).map(|e| &e.mark)
    }

    /// What a step gave; null if it gave nothing.
    pub fn output(&self, path: &str) -> Value {
        match self.outcome(path) {
            Some(Mark::Succeeded(output)) => output.clone(),
            _ => Value::Null,
        }
    }

    pub fn entries<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.journal.entries.iter().filter(move |e| e.path == path)
    }

    /// Each step that has an outcome, and which kind.
    pub fn history(&self) -> BTreeMap<String, &'static str> {
        let finals = self.journal.entries.iter().filter_map(|e| Some((e.path.clone(), kind(&e.mark)?)));
        finals.collect()
    }
}

fn kind(mark: &Mark) -> Option<&'static str> {
    match mark {
        Mark::Succeeded(_) | Mark::Spilled(_) => Some("succeeded"),
        Mark::Took(_) => Some("took"),
        Mark::Failed(_) => Some("failed"),
        Mark::Waiting { .. } => Some("waited"),
        Mark::Stopped { .. } => Some("stopped"),
        Mark::Filtered(_) => Some("filtered"),
        Mark::Retrying { .. } | Mark::Awaiting { .. } | Mark::Started { .. } | Mark::Forked { .. } => None,
    }
}

/// A deployment.
pub struct World {
    pub cloud: Cloud,
    pub store: Arc<Store>,
    pub tables: TableNames,
    pub clock: Arc<ManualClock>,
    pub http: Arc<ScriptedHttp>,
    pub blobs: Arc<dyn BlobStore>,
    pub queue: Arc<ModelQueue>,
    pub bus: Arc<RecordingBus>,
    pub mails: Arc<crate::Mails>,
    pub faults: Arc<Faults>,
    pub secrets: SecretFolder,
    pub org: OrgKey,
    pub starter: Starter,
    pub plans: Plans,
    pub executor: Arc<executor::App>,
    pub timer: timer::App,
    keys: AtomicU32,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with_budget(ChainBudget::default()).await
    }

    /// A world whose messages carry a run this far.
    pub async fn with_budget(budget: ChainBudget) -> Self {
        Self::keeping(budget, limits::MAX_INLINE_BYTES).await
    }

    /// A world whose journal holds no larger outputs than this.
    pub async fn keeping(budget: ChainBudget, inline_bytes: usize) -> Self {
        let cloud = Cloud::memory().expect("memory holds an empty database");
        let tables = TableNames::with_prefix("test");
        let store = Arc::new(Store::new(aws_sdk_dynamodb::Client::new(&cloud.sdk_config()), tables.clone()));
        store.create_tables().await.expect("an empty database takes tables");
        // As if the timer had run all along: its first tick would look an hour back.
        let low = LowWater::up_to(START.0.div_euclid(60_000));
        store.set_low_water(&low).await.expect("the table takes a low-water mark");

        let clock = Arc::new(ManualClock::at(START));
        let http = Arc::new(ScriptedHttp::new(clock.clone()));
        let queue = Arc::new(ModelQueue::new(clock.clone()));
        let bus = Arc::new(RecordingBus::default());
        let faults = Arc::new(Faults::default());
        let runs: Arc<dyn RunStore> = Arc::new(FaultyRuns::new(store.clone(), faults.clone()));
        let due: Arc<dyn DueStore> = Arc::new(FaultyDue::new(store.clone(), faults.clone()));
        let step_queue = Arc::new(FaultyQueue::new(queue.clone(), faults.clone()));
        let event_bus = Arc::new(FaultyBus::new(bus.clone(), faults.clone()));
        let plans = Plans::new(store.clone());
        // It verifies signatures by the wall's clock.
        let endpoint = Some("http://s3.test".to_owned());
        let bucket = Bucket { name: emulators::BUCKET.into(), region: REGION.into(), endpoint };
        let credentials = Cloud::credentials();
        let clock_of_s3 = Arc::new(SystemClock);
        let blobs: Arc<dyn BlobStore> =
            Arc::new(S3Blobs::new(cloud.connector(), credentials, bucket, clock_of_s3));
        let secrets = secrets_of(&cloud);
        let executor = Arc::new(executor::App {
            runs: runs.clone(),
            due: due.clone(),
            queue: step_queue.clone(),
            bus: event_bus.clone(),
            http: Arc::new(FaultyHttp::new(http.clone(), faults.clone())),
            sandbox: Arc::new(FaultySandbox::new(Arc::new(ModelSandbox), faults.clone())),
            blobs: Arc::new(FaultyBlobs::new(blobs.clone(), faults.clone())),
            connections: store.clone(),
            limits: Arc::new(FaultyLimits::new(store.clone(), faults.clone())),
            connectors: Connectors::new(store.clone()),
            triggers: Arc::new(FaultyTriggers::new(store.clone(), faults.clone())),
            quotas: None,
            // The clock stands still while a worker waits.
            patience: Duration::ZERO,
            secrets: Arc::new(Safe::new(Arc::new(FixedSealer::default()), secrets.clone())),
            memory: executor::Memory::default(),
            inline_bytes,
            plans: plans.clone(),
            guard: Guard::new(GuardConfig::default()),
            clock: clock.clone(),
            draw: Arc::new(SeededDraw::new(7)),
            budget,
            public_url: "http://patchbay.test".into(),
        });
        let mails = Arc::new(crate::Mails::default());
        let timer = timer::App {
            runs: runs.clone(),
            due: due.clone(),
            queue: step_queue.clone(),
            bus: event_bus,
            clock: clock.clone(),
            plans: plans.clone(),
            connections: store.clone(),
            mailer: mails.clone(),
            quotas: None,
        };
        Self {
            org: OrgKey::verified(OrgId::from_bytes([7; 16]), Provenance::Token),
            starter: Starter::new(runs, due, step_queue, plans.clone()),
            keys: AtomicU32::new(0),
            cloud,
            secrets,
            store,
            tables,
            clock,
            http,
            blobs,
            queue,
            bus,
            mails,
            faults,
            plans,
            executor,
            timer,
        }
    }

    /// An ingest function over this world.
    pub fn ingest(&self) -> ingest::App {
        ingest::App {
            store: self.store.clone(),
            starter: self.starter.clone(),
            plans: self.plans.clone(),
            clock: self.clock.clone(),
        }
    }

    /// An eraser over this world.
    pub fn eraser(&self) -> eraser::App {
        let blobs = Arc::new(FaultyBlobs::new(self.blobs.clone(), self.faults.clone()));
        eraser::App {
            store: self.store.clone(),
            blobs,
            secrets: self.secrets.clone(),
            clock: self.clock.clone(),
        }
    }

    /// A dead-letter function over this world.
    pub fn deadletter(&self) -> deadletter::App {
        deadletter::App {
            runs: self.executor.runs.clone(),
            bus: self.executor.bus.clone(),
            clock: self.clock.clone(),
        }
    }

    /// A webhook function over this world.
    pub fn hooks(&self) -> hooks::App {
        hooks::App {
            sealers: self.executor.secrets.clone(),
            secrets: hooks::Secrets::default(),
            store: self.store.clone(),
            runs: self.executor.runs.clone(),
            starter: self.starter.clone(),
            plans: self.plans.clone(),
            guard: self.executor.guard.clone(),
            clock: self.clock.clone(),
        }
    }

    /// Starts a run of `definition` by hand; repeats the start until it is told that it took place.
    pub async fn start_run(&self, definition: &Value, input: Value) -> RunId {
        let key = format!("key-{}", self.keys.fetch_add(1, Ordering::SeqCst));
        for _ in 0..20 {
            if let Ok(started) = self.try_start(definition, input.clone(), &key).await {
                return started.run().clone();
            }
        }
        panic!("the run could not be started in twenty attempts")
    }

    /// Starts a run under a key of its own choosing, once. A start whose worker dies is an error too.
    pub async fn try_start(
        &self,
        definition: &Value,
        input: Value,
        key: &str,
    ) -> Result<Started, Option<StartError>> {
        let workflow = self.save(definition).await;
        let plan = self.plans.get(&self.org, &workflow, 1).await.expect("tests run definitions that compile");
        let (starter, org, key, now) =
            (self.starter.clone(), self.org.clone(), key.to_owned(), self.clock.now());
        let start = tokio::spawn(async move {
            let request = StartRequest {
                org: &org,
                workflow: &workflow,
                version: 1,
                plan: &plan,
                trigger: "manual",
                key: &key,
                input,
                depth: 0,
                priority: None,
                now,
            };
            starter.start(request).await
        });
        start.await.map_err(|_| None)?.map_err(Some)
    }

    /// Hands one message to the executor, as SQS would; whether it was dealt with.
    pub async fn deliver(&self, message: &Message) -> bool {
        let deadline = self.clock.now().plus(limits::EXECUTOR_TIMEOUT);
        let record = Record {
            id: message.id.to_string(),
            body: message.body.clone(),
            receive_count: message.receives,
        };
        let app = self.executor.clone();
        let done = tokio::spawn(async move { executor::one(&app, &record, deadline).await });
        let dealt_with = matches!(done.await, Ok(Ok(())));
        if dealt_with {
            self.queue.delete(message.id);
        }
        dealt_with
    }

    /// Hands out a message that was dealt with once more, as a standard queue may.
    pub async fn redeliver(&self, message: &Message) -> bool {
        self.deliver(&Message { receives: message.receives.max(1), ..message.clone() }).await
    }

    /// Delivers until the queue is empty, moving the clock to each message.
    pub async fn deliver_all(&self) {
        self.deliver_all_as(Delivery::Once).await;
    }

    pub async fn deliver_all_as(&self, delivery: Delivery) {
        self.deliver_until(None, delivery).await;
    }

    /// Delivers what is visible by `until`; the clock stops there at the latest.
    pub async fn deliver_until(&self, until: Option<Millis>, delivery: Delivery) {
        let mut deliveries = 0;
        while let Some(at) = self.queue.next_at().filter(|at| until.is_none_or(|until| *at <= until)) {
            self.clock.advance_to(at);
            for message in self.queue.receive() {
                deliveries += 1;
                assert!(
                    deliveries < MOST_DELIVERIES,
                    "the run goes round in circles: {:?}",
                    last(&self.faults.calls())
                );
                match delivery {
                    Delivery::Once => {
                        self.deliver(&message).await;
                    }
                    Delivery::TwiceInTurn => {
                        self.deliver(&message).await;
                        self.deliver(&message).await;
                    }
                    Delivery::TwiceAtOnce => {
                        tokio::join!(self.deliver(&message), self.deliver(&message));
                    }
                }
            }
        }
    }

    /// Lets the timer look once, now. Whether it got through.
    pub async fn tick(&self) -> bool {
        let app = self.timer.clone();
        let ticked = tokio::spawn(async move { timer::tick(&app).await });
        matches!(ticked.await, Ok(Ok(_)))
    }

    /// Lets time pass, minute by minute, with the timer looking and messages delivered, until every given run has ended.
    pub async fn settle(&self, runs: &[RunId]) {
        self.settle_as(runs, Delivery::Once).await;
    }

    pub async fn settle_as(&self, runs: &[RunId], delivery: Delivery) {
        for _ in 0..MOST_MINUTES {
            let next_minute = Millis((self.clock.now().0.div_euclid(60_000) + 1) * 60_000);
            self.deliver_until(Some(next_minute), delivery).await;
            if self.all_ended(runs).await {
                return;
            }
            self.clock.advance_to(next_minute);
            self.tick().await;
        }
        panic!("the run has not ended in {MOST_MINUTES} minutes");
    }

    async fn all_ended(&self, runs: &[RunId]) -> bool {
        for run in runs {
            let head = self.store.head(&self.org, run, false).await.expect("the table answers");
            if !head.is_some_and(|h| h.status.is_terminal() && h.outbox.is_empty()) {
                return false;
            }
        }
        self.queue.next_at().is_none()
    }

    /// The head and the journal of a run, past all faults.
    pub async fn run(&self, run: &RunId) -> RunView {
        let head =
            self.store.head(&self.org, run, true).await.expect("the table answers").expect("the run exists");
        let journal = self.store.journal(&self.org, run).await.expect("the journal is readable");
        RunView { head, journal }
    }

    /// Each step that has an outcome, and which kind.
    pub async fn history(&self, run: &RunId) -> BTreeMap<String, &'static str> {
        self.run(run).await.history()
    }

    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

/// The last calls, which tell where a run is stuck.
fn last<'a>(calls: &'a [&'static str]) -> &'a [&'static str] {
    &calls[calls.len().saturating_sub(20)..]
}

impl World {
    /// What a start leaves behind that dies between its input and its head.
    pub async fn input_without_head(&self, definition: &Value, input: Value, key: &str) -> RunId {
        use aws_sdk_dynamodb::types::AttributeValue;
        let started = self.try_start(definition, input, key).await;
        let run = started.expect("the start takes place").run().clone();
        self.queue.lose_all();
        aws_sdk_dynamodb::Client::new(&self.cloud.sdk_config())
            .delete_item()
            .table_name(&self.tables.runs)
            .key("pk", AttributeValue::S(format!("{}#{run}", self.org.org())))
            .key("sk", AttributeValue::S("h".to_owned()))
            .send()
            .await
            .expect("the table answers");
        run
    }
}
