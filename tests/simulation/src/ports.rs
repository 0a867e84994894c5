//! The ports: each call goes through the gate, then to a model.

use crate::clock::SimClock;
use crate::gate::{Failure, Gate};
use crate::store::MemoryStore;
use async_trait::async_trait;
use bytes::Bytes;
use dispatch::{
    BusError, BusEvent, CodeError, CodeRequest, EventBus, QueueError, Sandbox, StepMessage, StepQueue,
    TriggerMessage,
};
use domain::connection::{Connection, ConnectionStatus, sealed_for};
use domain::run::{
    Answer, End, GatherRule, Gathered, Head, Limited, Mail, NewRun, Priority, Segment, SettledBy, Slot, Slots,
};
use domain::{ConnectionId, Millis, OrgId, OrgKey, RunId, WorkflowId, limits};
use egress::{EgressError, HttpPort, HttpRequest, HttpResponse};
use harness::workflows::{APP, DOWN, GET, GONE, LARGE, POST, SHAKY};
use harness::{FixedSealer, START};
use http::{HeaderMap, HeaderValue, StatusCode};
use runtime::{Clock, Draw};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{
    AppLimit, Appended, Attempt, Claim, ConnectionStore, ConnectorStore, Created, DueEntry, DueStore, Gather,
    Held, Journal, KeptConnection, KeptConnector, KeptOAuthClient, KeptPoll, KeptSubscription, Lease,
    LimitStore, LowWater, Pulse, Reading, RunStore, StoreError, TriggerStore, Turn,
};

pub(crate) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The store behind the gate.
#[derive(Debug)]
pub(crate) struct SimStore {
    pub(crate) gate: Arc<Gate>,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) model: Arc<Mutex<MemoryStore>>,
}

fn unreachable(failure: Failure) -> StoreError {
    match failure {
        Failure::Throttled => StoreError::Throttled { operation: "simulated" },
        Failure::Lost => {
            StoreError::Unavailable { operation: "simulated", reason: "a fault of the simulation".into() }
        }
    }
}

