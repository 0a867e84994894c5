//! What the functions ask of the store: the traits that a simulation models, and whose one real implementation is [`Store`](crate::Store).

use crate::StoreError;
use crate::control::{
    KeptConnection, KeptConnector, KeptOAuthClient, KeptPoll, KeptSubscription, Lease, Split, WorkflowVersion,
};
use crate::due::{DueEntry, LowWater, Reading};
use crate::limits::{AppLimit, Turn};
use crate::runs::{Appended, Claim, Created, Held, Journal, Pulse};
use async_trait::async_trait;
use domain::run::{
    Answer, End, GatherRule, Gathered, Head, Limited, Mail, NewRun, Segment, SettledBy, Slot, Slots,
};
use domain::variables::Variables;
use domain::{ConnectionId, HookId, Millis, OrgKey, RunId, WorkflowId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One attempt of a step, where its strand runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "an attempt has a number, which everything else calls so, too")]
pub struct Attempt<'a> {
    pub strand: &'a str,
    pub path: &'a str,
    pub attempt: u16,
}

impl<'a> Attempt<'a> {
    /// An attempt of a step of the main strand.
    pub fn main(path: &'a str, attempt: u16) -> Self {
        Self { strand: "", path, attempt }
    }
}

/// What became of an event that was to be gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gather {
    /// It is in the run, which has so many now.
    Added { count: u32 },
    /// It has been gathered before, by this run.
    Known(RunId),
    /// The run takes no more: its time has come, it is full, or it has ended.
    Closed,
    /// There is no such run yet.
    Missing,
}

