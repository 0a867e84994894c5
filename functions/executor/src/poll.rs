//! Polls: an app is asked for records, and each that was not there before starts a run.
//!
//! All of it may be repeated, and take place twice at once. A run is known by its record's key, so that no record starts two; and what
//! is known of records is kept last, unless somebody else kept it meanwhile, so that none is passed over: whoever dies before that leaves
//! everything to the next poll. That one comes in any case: `timer` puts it down before it sends this one's message.

use crate::ask::{ASKING, Question, ask_for_trigger};
use crate::open::OPENING;
use crate::weight::weight;
use crate::{App, ExecutorError};
use connectors::Manifest;
use connectors::trigger::{self, Order, Record, Records, advanced};
use dispatch::{PlanError, StartError, StartRequest, Started, TriggerMessage};
use domain::poll::{Failing, PollState};
use domain::run::{End, RunError, RunStatus, StepError};
use domain::workflow::{FirstPoll, Poll, TriggerKind};
use domain::{Millis, OrgKey, limits, nests_too_deep};
use engine::Plan;
use futures::future::{Either, join_all, select};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::{Current, KeptPoll};
use tracing::{info, warn};

/// How long a poll waits for room in memory before it is put off.
const ROOM: Duration = Duration::from_secs(10);
/// How often a poll waits for its turn at an app before it leaves that to the next one.
const MOST_PUT_OFF: u8 = 3;
/// What is left of an invocation when it starts no further runs.
const LEFT: Duration = Duration::from_secs(15);
/// How many runs are started at a time.
const AT_ONCE: usize = 8;

/// Asks the app of a poll trigger, unless that is no longer wanted.
pub(crate) async fn poll(
    app: &App,
    org: &OrgKey,
    message: &TriggerMessage,
    deadline: Millis,
) -> Result<(), ExecutorError> {
    let current = app.plans.current(org, &message.workflow).await?;
    let Some(current) = current.filter(|current| current.enabled) else { return Ok(()) };
    let plan = match app.plans.get(org, &message.workflow, current.version).await {
        Ok(plan) => plan,
        Err(PlanError::Store(error)) => return Err(error.into()),
        Err(error) => {
            warn!(workflow.id = %message.workflow, %error, "a poll's workflow cannot be run; it is passed over");
            return Ok(());
        }
    };
    let trigger = plan.definition().trigger(&message.trigger).map(|trigger| &trigger.kind);
    let Some(TriggerKind::Poll(of)) = trigger else { return Ok(()) };
    if app.clock.now().until(deadline) < ROOM + OPENING + ASKING + LEFT {
        app.queue.send_trigger(message, Duration::ZERO).await?;
        return Ok(());
    }
    // A list, and what is made of it, takes many times its bytes: steps beside it need theirs.
    let room = app.memory.room(limits::MAX_OUTPUT_BYTES as u64);
    let Either::Left((_room, _)) = select(Box::pin(room), Box::pin(app.clock.sleep(ROOM))).await else {
        app.queue.send_trigger(message, ROOM).await?;
        return Ok(());
    };
    Polling { app, org, message, current: &current, plan: &plan, of, deadline }.go().await
}

/// One poll.
struct Polling<'a> {
    app: &'a App,
    org: &'a OrgKey,
    message: &'a TriggerMessage,
    current: &'a Current,
    plan: &'a Plan,
    of: &'a Poll,
    deadline: Millis,
}

/// What became of an answer's records.
enum Handled {
    /// So many of the new ones, from the first on: there was no time for the others.
    Some(usize),
    /// So many: no more may be started today.
    UsedUp(usize, StepError),
}

