//! The start of a run.

use crate::answer::{Answered, answer_step};
use crate::bus::{BusError, EventBus};
use crate::outbox::settle_outbox;
use crate::queue::{QueueError, StepQueue};
use crate::quota::{Quotas, UsedUp};
use crate::{Asks, At, PlanError, Plans, StepMessage, TriggerMessage};
use domain::run::{End, Head, Mail, NewRun, Origin, Parent, Priority, RunStatus, Segment};
use domain::{Millis, OrgKey, RunId, WorkflowId};
use engine::{Context, Kept, Plan, Then, begin};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use store::{Created, DueEntry, DueStore, RunStore, StoreError};
use tracing::warn;

/// The trigger under which the runs of `workflow` steps are started.
pub const CALL_TRIGGER: &str = "workflow";

/// The run that the `workflow` step at this path of a run starts.
pub fn called_run(org: &OrgKey, caller: &Head, path: &str, workflow: &WorkflowId) -> RunId {
    let source = format!("{workflow}/{CALL_TRIGGER}");
    RunId::derive(org.org(), &source, &engine::idempotency_key(caller, path))
}

/// How much of what a run takes over goes into one item.
const SEGMENT: usize = 100 * 1024;

/// Why a run could not be started, or its end not settled. Nothing was promised to anybody.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("the system gives no random numbers")]
    Randomness,
    /// It was not started, and will not be before the next day.
    #[error("{0}")]
    QuotaUsedUp(UsedUp),
}

/// What a run is started with.
#[derive(Debug, Clone)]
pub struct StartRequest<'a> {
    pub org: &'a OrgKey,
    pub workflow: &'a WorkflowId,
    pub version: u32,
    pub plan: &'a Plan,
    /// The id of the trigger in the definition.
    pub trigger: &'a str,
    /// Equal keys of the same trigger start one run.
    pub key: &'a str,
    /// The scope's `trigger`.
    pub input: Value,
    /// How many runs led to this one.
    pub depth: u16,
    /// Which queue carries it; `None` leaves it to the definition.
    pub priority: Option<Priority>,
    pub now: Millis,
}

impl StartRequest<'_> {
    /// The run that this starts, or has started before.
    pub fn run_id(&self) -> RunId {
        let source = format!("{}/{}", self.workflow, self.trigger);
        RunId::derive(self.org.org(), &source, self.key)
    }

    /// Which queue carries the run.
    pub(crate) fn priority_of_run(&self) -> Priority {
        self.priority.or(self.plan.definition().priority).unwrap_or_default()
    }
}

/// What a start came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    New(RunId),
    /// The same key started it before.
    Existing(RunId, RunStatus),
}

impl Started {
    pub fn run(&self) -> &RunId {
        match self {
            Self::New(run) | Self::Existing(run, _) => run,
        }
    }
}

/// Starts runs.
#[derive(Clone)]
pub struct Starter {
    pub(crate) runs: Arc<dyn RunStore>,
    due: Arc<dyn DueStore>,
    pub(crate) queue: Arc<dyn StepQueue>,
    plans: Plans,
    quotas: Option<Quotas>,
}

impl std::fmt::Debug for Starter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Starter").finish_non_exhaustive()
    }
}

impl Starter {
    pub fn new(
        runs: Arc<dyn RunStore>,
        due: Arc<dyn DueStore>,
        queue: Arc<dyn StepQueue>,
        plans: Plans,
    ) -> Self {
        Self { runs, due, queue, plans, quotas: None }
    }

    /// A starter that keeps to what organisations may start in a day.
    #[must_use]
    pub fn within(self, quotas: Option<Quotas>) -> Self {
        Self { quotas, ..self }
    }

    /// Whether a run may be started now, as far as quotas go. A repeat of a start that took place always may.
    pub async fn may_start(&self, request: &StartRequest<'_>) -> Result<(), StartError> {
        self.may_start_in(request, Duration::ZERO).await
    }

