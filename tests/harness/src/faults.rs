//! Faults at any call of any port.

use async_trait::async_trait;
use dispatch::{
    BusError, BusEvent, CodeError, CodeRequest, EventBus, QueueError, Sandbox, StepMessage, StepQueue,
    TriggerMessage,
};
use domain::run::{
    Answer, End, GatherRule, Gathered, Head, Limited, Mail, NewRun, Priority, Segment, SettledBy, Slot, Slots,
};
use domain::{Millis, OrgKey, RunId, WorkflowId};
use egress::{EgressError, HttpPort, HttpRequest, HttpResponse};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{
    AppLimit, Appended, Attempt, Claim, Created, DueEntry, DueStore, Gather, Held, Journal, KeptPoll,
    KeptSubscription, LimitStore, LowWater, Pulse, Reading, RunStore, StoreError, TriggerStore, Turn,
};

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and did nothing.
    Before,
    /// It fails, and took place ("ambiguous").
    After,
    /// The worker dies just before it.
    CrashBefore,
    /// The worker dies just after it.
    CrashAfter,
}

impl Fault {
    pub const ALL: [Self; 4] = [Self::Before, Self::After, Self::CrashBefore, Self::CrashAfter];
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<&'static str>,
    planned: HashMap<usize, Fault>,
    struck: Vec<(&'static str, Fault)>,
    off: bool,
    spare_http: bool,
    down: Option<&'static str>,
}

/// The plan of what goes wrong, shared by all ports: the n-th call of any of them, from 0.
#[derive(Debug, Default)]
pub struct Faults {
    state: Mutex<State>,
}

impl Faults {
    /// Plans a fault at the `n`-th call.
    pub fn plan(&self, n: usize, fault: Fault) {
        self.state().planned.insert(n, fault);
    }

    /// Plans a fault at the `n`-th call from now.
    pub fn plan_next(&self, n: usize, fault: Fault) {
        let mut state = self.state();
        let at = state.calls.len() + n;
        state.planned.insert(at, fault);
    }

    /// The names of all calls so far.
    pub fn calls(&self) -> Vec<&'static str> {
        self.state().calls.clone()
    }

    /// The faults that struck.
    pub fn struck(&self) -> Vec<(&'static str, Fault)> {
        self.state().struck.clone()
    }

    /// From now on nothing goes wrong and nothing is counted.
    pub fn stop(&self) {
        self.state().off = true;
    }

    /// From now on, every call of this operation fails and does nothing; with `None`, none does.
    pub fn outage(&self, operation: Option<&'static str>) {
        self.state().down = operation;
    }

    /// An error of HTTP is an outcome of its step: from now on, workers die there instead.
    pub fn spare_http(&self) {
        self.state().spare_http = true;
    }

    fn next(&self, operation: &'static str) -> Option<Fault> {
        let mut state = self.state();
        if state.off {
            return None;
        }
        let n = state.calls.len();
        state.calls.push(operation);
        if state.down == Some(operation) {
            return Some(Fault::Before);
        }
        let mut fault = state.planned.get(&n).copied();
        if state.spare_http && operation == "http" {
            fault = fault.map(|f| {
                if matches!(f, Fault::Before | Fault::CrashBefore) {
                    Fault::CrashBefore
                } else {
                    Fault::CrashAfter
                }
            });
        }
        state.struck.extend(fault.map(|f| (operation, f)));
        fault
    }