/// Runs and their journals.
#[async_trait]
pub trait RunStore: Send + Sync {
    /// Writes the head of a new run, or gives the run that has this id already.
    async fn create_run(&self, org: &OrgKey, run: &NewRun) -> Result<Created, StoreError>;
    /// The head of a run, read strongly, with its input where `with_input`.
    async fn head(&self, org: &OrgKey, run: &RunId, with_input: bool) -> Result<Option<Head>, StoreError>;
    /// The whole journal, read strongly.
    async fn journal(&self, org: &OrgKey, run: &RunId) -> Result<Journal, StoreError>;
    /// Whether the run is alive, as its journal tells, read strongly; without holding what it contains.
    async fn pulse(&self, org: &OrgKey, run: &RunId) -> Result<Pulse, StoreError>;
    /// What is recorded of one strand, read strongly.
    async fn strand_journal(&self, org: &OrgKey, run: &RunId, strand: &str) -> Result<Journal, StoreError>;
    /// Records a segment of a strand once; `held` is the claim under which its effect took place.
    async fn append(
        &self,
        org: &OrgKey,
        head: &Head,
        strand: &str,
        segment: &Segment,
        held: Option<Held>,
    ) -> Result<Appended, StoreError>;
    /// Takes the right to cause an effect until `now + lease`.
    async fn claim(
        &self,
        org: &OrgKey,
        head: &Head,
        of: &Attempt<'_>,
        now: Millis,
        lease: Duration,
    ) -> Result<Claim, StoreError>;
    /// Adds `lane` to the strands of a block that have ended, and gives all of them; adding twice changes nothing. Without a
    /// lane, only reads, strongly.
    async fn join(
        &self,
        org: &OrgKey,
        head: &Head,
        block: &str,
        lane: Option<u16>,
    ) -> Result<BTreeSet<u16>, StoreError>;
    /// Says in the head that a strand of this block failed, unless the run has ended.
    async fn abort(&self, org: &OrgKey, run: &RunId, block: &str) -> Result<(), StoreError>;
    /// Answers a step that waits, or will; gives the answer that counts, which is the first.
    async fn put_mail(&self, org: &OrgKey, head: &Head, path: &str, mail: &Mail) -> Result<Mail, StoreError>;
    /// The answer to a step, if there is one, read strongly.
    async fn mail(&self, org: &OrgKey, run: &RunId, path: &str) -> Result<Option<Mail>, StoreError>;
    /// Says that a queued run is running; changes nothing else.
    async fn mark_running(&self, org: &OrgKey, run: &RunId) -> Result<(), StoreError>;
    /// Says until when a run waits; changes nothing when it has ended.
    async fn mark_waiting(&self, org: &OrgKey, run: &RunId, until: Millis) -> Result<(), StoreError>;
    /// The same of a run one of whose steps waits for its turn at an app.
    async fn mark_limited(&self, org: &OrgKey, run: &RunId, limited: &Limited) -> Result<(), StoreError>;
    /// Says that a run goes on before the wait until then was over; changes nothing if it does not wait so.
    async fn mark_resumed(&self, org: &OrgKey, run: &RunId, until: Millis) -> Result<(), StoreError>;
    /// Says in the head which slots a run asks for, and whether it holds one; `false`, and nothing said, when it has ended.
    async fn mark_slot(&self, org: &OrgKey, run: &RunId, slot: &Slot) -> Result<bool, StoreError>;
    /// The slots of this [name](domain::run::slots_name), read strongly, and which change of them this is; none yet is the 0th.
    async fn slots(&self, org: &OrgKey, name: &str) -> Result<(Slots, u64), StoreError>;
    /// Writes the slots unless they were changed since they were `seen`; whether it did.
    async fn put_slots(&self, org: &OrgKey, name: &str, slots: &Slots, seen: u64)
    -> Result<bool, StoreError>;
    /// How far the windows of this [group](domain::run::group_name) have come, not read strongly; 0 before the first.
    async fn window(&self, org: &OrgKey, group: &str) -> Result<u64, StoreError>;
    /// Says that this window is open, unless a later one is; kept until the runs of a group whose limit is `until` are forgotten.
    async fn set_window(
        &self,
        org: &OrgKey,
        group: &str,
        window: u64,
        until: Millis,
    ) -> Result<(), StoreError>;
    /// Adds an event to what a run gathers. With a `group`, an event that was gathered there before is not gathered again.
    async fn gather(
        &self,
        org: &OrgKey,
        run: &RunId,
        group: Option<&str>,
        rule: &GatherRule,
        event: &Gathered,
    ) -> Result<Gather, StoreError>;
    /// Lets a run gather no more, and gives what it has, in no order; closing twice gives the same.
    async fn close_gathering(&self, org: &OrgKey, run: &RunId) -> Result<(Vec<Gathered>, u32), StoreError>;
    /// Gives a run that has gathered its input; `false`, and nothing done, when it has ended.
    async fn begin_gathered(&self, org: &OrgKey, run: &RunId, input: &Value) -> Result<bool, StoreError>;
    /// Ends a run unless it has ended.
    async fn finish(&self, org: &OrgKey, run: &RunId, end: &End) -> Result<SettledBy, StoreError>;
    /// Takes the consequences of a run's end off its head, once they were sent.
    async fn clear_outbox(&self, org: &OrgKey, run: &RunId) -> Result<(), StoreError>;
    /// Stores what a `respond` step answers; the first answer stays.
    async fn answer(&self, org: &OrgKey, head: &Head, answer: &Answer) -> Result<(), StoreError>;
    /// The answer of a run, and its head, in one call. Not strong: for polling.
    async fn peek_answer(
        &self,
        org: &OrgKey,
        run: &RunId,
    ) -> Result<(Option<Answer>, Option<Head>), StoreError>;
}

/// Immutable workflow versions.
#[async_trait]
pub trait WorkflowStore: Send + Sync {
    async fn version(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        version: u32,
    ) -> Result<Option<WorkflowVersion>, StoreError>;
    /// The version that new runs of a workflow take, and whether it is enabled; `None` if there is no such workflow.
    async fn current(&self, org: &OrgKey, workflow: &WorkflowId) -> Result<Option<Current>, StoreError>;
    /// Which revision an environment's variables have now; 0 before the first.
    async fn variables_now(&self, org: &OrgKey, environment: &str) -> Result<u32, StoreError>;
    /// The variables of a revision.
    async fn variables(
        &self,
        org: &OrgKey,
        environment: &str,
        revision: u32,
    ) -> Result<Variables, StoreError>;
}