    async fn may_start_in(&self, request: &StartRequest<'_>, delay: Duration) -> Result<(), StartError> {
        let Some(quotas) = &self.quotas else { return Ok(()) };
        let now = Millis(request.now.0 - i64::try_from(delay.as_millis()).unwrap_or(0));
        let Some(used_up) = quotas.used_up(request.org, request.now, now).await else { return Ok(()) };
        if self.runs.head(request.org, &request.run_id(), false).await?.is_some() {
            return Ok(());
        }
        Err(StartError::QuotaUsedUp(used_up))
    }

    /// Notes that something which nobody waits for started no run: in the log, and once a day in the organisation's ledger. A note that
    /// cannot be written is told by the next one.
    pub async fn passed_over(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
        used_up: UsedUp,
        now: Millis,
    ) {
        warn!(org.id = %org.org(), workflow.id = %workflow, workflow.trigger = trigger, "no run is started: the day's quota is used up");
        if let Some(quotas) = &self.quotas
            && let Err(error) = quotas.tell(org, workflow, trigger, used_up, now).await
        {
            warn!(org.id = %org.org(), %error, "that a quota is used up was not recorded; the next refusal tries again");
        }
    }

    /// Has an app asked for records now.
    pub async fn poll(&self, org: &OrgKey, workflow: &WorkflowId, trigger: &str) -> Result<(), StartError> {
        self.look_after(Asks::Records, org, workflow, trigger).await
    }

    /// Has a trigger looked after now that an app has a part in.
    pub async fn look_after(
        &self,
        asks: Asks,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
    ) -> Result<(), StartError> {
        let message = TriggerMessage::of(asks, org.org(), workflow, trigger);
        Ok(self.queue.send_trigger(&message, Duration::ZERO).await?)
    }

    /// Counts a run that was started.
    pub(crate) fn count(&self, run: &NewRun, org: &OrgKey) {
        if let Some(quotas) = &self.quotas {
            quotas.count(org, run.started_at);
        }
    }

    /// Starts a run, or finds the one that the same key started.
    ///
    /// The due entry comes first, so that no head is ever without something that will find it; then the head, which decides;
    /// then the message. Whoever is told of an error may repeat the whole.
    pub async fn start(&self, request: StartRequest<'_>) -> Result<Started, StartError> {
        self.may_start(&request).await?;
        self.start_for(request, None).await
    }

    /// Starts a run whose end another run waits for, or finds it: part of a run that is under way, which no quota stops.
    pub async fn start_for(
        &self,
        request: StartRequest<'_>,
        parent: Option<Parent>,
    ) -> Result<Started, StartError> {
        let run = NewRun { parent, ..self.enter(&request, request.now).await? };
        self.begin(&request, run, Duration::ZERO).await
    }

    /// Starts a run that begins at `request.now`, which is this far away; at most what the queue can delay.
    pub async fn start_in(&self, request: StartRequest<'_>, delay: Duration) -> Result<Started, StartError> {
        self.may_start_in(&request, delay).await?;
        let run = self.enter(&request, request.now).await?;
        self.begin(&request, run, delay).await
    }

    async fn begin(
        &self,
        request: &StartRequest<'_>,
        run: NewRun,
        delay: Duration,
    ) -> Result<Started, StartError> {
        match self.runs.create_run(request.org, &run).await? {
            Created::New => {
                self.count(&run, request.org);
                let message = first_message(request.org, &run, request.plan);
                self.queue.send(&message, delay).await?;
                Ok(Started::New(run.id))
            }
            Created::Existing(head) => {
                // Still "queued" in the head may mean that it has begun: then others carry it on, and the sweep looks after it.
                if head.status == RunStatus::Queued
                    && self.runs.pulse(request.org, &run.id).await?.newest.is_none()
                {
                    let again = StepMessage::again(request.org.org(), &run.id).on(head.priority);
                    self.queue.send(&again, delay).await?;
                }
                Ok(Started::Existing(run.id, head.status_at(request.now)))
            }
        }
    }