impl SimStore {
    async fn call<T>(
        &self,
        name: &'static str,
        apply: impl FnOnce(&mut MemoryStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.gate.call(name, true, || apply(&mut lock(&self.model)), unreachable).await
    }
}

#[async_trait]
impl RunStore for SimStore {
    async fn create_run(&self, org: &OrgKey, run: &NewRun) -> Result<Created, StoreError> {
        self.call("create_run", |m| Ok(m.create_run(org, run))).await
    }
    async fn head(&self, org: &OrgKey, run: &RunId, _: bool) -> Result<Option<Head>, StoreError> {
        self.call("head", |m| Ok(m.head(org, run))).await
    }
    async fn journal(&self, org: &OrgKey, run: &RunId) -> Result<Journal, StoreError> {
        self.call("journal", |m| Ok(m.journal(org, run, None))).await
    }
    async fn pulse(&self, org: &OrgKey, run: &RunId) -> Result<Pulse, StoreError> {
        self.call("pulse", |m| Ok(Pulse::of(&m.journal(org, run, None)))).await
    }
    async fn strand_journal(&self, org: &OrgKey, run: &RunId, strand: &str) -> Result<Journal, StoreError> {
        self.call("strand_journal", |m| Ok(m.journal(org, run, Some(strand)))).await
    }
    async fn append(
        &self,
        org: &OrgKey,
        head: &Head,
        strand: &str,
        segment: &Segment,
        held: Option<Held>,
    ) -> Result<Appended, StoreError> {
        self.call("append", |m| m.append(org, head, strand, segment, held)).await
    }
    async fn claim(
        &self,
        org: &OrgKey,
        head: &Head,
        of: &Attempt<'_>,
        now: Millis,
        lease: Duration,
    ) -> Result<Claim, StoreError> {
        self.call("claim", |m| Ok(m.claim(org, head, of, now, lease))).await
    }
    async fn join(
        &self,
        org: &OrgKey,
        head: &Head,
        block: &str,
        lane: Option<u16>,
    ) -> Result<BTreeSet<u16>, StoreError> {
        self.call("join", |m| Ok(m.join(org, head, block, lane))).await
    }
    async fn abort(&self, org: &OrgKey, run: &RunId, block: &str) -> Result<(), StoreError> {
        self.call("abort", |m| {
            m.abort(org, run, block);
            Ok(())
        })
        .await
    }
    async fn mark_slot(&self, org: &OrgKey, run: &RunId, slot: &Slot) -> Result<bool, StoreError> {
        self.call("mark_slot", |m| Ok(m.mark_slot(org, run, slot))).await
    }
    async fn slots(&self, org: &OrgKey, name: &str) -> Result<(Slots, u64), StoreError> {
        self.call("slots", |m| Ok(m.slots(org, name))).await
    }
    async fn put_slots(
        &self,
        org: &OrgKey,
        name: &str,
        slots: &Slots,
        seen: u64,
    ) -> Result<bool, StoreError> {
        self.call("put_slots", |m| Ok(m.put_slots(org, name, slots, seen))).await
    }
    async fn window(&self, org: &OrgKey, group: &str) -> Result<u64, StoreError> {
        self.call("window", |m| Ok(m.window(org, group))).await
    }
    async fn set_window(&self, org: &OrgKey, group: &str, window: u64, _: Millis) -> Result<(), StoreError> {
        self.call("set_window", |m| {
            m.set_window(org, group, window);
            Ok(())
        })
        .await
    }
    async fn gather(
        &self,
        org: &OrgKey,
        run: &RunId,
        group: Option<&str>,
        rule: &GatherRule,
        event: &Gathered,
    ) -> Result<Gather, StoreError> {
        self.call("gather", |m| Ok(m.gather(org, run, group, rule, event))).await
    }
    async fn close_gathering(&self, org: &OrgKey, run: &RunId) -> Result<(Vec<Gathered>, u32), StoreError> {
        self.call("close_gathering", |m| Ok(m.close_gathering(org, run))).await
    }
    async fn begin_gathered(&self, org: &OrgKey, run: &RunId, input: &Value) -> Result<bool, StoreError> {
        self.call("begin_gathered", |m| Ok(m.begin_gathered(org, run, input))).await
    }
    async fn put_mail(&self, org: &OrgKey, head: &Head, path: &str, mail: &Mail) -> Result<Mail, StoreError> {
        self.call("put_mail", |m| Ok(m.put_mail(org, head, path, mail))).await
    }
    async fn mail(&self, org: &OrgKey, run: &RunId, path: &str) -> Result<Option<Mail>, StoreError> {
        self.call("mail", |m| Ok(m.mail(org, run, path))).await
    }
    async fn mark_running(&self, org: &OrgKey, run: &RunId) -> Result<(), StoreError> {
        self.call("mark_running", |m| {
            m.mark_running(org, run);
            Ok(())
        })
        .await
    }
    async fn mark_waiting(&self, org: &OrgKey, run: &RunId, until: Millis) -> Result<(), StoreError> {
        self.call("mark_waiting", |m| {
            m.mark_waiting(org, run, until);
            Ok(())
        })
        .await
    }
    async fn mark_limited(&self, org: &OrgKey, run: &RunId, limited: &Limited) -> Result<(), StoreError> {
        self.call("mark_limited", |m| {
            m.mark_limited(org, run, limited);
            Ok(())
        })
        .await
    }
    async fn mark_resumed(&self, org: &OrgKey, run: &RunId, until: Millis) -> Result<(), StoreError> {
        self.call("mark_resumed", |m| {
            m.mark_resumed(org, run, until);
            Ok(())
        })
        .await
    }
    async fn finish(&self, org: &OrgKey, run: &RunId, end: &End) -> Result<SettledBy, StoreError> {
        self.call("finish", |m| m.finish(org, run, end)).await
    }
    async fn clear_outbox(&self, org: &OrgKey, run: &RunId) -> Result<(), StoreError> {
        self.call("clear_outbox", |m| {
            m.clear_outbox(org, run);
            Ok(())
        })
        .await
    }
    async fn answer(&self, org: &OrgKey, head: &Head, answer: &Answer) -> Result<(), StoreError> {
        self.call("answer", |m| {
            m.answer(org, head, answer);
            Ok(())
        })
        .await
    }
    async fn peek_answer(
        &self,
        org: &OrgKey,
        run: &RunId,
    ) -> Result<(Option<Answer>, Option<Head>), StoreError> {
        self.call("peek_answer", |m| Ok(m.peek_answer(org, run))).await
    }
}

#[async_trait]
impl DueStore for SimStore {
    async fn put_due(&self, entry: &DueEntry) -> Result<(), StoreError> {
        self.call("put_due", |m| {
            m.put_due(entry, self.clock.now());
            Ok(())
        })
        .await
    }
    async fn delete_due(&self, entry: &DueEntry) -> Result<(), StoreError> {
        self.call("delete_due", |m| {
            m.delete_due(entry);
            Ok(())
        })
        .await
    }
    /// A tick makes hundreds of these, all alike: they go through the gate only where there is something.
    async fn due_in(&self, minute: i64, shard: u8, reading: Reading) -> Result<Vec<DueEntry>, StoreError> {
        let found = lock(&self.model).due_in(minute, shard, reading, self.clock.now());
        if found.is_empty() {
            return Ok(found);
        }
        self.call("due_in", |m| Ok(m.due_in(minute, shard, reading, self.clock.now()))).await
    }
    async fn all_due(&self) -> Result<Vec<DueEntry>, StoreError> {
        self.call("all_due", |m| Ok(m.all_due())).await
    }
    async fn is_being_erased(&self, _: &OrgKey) -> Result<bool, StoreError> {
        // Nobody asks for it here: an erased organisation's runs are ended like cancelled ones.
        self.call("is_being_erased", |_| Ok(false)).await
    }