impl Polling<'_> {
    async fn go(&self) -> Result<(), ExecutorError> {
        let Polling { app, org, message, .. } = *self;
        let kept =
            app.triggers.poll_state(org, &message.workflow, &message.trigger).await?.unwrap_or_default();
        let (name, trigger) = self.of.of.app();
        let version = self.plan.definition().connectors.get(name).copied();
        let manifest = match app.connectors.get(org, name, version, app.clock.now()).await {
            Ok(manifest) => manifest,
            Err(error) => return self.failed(kept, error).await,
        };
        let question = self.question(manifest.version);
        let kept = if kept.state.question == question {
            kept
        } else {
            KeptPoll { state: PollState::of(question), ..kept }
        };
        let Some(poll) = manifest.triggers.get(trigger).and_then(|trigger| trigger.poll.as_ref()) else {
            let message =
                format!("version {} of {} has no trigger `{trigger}`", manifest.version, manifest.title);
            return self.failed(kept, StepError::fatal("trigger_unknown", message)).await;
        };
        let records = match self.ask(&manifest, poll, &kept.state).await {
            Ok(records) => records,
            Err(error) if error.code == "app_limited" => {
                let wait = Duration::from_millis(error.retry_after_ms.unwrap_or(60_000));
                // A poll that is due meanwhile asks as well; and those that are put off must not become more and more.
                if wait < self.of.every && message.put_off < MOST_PUT_OFF {
                    let mut later = message.clone();
                    later.put_off += 1;
                    app.queue.send_trigger(&later, wait.min(limits::MAX_QUEUE_DELAY)).await?;
                }
                return Ok(());
            }
            Err(error) => return self.failed(kept, error).await,
        };
        self.take(kept, poll, records).await
    }

    /// Which question this is, as texts that differ when the answers cannot be compared.
    fn question(&self, version: u32) -> String {
        let connection = self.of.of.connection.as_ref().map_or("", |id| id.as_str());
        let parts = [&*self.of.of.uses, connection, &self.of.of.input.to_string(), &version.to_string()];
        format!("{:032x}", u128::from_be_bytes(domain::id::digest16(&parts)))
    }

    async fn ask(
        &self,
        manifest: &Arc<Manifest>,
        poll: &trigger::Poll,
        state: &PollState,
    ) -> Result<Records, StepError> {
        let app = self.app;
        let now = app.clock.now().0;
        let from = if state.cut { state.cursor.clone() } else { poll.since(&state.cursor) };
        let question = poll.question(manifest, &self.of.of.input, &from, now)?;
        let question = Question {
            connection: self.of.of.connection.as_ref(),
            manifest,
            action: &poll.action,
            input: question,
            key: "",
            may_be_cut: true,
            patient: false,
            time: ASKING,
        };
        poll.records(ask_for_trigger(app, self.org, question, None).await?, now)
    }

    /// Starts the runs of an answer's records, and keeps what is known then.
    async fn take(&self, kept: KeptPoll, poll: &trigger::Poll, found: Records) -> Result<(), ExecutorError> {
        let Records { records, more } = found;
        let before = kept.state.clone();
        let KeptPoll { revision, mut state } = kept;
        let new: Vec<&Record> = {
            let keys = records.iter().map(|record| record.key.as_str());
            let unknown = state.unknown(keys).into_iter().map(|at| &records[at]);
            unknown.filter(|record| poll.may_be_new(record, &state.cursor)).collect()
        };
        let quiet = !state.begun && self.of.first == FirstPoll::Skip;
        let handled = if quiet { Handled::Some(new.len()) } else { self.start(&state, &new).await? };
        let (done, refused) = match handled {
            Handled::Some(done) => (done, None),
            Handled::UsedUp(done, error) => (done, Some(error)),
        };
        // Whether the rest is asked for, or started, at once.
        let again;
        let mut behind = None;
        if done == new.len() {
            let now = self.app.clock.now();
            let mut cursor = advanced(&state.cursor, &records, now.0);
            // What was not listed is known by its time only.
            if quiet && more && poll.order == Order::Any && cursor.is_string() {
                cursor = now.rfc3339().into();
            }
            // An answer that was cut is gone on with where its last record was: all that lies a little before that may fill another one.
            let goes_on = more && poll.order == Order::OldestFirst && !cursor.is_null();
            again = goes_on && (cursor != state.cursor || !state.cut);
            state.cut = goes_on;
            if more && !again && !(quiet && poll.order != Order::OldestFirst) {
                let message = "the app has more records than one answer may hold, and cannot be asked for the others alone: some may \
                               be missed. Ask more often, or for fewer";
                behind = Some(StepError::fatal("poll_behind", message));
            }
            state.cursor = cursor;
            state.begun |= !again;
            if !new.is_empty() {
                state.learn(records.iter().map(|record| record.key.as_str()));
            }
        } else {
            state.learn(new[..done].iter().map(|record| record.key.as_str()));
            again = refused.is_none();
        }
        state.failing = refused.or(behind).map(|error| self.failing(&before, &error));
        if !quiet && done > 0 {
            info!(workflow.id = %self.message.workflow, workflow.trigger = self.message.trigger, runs = done, "a poll starts runs");
        }
        if self.keep(revision, &before, state).await? && again {
            self.app.queue.send_trigger(self.message, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// Starts a run for each record, in their order, for as long as there is time.
    async fn start(&self, state: &PollState, records: &[&Record]) -> Result<Handled, ExecutorError> {
        let mut done = 0;
        for some in records.chunks(AT_ONCE) {
            if done > 0 && self.app.clock.now().until(self.deadline) < LEFT {
                return Ok(Handled::Some(done));
            }
            let mut starts = Vec::with_capacity(some.len());
            for record in some {
                starts.push(self.start_one(&state.question, record));
            }
            for started in join_all(starts).await {
                match started {
                    Ok(()) => done += 1,
                    Err(ExecutorError::Outbox(StartError::QuotaUsedUp(used_up))) => {
                        let error = StepError::fatal("quota_exceeded", used_up.to_string());
                        return Ok(Handled::UsedUp(done, error));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Handled::Some(done))
    }

    async fn start_one(&self, question: &str, record: &Record) -> Result<(), ExecutorError> {
        let app = self.app;
        let Polling { org, message, current, .. } = *self;
        // The same key of another question is another record.
        let key = format!("record:{question}:{}", record.key);
        let chosen = current.version_for(&message.workflow, &message.trigger, &key);
        let (chosen, plan) = match app.plans.get(org, &message.workflow, chosen).await {
            Ok(plan) => (chosen, plan),
            Err(PlanError::Store(error)) => return Err(error.into()),
            Err(error) => {
                warn!(workflow.id = %message.workflow, %error, "a version of a split cannot be run; the live one runs");
                (current.version, app.plans.get(org, &message.workflow, current.version).await?)
            }
        };
        let large = weight(&record.item) > limits::MAX_BODY_BYTES || nests_too_deep(&record.item);
        let request = StartRequest {
            org,
            workflow: &message.workflow,
            version: chosen,
            plan: &plan,
            trigger: &message.trigger,
            key: &key,
            input: json!({"record": if large { &Value::Null } else { &record.item }}),
            depth: 0,
            priority: None,
            now: app.clock.now(),
        };
        let starter = app.starter().within(app.quotas.clone());
        if large {
            let known_by: String = record.key.chars().take(100).collect();
            let text = format!(
                "the record `{known_by}` is larger than {} KB or nests too deep: no run can be started with it",
                limits::MAX_BODY_BYTES / 1024
            );
            let end = End {
                status: RunStatus::Failed,
                at: app.clock.now(),
                error: Some(RunError::new("record_too_large", text)),
                output: None,
                outbox: Vec::new(),
            };
            let run = starter.start_ended(request, &end).await?;
            warn!(run.id = %Started::run(&run), "a record is too large for a run");
            return Ok(());
        }
        starter.start(request).await?;
        Ok(())
    }

    async fn failed(&self, kept: KeptPoll, error: StepError) -> Result<(), ExecutorError> {
        let before = kept.state.clone();
        let mut state = kept.state;
        warn!(
            workflow.id = %self.message.workflow,
            workflow.trigger = self.message.trigger,
            error.code = &*error.code,
            "a poll failed"
        );
        state.failing = Some(self.failing(&before, &error));
        self.keep(kept.revision, &before, state).await.map(|_| ())
    }

    /// That it fails, and since when: what it says may change from poll to poll, and is kept as it was first told.
    fn failing(&self, before: &PollState, error: &StepError) -> Failing {
        match &before.failing {
            Some(failing) if *failing.code == *error.code => failing.clone(),
            _ => Failing {
                code: error.code.clone(),
                message: error.message.chars().take(500).collect(),
                since: self.app.clock.now(),
            },
        }
    }

    /// Keeps a state that changed; whether ours counts.
    async fn keep(
        &self,
        revision: u32,
        before: &PollState,
        mut state: PollState,
    ) -> Result<bool, ExecutorError> {
        if state == *before {
            return Ok(true);
        }
        state.changed_at = self.app.clock.now();
        let kept = KeptPoll { revision, state };
        let Polling { app, org, message, .. } = *self;
        Ok(app.triggers.keep_poll_state(org, &message.workflow, &message.trigger, &kept).await?)
    }
}