    pub(crate) async fn around<T, E>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, E>>,
        error: impl FnOnce(&'static str) -> E,
    ) -> Result<T, E> {
        match self.next(operation) {
            None => call.await,
            Some(Fault::Before) => Err(error(operation)),
            Some(Fault::After) => {
                call.await?;
                Err(error(operation))
            }
            Some(Fault::CrashBefore) => die(),
            Some(Fault::CrashAfter) => {
                let _applied = call.await;
                die()
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the worker as a panic does, without its report: in these tests it is no news.
pub(crate) fn die() -> ! {
    std::panic::resume_unwind(Box::new("the worker dies"))
}

fn unreachable(operation: &'static str) -> StoreError {
    StoreError::Unavailable { operation, reason: "a fault of the test".to_owned() }
}

macro_rules! faulty {
    ($($(#[$doc:meta])* $name:ident of $port:ident;)*) => {$(
        $(#[$doc])*
        pub struct $name {
            inner: Arc<dyn $port>,
            faults: Arc<Faults>,
        }

        impl $name {
            pub fn new(inner: Arc<dyn $port>, faults: Arc<Faults>) -> Self {
                Self { inner, faults }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

faulty! {
    /// Runs and journals that fail as planned.
    FaultyRuns of RunStore;
    /// Due entries that fail as planned.
    FaultyDue of DueStore;
    /// Limits of apps that fail as planned.
    FaultyLimits of LimitStore;
    /// What is known of triggers, which fails as planned.
    FaultyTriggers of TriggerStore;
    /// A step queue that fails as planned.
    FaultyQueue of StepQueue;
    /// A bus that fails as planned.
    FaultyBus of EventBus;
    /// HTTP whose worker dies as planned; an error is a lost connection.
    FaultyHttp of HttpPort;
    /// A sandbox that fails as planned.
    FaultySandbox of Sandbox;
}

#[async_trait]
impl RunStore for FaultyRuns {
    async fn create_run(&self, org: &OrgKey, run: &NewRun) -> Result<Created, StoreError> {
        self.faults.around("create_run", self.inner.create_run(org, run), unreachable).await
    }
    async fn head(&self, org: &OrgKey, run: &RunId, with_input: bool) -> Result<Option<Head>, StoreError> {
        self.faults.around("head", self.inner.head(org, run, with_input), unreachable).await
    }
    async fn journal(&self, org: &OrgKey, run: &RunId) -> Result<Journal, StoreError> {
        self.faults.around("journal", self.inner.journal(org, run), unreachable).await
    }
    async fn append(
        &self,
        org: &OrgKey,
        head: &Head,
        strand: &str,
        segment: &Segment,
        held: Option<Held>,
    ) -> Result<Appended, StoreError> {
        self.faults.around("append", self.inner.append(org, head, strand, segment, held), unreachable).await
    }
    async fn pulse(&self, org: &OrgKey, run: &RunId) -> Result<Pulse, StoreError> {
        self.faults.around("pulse", self.inner.pulse(org, run), unreachable).await
    }
    async fn strand_journal(&self, org: &OrgKey, run: &RunId, strand: &str) -> Result<Journal, StoreError> {
        self.faults.around("strand_journal", self.inner.strand_journal(org, run, strand), unreachable).await
    }
    async fn join(
        &self,
        org: &OrgKey,
        head: &Head,
        block: &str,
        lane: Option<u16>,
    ) -> Result<BTreeSet<u16>, StoreError> {
        self.faults.around("join", self.inner.join(org, head, block, lane), unreachable).await
    }
    async fn abort(&self, org: &OrgKey, run: &RunId, block: &str) -> Result<(), StoreError> {
        self.faults.around("abort", self.inner.abort(org, run, block), unreachable).await
    }
    async fn mark_slot(&self, org: &OrgKey, run: &RunId, slot: &Slot) -> Result<bool, StoreError> {
        self.faults.around("mark_slot", self.inner.mark_slot(org, run, slot), unreachable).await
    }
    async fn slots(&self, org: &OrgKey, name: &str) -> Result<(Slots, u64), StoreError> {
        self.faults.around("slots", self.inner.slots(org, name), unreachable).await
    }
    async fn put_slots(
        &self,
        org: &OrgKey,
        name: &str,
        slots: &Slots,
        seen: u64,
    ) -> Result<bool, StoreError> {
        self.faults.around("put_slots", self.inner.put_slots(org, name, slots, seen), unreachable).await
    }
    async fn window(&self, org: &OrgKey, group: &str) -> Result<u64, StoreError> {
        self.faults.around("window", self.inner.window(org, group), unreachable).await
    }
    async fn set_window(
        &self,
        org: &OrgKey,
        group: &str,
        window: u64,
        until: Millis,
    ) -> Result<(), StoreError> {
        let set = self.inner.set_window(org, group, window, until);
        self.faults.around("set_window", set, unreachable).await
    }
    async fn gather(
        &self,
        org: &OrgKey,
        run: &RunId,
        group: Option<&str>,
        rule: &GatherRule,
        event: &Gathered,
    ) -> Result<Gather, StoreError> {
        self.faults.around("gather", self.inner.gather(org, run, group, rule, event), unreachable).await
    }
    async fn close_gathering(&self, org: &OrgKey, run: &RunId) -> Result<(Vec<Gathered>, u32), StoreError> {
        self.faults.around("close_gathering", self.inner.close_gathering(org, run), unreachable).await
    }
    async fn begin_gathered(&self, org: &OrgKey, run: &RunId, input: &Value) -> Result<bool, StoreError> {
        self.faults.around("begin_gathered", self.inner.begin_gathered(org, run, input), unreachable).await
    }
    async fn put_mail(&self, org: &OrgKey, head: &Head, path: &str, mail: &Mail) -> Result<Mail, StoreError> {
        self.faults.around("put_mail", self.inner.put_mail(org, head, path, mail), unreachable).await
    }
    async fn mail(&self, org: &OrgKey, run: &RunId, path: &str) -> Result<Option<Mail>, StoreError> {
        self.faults.around("mail", self.inner.mail(org, run, path), unreachable).await
    }
    async fn claim(
        &self,
        org: &OrgKey,
        head: &Head,
        of: &Attempt<'_>,
        now: Millis,
        lease: Duration,
    ) -> Result<Claim, StoreError> {
        self.faults.around("claim", self.inner.claim(org, head, of, now, lease), unreachable).await
    }
    async fn mark_running(&self, org: &OrgKey, run: &RunId) -> Result<(), StoreError> {
        self.faults.around("mark_running", self.inner.mark_running(org, run), unreachable).await
    }
    async fn mark_waiting(&self, org: &OrgKey, run: &RunId, until: Millis) -> Result<(), StoreError> {
        self.faults.around("mark_waiting", self.inner.mark_waiting(org, run, until), unreachable).await
    }
    async fn mark_limited(&self, org: &OrgKey, run: &RunId, limited: &Limited) -> Result<(), StoreError> {
        self.faults.around("mark_limited", self.inner.mark_limited(org, run, limited), unreachable).await
    }
    async fn mark_resumed(&self, org: &OrgKey, run: &RunId, until: Millis) -> Result<(), StoreError> {
        self.faults.around("mark_resumed", self.inner.mark_resumed(org, run, until), unreachable).await
    }
    async fn finish(&self, org: &OrgKey, run: &RunId, end: &End) -> Result<SettledBy, StoreError> {
        self.faults.around("finish", self.inner.finish(org, run, end), unreachable).await
    }
    async fn clear_outbox(&self, org: &OrgKey, run: &RunId) -> Result<(), StoreError> {
        self.faults.around("clear_outbox", self.inner.clear_outbox(org, run), unreachable).await
    }
    async fn answer(&self, org: &OrgKey, head: &Head, answer: &Answer) -> Result<(), StoreError> {
        self.faults.around("answer", self.inner.answer(org, head, answer), unreachable).await
    }
    async fn peek_answer(
        &self,
        org: &OrgKey,
        run: &RunId,
    ) -> Result<(Option<Answer>, Option<Head>), StoreError> {
        self.faults.around("peek_answer", self.inner.peek_answer(org, run), unreachable).await
    }
}

#[async_trait]
impl LimitStore for FaultyLimits {
    async fn turn(
        &self,
        org: &OrgKey,
        limit: &AppLimit,
        patience: Duration,
        now: Millis,
    ) -> Result<Turn, StoreError> {
        self.faults.around("turn", self.inner.turn(org, limit, patience, now), unreachable).await
    }
    async fn block(
        &self,
        org: &OrgKey,
        limit: &AppLimit,
        time: Duration,
        now: Millis,
    ) -> Result<(), StoreError> {
        self.faults.around("block", self.inner.block(org, limit, time, now), unreachable).await
    }
}

#[async_trait]
impl TriggerStore for FaultyTriggers {
    async fn poll_state(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
    ) -> Result<Option<KeptPoll>, StoreError> {
        self.faults.around("poll_state", self.inner.poll_state(org, workflow, trigger), unreachable).await
    }
    async fn keep_poll_state(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
        kept: &KeptPoll,
    ) -> Result<bool, StoreError> {
        let keeps = self.inner.keep_poll_state(org, workflow, trigger, kept);
        self.faults.around("keep_poll_state", keeps, unreachable).await
    }
    async fn subscription(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
    ) -> Result<Option<KeptSubscription>, StoreError> {
        self.faults.around("subscription", self.inner.subscription(org, workflow, trigger), unreachable).await
    }
    async fn keep_subscription(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
        kept: &KeptSubscription,
    ) -> Result<bool, StoreError> {
        let keeps = self.inner.keep_subscription(org, workflow, trigger, kept);
        self.faults.around("keep_subscription", keeps, unreachable).await
    }
}

#[async_trait]
impl DueStore for FaultyDue {
    async fn put_due(&self, entry: &DueEntry) -> Result<(), StoreError> {
        self.faults.around("put_due", self.inner.put_due(entry), unreachable).await
    }
    async fn delete_due(&self, entry: &DueEntry) -> Result<(), StoreError> {
        self.faults.around("delete_due", self.inner.delete_due(entry), unreachable).await
    }
    /// Not counted: a tick makes hundreds of these, all alike.
    async fn due_in(&self, minute: i64, shard: u8, reading: Reading) -> Result<Vec<DueEntry>, StoreError> {
        self.inner.due_in(minute, shard, reading).await
    }
    async fn all_due(&self) -> Result<Vec<DueEntry>, StoreError> {
        self.inner.all_due().await
    }
    async fn is_being_erased(&self, org: &OrgKey) -> Result<bool, StoreError> {
        self.faults.around("is_being_erased", self.inner.is_being_erased(org), unreachable).await
    }

    async fn low_water(&self) -> Result<LowWater, StoreError> {
        self.faults.around("low_water", self.inner.low_water(), unreachable).await
    }
    async fn set_low_water(&self, low: &LowWater) -> Result<(), StoreError> {
        self.faults.around("set_low_water", self.inner.set_low_water(low), unreachable).await
    }
}

#[async_trait]
impl StepQueue for FaultyQueue {
    async fn send(&self, message: &StepMessage, delay: Duration) -> Result<(), QueueError> {
        let error = |operation| QueueError::new(operation, "a fault of the test");
        self.faults.around("send", self.inner.send(message, delay), error).await
    }
    async fn send_trigger(&self, message: &TriggerMessage, delay: Duration) -> Result<(), QueueError> {
        let error = |operation| QueueError::new(operation, "a fault of the test");
        self.faults.around("send_trigger", self.inner.send_trigger(message, delay), error).await
    }
    async fn backlog(&self, priority: Priority) -> Result<u64, QueueError> {
        let error = |operation| QueueError::new(operation, "a fault of the test");
        self.faults.around("backlog", self.inner.backlog(priority), error).await
    }
}

#[async_trait]
impl EventBus for FaultyBus {
    async fn put(&self, events: &[BusEvent]) -> Result<Vec<String>, BusError> {
        let error = |_| BusError::new(events.len(), "a fault of the test");
        self.faults.around("bus", self.inner.put(events), error).await
    }
}

#[async_trait]
impl HttpPort for FaultyHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, EgressError> {
        let error = |_| EgressError::ConnectionLost {
            host: "example.com".into(),
            reason: "a fault of the test".into(),
        };
        self.faults.around("http", self.inner.send(request), error).await
    }
}

#[async_trait]
impl Sandbox for FaultySandbox {
    async fn run(&self, request: &CodeRequest) -> Result<Value, CodeError> {
        let error = |_| CodeError::Unavailable("a fault of the test".into());
        self.faults.around("sandbox", self.inner.run(request), error).await
    }
}