    async fn low_water(&self) -> Result<LowWater, StoreError> {
        self.call("low_water", |m| Ok(m.low_water())).await
    }
    async fn set_low_water(&self, low: &LowWater) -> Result<(), StoreError> {
        self.call("set_low_water", |m| {
            m.set_low_water(low);
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl ConnectorStore for SimStore {
    /// Workflows here use the catalogue's.
    async fn own_connector(&self, _: &OrgKey, _: &str, _: u32) -> Result<Option<KeptConnector>, StoreError> {
        Ok(None)
    }
}

#[async_trait]
impl TriggerStore for SimStore {
    async fn poll_state(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
    ) -> Result<Option<KeptPoll>, StoreError> {
        self.call("poll_state", |m| Ok(m.poll_state(org, workflow, trigger))).await
    }
    async fn keep_poll_state(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
        kept: &KeptPoll,
    ) -> Result<bool, StoreError> {
        self.call("keep_poll_state", |m| Ok(m.keep_poll_state(org, workflow, trigger, kept))).await
    }
    /// No workflow here is told by an app.
    async fn subscription(
        &self,
        _: &OrgKey,
        _: &WorkflowId,
        _: &str,
    ) -> Result<Option<KeptSubscription>, StoreError> {
        Ok(None)
    }
    async fn keep_subscription(
        &self,
        _: &OrgKey,
        _: &WorkflowId,
        _: &str,
        _: &KeptSubscription,
    ) -> Result<bool, StoreError> {
        unreachable!("no workflow here is told by an app")
    }
}

#[async_trait]
impl LimitStore for SimStore {
    /// The table's clock counts, whatever the worker's says.
    async fn turn(
        &self,
        org: &OrgKey,
        limit: &AppLimit,
        patience: Duration,
        _: Millis,
    ) -> Result<Turn, StoreError> {
        self.call("turn", |m| Ok(m.turn(org, limit, patience, self.clock.now()))).await
    }
    async fn block(
        &self,
        org: &OrgKey,
        limit: &AppLimit,
        time: Duration,
        _: Millis,
    ) -> Result<(), StoreError> {
        self.call("block", |m| {
            m.block(org, limit, time, self.clock.now());
            Ok(())
        })
        .await
    }
}

/// A message in the queue.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: u64,
    pub(crate) body: String,
    pub(crate) org: OrgId,
    pub(crate) priority: Priority,
    pub(crate) visible_at: Millis,
    pub(crate) receives: u32,
}

/// Two standard SQS queues, one for each priority: delays, no order, now and then a message twice, redelivery, dead letters; fair
/// between message groups.
#[derive(Debug)]
pub struct SimQueue {
    gate: Arc<Gate>,
    clock: Arc<SimClock>,
    draw: harness::SeededDraw,
    /// Whether message groups count, as in a fair queue.
    fair: bool,
    /// How long messages of each group and priority had to wait, once they could be received.
    waits: Mutex<HashMap<(OrgId, Priority), Vec<Duration>>>,
    state: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: Vec<Message>,
    dead: Vec<Message>,
}

impl SimQueue {
    pub(crate) fn new(gate: Arc<Gate>, clock: Arc<SimClock>, seed: u64, fair: bool) -> Self {
        let draw = harness::SeededDraw::new(seed ^ 0x51);
        Self { gate, clock, draw, fair, waits: Mutex::default(), state: Mutex::default() }
    }

    /// How long messages had to wait.
    pub(crate) fn waits(&self) -> HashMap<(OrgId, Priority), Vec<Duration>> {
        lock(&self.waits).clone()
    }

    fn put(&self, message: &StepMessage, delay: Duration) {
        assert!(delay <= limits::MAX_QUEUE_DELAY, "SQS takes no delay of {delay:?}");
        let body = message.encode();
        assert!(body.len() <= limits::MAX_MESSAGE_BYTES, "a message of {} bytes", body.len());
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        let mut state = lock(&self.state);
        // Rarely, a standard queue delivers one message more than once.
        let copies = if self.draw.draw().is_multiple_of(40) { 2 } else { 1 };
        for _ in 0..copies {
            let id = state.next;
            state.next += 1;
            let visible_at = self.clock.now().plus(Duration::from_secs(seconds));
            let (org, priority) = (message.org.clone(), message.priority);
            state.waiting.push(Message { id, body: body.clone(), org, priority, visible_at, receives: 0 });
        }
    }

    /// Takes one of a queue's messages that can be received. What was received too often goes to the dead letters.
    ///
    /// Fair as SQS documents it: a group with more than its share of the messages in flight is noisy, and messages of others are
    /// delivered before its own
    /// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html>).
    pub(crate) fn receive(&self, priority: Priority, busy: &BTreeMap<OrgId, usize>) -> Option<Message> {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        let visible: Vec<usize> = (0..state.waiting.len())
            .filter(|i| state.waiting[*i].priority == priority && state.waiting[*i].visible_at <= now)
            .collect();
        let in_flight: usize = busy.values().sum();
        let groups: BTreeSet<&OrgId> =
            visible.iter().map(|i| &state.waiting[*i].org).chain(busy.keys()).collect();
        let is_noisy = |i: &usize| {
            let own = busy.get(&state.waiting[*i].org).copied().unwrap_or(0);
            self.fair && own * groups.len() > in_flight
        };
        let quiet: Vec<usize> = visible.iter().copied().filter(|i| !is_noisy(i)).collect();
        let from = if quiet.is_empty() { visible } else { quiet };
        let pick = *from.get((self.draw.draw() % from.len().max(1) as u64) as usize)?;
        if state.waiting[pick].receives >= limits::MAX_RECEIVE_COUNT {
            let dead = state.waiting.swap_remove(pick);
            state.dead.push(dead);
            return None;
        }
        let message = &mut state.waiting[pick];
        if message.receives == 0 {
            let waited = message.visible_at.until(now);
            lock(&self.waits).entry((message.org.clone(), priority)).or_default().push(waited);
        }
        message.receives += 1;
        message.visible_at = now.plus(limits::QUEUE_VISIBILITY);
        Some(message.clone())
    }

    pub(crate) fn dead_letter(&self) -> Option<Message> {
        lock(&self.state).dead.pop()
    }

    pub(crate) fn bury(&self, message: Message) {
        lock(&self.state).dead.push(message);
    }

    pub(crate) fn delete(&self, id: u64) {
        lock(&self.state).waiting.retain(|m| m.id != id);
    }

    /// When the next message can be received.
    pub(crate) fn next_at(&self) -> Option<Millis> {
        lock(&self.state).waiting.iter().map(|m| m.visible_at).min()
    }

    /// Loses a message, as no queue should: what the sweeper is for.
    pub(crate) fn lose(&self, pick: u64) {
        let mut state = lock(&self.state);
        if !state.waiting.is_empty() {
            let at = (pick % state.waiting.len() as u64) as usize;
            state.waiting.swap_remove(at);
        }
    }
}

#[async_trait]
impl StepQueue for SimQueue {
    async fn send(&self, message: &StepMessage, delay: Duration) -> Result<(), QueueError> {
        let failed = |_| QueueError::new("simulated", "a fault of the simulation");
        self.gate
            .call(
                "send",
                true,
                || {
                    self.put(message, delay);
                    Ok(())
                },
                failed,
            )
            .await
    }

    async fn send_trigger(&self, _: &TriggerMessage, _: Duration) -> Result<(), QueueError> {
        unreachable!("no workflow here has a trigger of an app")
    }

    async fn backlog(&self, priority: Priority) -> Result<u64, QueueError> {
        Ok(lock(&self.state).waiting.iter().filter(|m| m.priority == priority).count() as u64)
    }
}

/// A bus that keeps everything.
#[derive(Debug)]
pub struct SimBus {
    pub(crate) gate: Arc<Gate>,
    pub(crate) events: Mutex<Vec<BusEvent>>,
}

#[async_trait]
impl EventBus for SimBus {
    async fn put(&self, events: &[BusEvent]) -> Result<Vec<String>, BusError> {
        let failed = |_| BusError::new(events.len(), "a fault of the simulation");
        let apply = || {
            lock(&self.events).extend_from_slice(events);
            Ok(events.iter().map(|_| "event".to_owned()).collect())
        };
        self.gate.call("bus", true, apply, failed).await
    }
}

/// An effect as the other side saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) body: Bytes,
    /// When it was sent.
    pub(crate) at: Millis,
}

/// The other side: answers by the address.
#[derive(Debug)]
pub struct SimHttp {
    pub(crate) gate: Arc<Gate>,
    pub(crate) effects: Mutex<Vec<Effect>>,
    pub(crate) seen: Mutex<HashMap<String, u32>>,
}

/// What the app takes for its customer's.
const APP_TOKEN: &str = "rk_test_the_simulation_of_an_app";

impl SimHttp {
    fn answer(&self, request: &HttpRequest, at: Millis) -> (u16, Value) {
        let key = request.headers.get("idempotency-key").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let effect = Effect { url: request.url.clone(), key: key.to_owned(), body: request.body.clone(), at };
        lock(&self.effects).push(effect);
        let mut seen = lock(&self.seen);
        let times = seen.entry(key.to_owned()).or_default();
        *times += 1;
        match request.url.as_str() {
            GET => (200, json!({"n": 2})),
            POST => (201, json!({"id": "c1"})),
            SHAKY if *times == 1 => (503, json!("busy")),
            SHAKY => (200, json!("at last")),
            DOWN => (500, json!("down")),
            GONE => (404, json!("gone")),
            LARGE => (200, harness::workflows::large()),
            APP => {
                let signed = request.headers.get("authorization").and_then(|v| v.to_str().ok());
                match signed.and_then(|signed| signed.strip_prefix("Bearer ")) {
                    // Careless apps repeat what they were sent.
                    Some(APP_TOKEN) => (200, json!({"id": "cus_1", "signed_with": APP_TOKEN})),
                    _ => (401, json!({"error": {"type": "invalid_request_error"}})),
                }
            }
            MAIL => (200, json!({"id": "mail_1"})),
            _ => (200, json!({})),
        }
    }
}

#[async_trait]
impl HttpPort for SimHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, EgressError> {
        let url = request.url.clone();
        let lost = |_| EgressError::ConnectionLost { host: "example.com".into(), reason: "simulated".into() };
        let at = self.gate.now();
        let (status, body) = self.gate.call("http", false, || Ok(self.answer(&request, at)), lost).await?;
        let json = HeaderValue::from_static("application/json");
        Ok(HttpResponse {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
            headers: HeaderMap::from_iter([(http::header::CONTENT_TYPE, json)]),
            body: Bytes::from(body.to_string()),
            url,
            file: None,
            redirects: 0,
        })
    }
}

/// The sandbox: the model of the tests, behind the gate.
pub(crate) struct SimSandbox {
    pub(crate) gate: Arc<Gate>,
}

#[async_trait]
impl Sandbox for SimSandbox {
    async fn run(&self, request: &CodeRequest) -> Result<Value, CodeError> {
        let lost = |_| CodeError::Unavailable("simulated".to_owned());
        let run = || harness::modelled(&request.source, &request.input).map_err(CodeError::Failed);
        self.gate.call("sandbox", true, run, lost).await
    }
}

#[async_trait]
impl ConnectionStore for SimStore {
    /// Each organisation has the same one, with credentials of its own.
    async fn connection(
        &self,
        org: &OrgKey,
        id: &ConnectionId,
    ) -> Result<Option<KeptConnection>, StoreError> {
        let connector = match id {
            id if *id == connection() => "stripe",
            id if *id == slow_connection() => "resend",
            _ => return self.call("connection", |_| Ok(None)).await,
        };
        self.call("connection", |_| Ok(Some(to_an_app(org, id, connector)))).await
    }