/// Connections to apps, for those that use them.
#[async_trait]
pub trait ConnectionStore: Send + Sync {
    /// A connection, read strongly.
    async fn connection(&self, org: &OrgKey, id: &ConnectionId)
    -> Result<Option<KeptConnection>, StoreError>;
    /// Takes the right to ask for tokens after those of `number`, unless somebody has it, or newer ones are there.
    async fn lease_tokens(
        &self,
        org: &OrgKey,
        id: &ConnectionId,
        number: u32,
        holder: &str,
        now: Millis,
        until: Millis,
    ) -> Result<Lease, StoreError>;
    /// Keeps new tokens, before anybody uses them, and ends the lease; whether it was still held.
    async fn keep_tokens(
        &self,
        org: &OrgKey,
        id: &ConnectionId,
        number: u32,
        holder: &str,
        sealed: &str,
    ) -> Result<bool, StoreError>;
    /// Ends a lease that came to nothing.
    async fn release_tokens(&self, org: &OrgKey, id: &ConnectionId, holder: &str) -> Result<(), StoreError>;
    /// Says that a connection must be made anew, unless its tokens changed meanwhile, or that is said; whether this said it.
    async fn need_reconnect(
        &self,
        org: &OrgKey,
        id: &ConnectionId,
        number: u32,
        reason: &str,
    ) -> Result<bool, StoreError>;
    /// As whom an organisation asks for the tokens of an app.
    async fn oauth_client(
        &self,
        org: &OrgKey,
        connector: &str,
    ) -> Result<Option<KeptOAuthClient>, StoreError>;
}

/// Limits of apps, which all workers share.
#[async_trait]
pub trait LimitStore: Send + Sync {
    /// Takes the next turn to send a request, if it comes within `patience`; no two get the same. `now` is the caller's time.
    async fn turn(
        &self,
        org: &OrgKey,
        limit: &AppLimit,
        patience: Duration,
        now: Millis,
    ) -> Result<Turn, StoreError>;
    /// Gives nobody a turn for this time: the app asks to be left alone.
    async fn block(
        &self,
        org: &OrgKey,
        limit: &AppLimit,
        time: Duration,
        now: Millis,
    ) -> Result<(), StoreError>;
}

/// Connectors that organisations made.
#[async_trait]
pub trait ConnectorStore: Send + Sync {
    /// A version of a connector of the organisation's own, read strongly.
    async fn own_connector(
        &self,
        org: &OrgKey,
        name: &str,
        version: u32,
    ) -> Result<Option<KeptConnector>, StoreError>;
}

/// How far polls have come, and what apps were asked to tell.
#[async_trait]
pub trait TriggerStore: Send + Sync {
    /// What a poll knows, read strongly; `None` before its first answer.
    async fn poll_state(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
    ) -> Result<Option<KeptPoll>, StoreError>;
    /// Keeps what a poll knows now, unless it was changed since that `revision` was read; whether it did.
    async fn keep_poll_state(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
        kept: &KeptPoll,
    ) -> Result<bool, StoreError>;
    /// How the subscription of a trigger stands, read strongly; `None` before the first.
    async fn subscription(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
    ) -> Result<Option<KeptSubscription>, StoreError>;
    /// Keeps how it stands now, unless it was changed since that `revision` was read; whether it did.
    async fn keep_subscription(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
        kept: &KeptSubscription,
    ) -> Result<bool, StoreError>;
}

/// What must be looked at, and when.
#[async_trait]
pub trait DueStore: Send + Sync {
    async fn put_due(&self, entry: &DueEntry) -> Result<(), StoreError>;
    async fn delete_due(&self, entry: &DueEntry) -> Result<(), StoreError>;
    /// All entries of one shard's minute.
    async fn due_in(&self, minute: i64, shard: u8, reading: Reading) -> Result<Vec<DueEntry>, StoreError>;
    /// Every entry there is, for a start after a crash of the local stack.
    async fn all_due(&self) -> Result<Vec<DueEntry>, StoreError>;
    /// Whether an organisation is still being erased: then it is looked at again.
    async fn is_being_erased(&self, org: &OrgKey) -> Result<bool, StoreError>;
    async fn low_water(&self) -> Result<LowWater, StoreError>;
    async fn set_low_water(&self, low: &LowWater) -> Result<(), StoreError>;
}

/// What a workflow runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    pub version: u32,
    pub enabled: bool,
    /// The triggers whose runs are shared out among versions.
    pub splits: BTreeMap<String, Split>,
    /// The addresses of its triggers.
    pub hooks: BTreeMap<String, HookId>,
}

impl Current {
    /// The version that the run of an idempotency key takes.
    pub fn version_for(&self, workflow: &WorkflowId, trigger: &str, key: &str) -> u32 {
        match self.splits.get(trigger) {
            Some(split) => split.choose(self.version, workflow, trigger, key),
            None => self.version,
        }
    }
}