    /// Starts a run that takes over outcomes of another, and goes on from there; `request` is that of a new run.
    ///
    /// The outcomes come before the head: a run that is there has them all.
    pub async fn start_from(
        &self,
        request: StartRequest<'_>,
        origin: Origin,
        epoch: u32,
        mut kept: Kept,
    ) -> Result<Started, StartError> {
        self.may_start(&request).await?;
        // One strand after the other, so that many entries share an item.
        kept.sort_by(|(one, _), (other, _)| one.cmp(other));
        let run = NewRun { origin: Some(origin), epoch, ..self.enter(&request, request.now).await? };
        let head = Head::begin(request.org.org(), &run);
        let mut segment: (String, Segment, usize) = Default::default();
        for (strand, entry) in kept {
            let bytes = serde_json::to_string(&entry).map_or(0, |text| text.len());
            if !segment.1.entries.is_empty() && (segment.0 != strand || segment.2 + bytes > SEGMENT) {
                self.runs.append(request.org, &head, &segment.0, &segment.1, None).await?;
                segment = Default::default();
            }
            segment.0 = strand;
            segment.1.entries.push(entry);
            segment.2 += bytes;
        }
        if !segment.1.entries.is_empty() {
            self.runs.append(request.org, &head, &segment.0, &segment.1, None).await?;
        }
        let created = self.runs.create_run(request.org, &run).await?;
        // Also for a run that is there already: whoever made it may have died before this.
        let again = StepMessage::again(request.org.org(), &run.id).on(run.priority);
        self.queue.send(&again, Duration::ZERO).await?;
        Ok(match created {
            Created::New => {
                self.count(&run, request.org);
                Started::New(run.id)
            }
            Created::Existing(head) => Started::Existing(run.id, head.status_at(request.now)),
        })
    }

    /// Makes a run that has ended before its first step, so that it can be seen why.
    pub async fn start_ended(&self, request: StartRequest<'_>, end: &End) -> Result<Started, StartError> {
        let run = self.enter(&request, request.now).await?;
        let created = self.runs.create_run(request.org, &run).await?;
        self.runs.finish(request.org, &run.id, end).await?;
        Ok(match created {
            Created::New => Started::New(run.id),
            Created::Existing(head) => Started::Existing(run.id, head.status),
        })
    }

    /// Answers a step that waits for it.
    pub async fn answer(
        &self,
        plans: &Plans,
        org: &OrgKey,
        run: &RunId,
        path: &str,
        mail: &Mail,
    ) -> Result<Answered, StartError> {
        answer_step(&*self.runs, &*self.queue, plans, org, run, path, mail).await
    }

    /// Sends what the end of a run must bring about.
    pub async fn settle(&self, bus: &dyn EventBus, org: &OrgKey, head: &Head) -> Result<(), StartError> {
        settle_outbox(&*self.runs, Some(&*self.queue), bus, org, head).await
    }

    /// Names a run that begins at `begins`, from which its time limit counts, and puts its due entry.
    pub(crate) async fn enter(
        &self,
        request: &StartRequest<'_>,
        begins: Millis,
    ) -> Result<NewRun, StartError> {
        let run = NewRun {
            id: request.run_id(),
            workflow: request.workflow.clone(),
            version: request.version,
            trigger: request.trigger.to_owned(),
            input: request.input.clone(),
            started_at: request.now,
            deadline: begins.plus(request.plan.definition().timeout),
            depth: request.depth,
            parent: None,
            origin: None,
            epoch: 0,
            priority: request.priority_of_run(),
            variables: self.plans.variables_of(request.org, request.plan).await?,
            gathers_until: None,
            secret: if request.plan.has_callbacks() { Some(random()?) } else { None },
        };
        #[cfg(planted)]
        if crate::is_planted(crate::Bug::StartsUnwatched) {
            return Ok(run);
        }
        self.due.put_due(&DueEntry::first_check(request.org, &run.id, run.started_at, run.deadline)).await?;
        Ok(run)
    }
}

pub(crate) fn random() -> Result<[u8; 16], StartError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| StartError::Randomness)?;
    Ok(bytes)
}

fn first_message(org: &OrgKey, run: &NewRun, plan: &Plan) -> StepMessage {
    let mut context = Context::begin(&Head::begin(org.org(), run), run.input.clone());
    let at = match begin(plan, &mut context) {
        Then::Go(ix) => {
            context.prune(&plan.node(ix).live);
            Some(At { path: plan.node(ix).path.clone(), attempt: 1 })
        }
        _ => None,
    };
    let again = StepMessage::again(org.org(), &run.id).on(run.priority);
    StepMessage { at, context: Some(context), again: false, ..again }
}