    async fn lease_tokens(
        &self,
        _: &OrgKey,
        _: &ConnectionId,
        _: u32,
        _: &str,
        _: Millis,
        _: Millis,
    ) -> Result<Lease, StoreError> {
        Ok(Lease::Theirs)
    }

    async fn keep_tokens(
        &self,
        _: &OrgKey,
        _: &ConnectionId,
        _: u32,
        _: &str,
        _: &str,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn release_tokens(&self, _: &OrgKey, _: &ConnectionId, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn need_reconnect(
        &self,
        _: &OrgKey,
        _: &ConnectionId,
        _: u32,
        _: &str,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn oauth_client(&self, _: &OrgKey, _: &str) -> Result<Option<KeptOAuthClient>, StoreError> {
        Ok(None)
    }
}

/// Where an app is that takes two requests a second.
pub(crate) const MAIL: &str = "https://api.resend.com/emails";

/// The connection by which workflows call that app.
pub(crate) fn slow_connection() -> ConnectionId {
    ConnectionId::from_bytes([4; 16])
}

/// The connection by which workflows call an app.
pub(crate) fn connection() -> ConnectionId {
    ConnectionId::from_bytes([3; 16])
}

fn to_an_app(org: &OrgKey, id: &ConnectionId, connector: &str) -> KeptConnection {
    let credentials = json!({"token": APP_TOKEN}).to_string();
    KeptConnection {
        id: id.clone(),
        connection: Connection {
            name: "an app".to_owned(),
            connector: connector.to_owned(),
            auth: "key".to_owned(),
            fields: serde_json::Map::new(),
            status: ConnectionStatus::Ready,
            reason: None,
            created_at: START,
            created_by: "somebody".to_owned(),
            changed_at: START,
            authorized_by: None,
        },
        credentials: Some(FixedSealer::default().seal(org, &sealed_for(id), &credentials)),
        revision: 1,
        tokens: None,
        number: 0,
    }
}
