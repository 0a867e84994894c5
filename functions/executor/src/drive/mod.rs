//! The carrying-on of one run by one message.

mod answer;
mod block;
mod call;
mod code;
mod complete;
mod effect;
mod end;
mod file;
mod hand_over;
mod limit;
mod pure;

use crate::drive::complete::Waits;
use crate::open::OPENING;
use crate::place::Place;
use crate::started::{ASKED, Started};
use crate::weight::entry_weight;
use crate::{App, ExecutorError};
use dispatch::StepMessage;
use domain::run::{Entry, Head, Mark, RunError, Segment, StepError};
use domain::{Millis, OrgKey};
use engine::{Context, Event, NodeIx, NodeKind, Plan, Strand, Then, decide, follow};
use expr::EvalFailure;
use serde_json::Value;
use std::time::Duration;
use store::{Appended, Held};

/// Past this, outcomes of pure steps are journalled before the next effect, so that no item outgrows its limit.
const FLUSH_AT: usize = 64 * 1024;

/// One strand of a run in the hands of one worker.
pub(crate) struct Drive<'a> {
    app: &'a App,
    org: &'a OrgKey,
    head: &'a Head,
    plan: &'a Plan,
    place: Place<'a>,
    /// Which strand; `None` is the main one.
    strand: Option<Strand>,
    strand_name: String,
    /// The paths of the blocks that the strand is part of.
    blocks: Vec<String>,
    /// The blocks one of whose strands has failed, as the head tells.
    aborted: Vec<String>,
    /// The contexts in which the strands around this one forked it, as far as that took place here; innermost last.
    forks: Vec<(Strand, Context)>,
    context: Context,
    /// Outcomes of pure steps, to be journalled with the next effectful one (protocol rule 7).
    pending: Vec<Entry>,
    /// The end of the invocation.
    deadline: Millis,
    began: Millis,
    /// Whether this worker's is the one message that carries the run on: it came right after a won journal write, or this worker
    /// has won one since. Any other may have a twin, and must not plan anything a second time.
    first_hand: bool,
    head_read_at: Millis,
    /// How often a message like this one was in vain.
    tries: u8,
    /// Steps done by this message, and how many of them had effects.
    done: u32,
    effects: u32,
}

/// What a worker begins with.
pub(crate) struct Outset {
    pub(crate) strand: Option<Strand>,
    pub(crate) context: Context,
    pub(crate) pending: Vec<Entry>,
    pub(crate) first_hand: bool,
    /// How often a message like the one that came was in vain.
    pub(crate) tries: u8,
}

/// What a step leads to.
enum Flow {
    Then(Then),
    /// A message, a due entry or another worker carries the run on.
    Handed,
}

impl<'a> Drive<'a> {
    pub(crate) fn new(place: Place<'a>, outset: Outset, deadline: Millis) -> Self {
        let Outset { strand, context, pending, first_hand, tries } = outset;
        let now = place.now();
        let mut drive = Self {
            app: place.app,
            org: place.org,
            head: place.head,
            plan: place.plan,
            place,
            strand: None,
            strand_name: String::new(),
            blocks: Vec::new(),
            aborted: place.head.aborted.clone(),
            forks: Vec::new(),
            context,
            pending,
            deadline,
            began: now,
            first_hand,
            head_read_at: now,
            tries,
            done: 0,
            effects: 0,
        };
        drive.enter(strand);
        drive
    }

    /// Goes over to another strand, whose context the caller sets.
    fn enter(&mut self, strand: Option<Strand>) {
        self.strand_name = strand.as_ref().map(|s| s.name(self.plan)).unwrap_or_default();
        self.blocks = strand.as_ref().map(|s| s.blocks(self.plan)).unwrap_or_default();
        self.strand = strand;
    }

    /// Carries the run on from `then` until it ends, parks or is handed over.
    pub(crate) async fn go(&mut self, mut then: Then) -> Result<(), ExecutorError> {
        loop {
            if self.is_aborted() && !matches!(then, Then::StrandEnd(_)) {
                if !self.abandon(&then).await? {
                    return Ok(());
                }
                then = Then::StrandEnd(Err(abandoned()));
            }
            let flow = match then {
                Then::Go(node) => self.step(node, 1).await?,
                Then::Retry { node, attempt, at } if at <= self.app.clock.now() => {
                    self.step(node, attempt).await?
                }
                Then::Retry { node, attempt, at } => self.retry_at(node, attempt, at).await?,
                Then::Park { until, then } => self.park(until, *then).await?,
                Then::Await { node, attempt, until } => self.await_answer(node, attempt, until).await?,
                Then::Complete { node, attempt, output, since, until } => {
                    self.await_completion(node, Waits { attempt, output, since, until }).await?
                }
                Then::Join { node, attempt, lanes, count, digest } => {
                    self.rejoin(node, attempt, lanes, (count, digest)).await?
                }
                Then::StrandEnd(result) => self.strand_end(result).await?,
                Then::End { status, error, output } => return self.end(status, error, output).await,
            };
            then = match flow {
                Flow::Then(then) => then,
                Flow::Handed => return Ok(()),
            };
        }
    }

    /// What the strand waits for at an app is of no use any more. `false` where another message sees to that: there is too little time.
    pub(crate) async fn abandon(&self, then: &Then) -> Result<bool, ExecutorError> {
        let Then::Complete { node, output, .. } = then else { return Ok(true) };
        if !self.covers(OPENING + ASKED) {
            let again = StepMessage::again_in(self.org.org(), &self.head.id, &self.strand_name);
            let again = StepMessage { tries: self.tries, ..again.on(self.head.priority) };
            self.app.queue.send(&again, Duration::ZERO).await?;
            return Ok(false);
        }
        let started = Started { place: self.place, ix: *node, context: &self.context, output };
        started.abandon(&self.strand_name, self.tries).await?;
        Ok(true)
    }

    async fn step(&mut self, ix: NodeIx, attempt: u16) -> Result<Flow, ExecutorError> {
        let node = self.plan.node(ix);
        if self.done > 0 && self.budget_used() {
            return self.hand_over(ix, attempt).await;
        }
        self.context.prune(&node.live);
        self.done += 1;
        if self.ended_meanwhile().await? {
            return Ok(Flow::Handed);
        }
        if self.is_aborted() {
            return Ok(Flow::Then(Then::StrandEnd(Err(abandoned()))));
        }
        self.effects += u32::from(!node.kind.is_pure());
        match &node.kind {
            NodeKind::Map { .. }
            | NodeKind::Branch { .. }
            | NodeKind::Filter { .. }
            | NodeKind::While { .. }
            | NodeKind::Try { .. }
            | NodeKind::Stop { .. } => self.pure(ix, attempt).await,
            NodeKind::ForEach(_) | NodeKind::Parallel { .. } => self.fork(ix, attempt).await,
            NodeKind::Approval(approval) => self.approval(ix, attempt, approval).await,
            NodeKind::Workflow { workflow, input, wait } => {
                self.workflow(ix, attempt, workflow, input, *wait).await
            }
            NodeKind::Code(code) => self.code(ix, attempt, code).await,
            NodeKind::Emit { event } => self.emit(ix, attempt, event).await,
            NodeKind::Wait { pause } => self.wait(ix, attempt, pause).await,
            NodeKind::Respond { answer } => self.respond(ix, attempt, answer).await,
            NodeKind::Action(action) => self.action(ix, attempt, action).await,
        }
    }

    /// Whether the run was cancelled or timed out since its head was read. Looked at again after a second, so that it is seen
    /// between slow steps and costs fast ones nothing.
    async fn ended_meanwhile(&mut self) -> Result<bool, ExecutorError> {
        let now = self.app.clock.now();
        if self.head_read_at.until(now) < HEAD_COUNTS_FOR {
            return Ok(false);
        }
        self.head_read_at = now;
        if now >= self.head.deadline {
            self.time_out().await?;
            return Ok(true);
        }
        match self.app.runs.head(self.org, &self.head.id, false).await? {
            Some(head) if !head.status.is_terminal() => {
                self.aborted = head.aborted;
                Ok(false)
            }
            _ => {
                // What was computed belongs to the history, whoever ended the run.
                self.flush().await?;
                Ok(true)
            }
        }
    }

    /// Whether a strand beside this one failed, or one beside a strand around it: then what this one does is of no use.
    fn is_aborted(&self) -> bool {
        self.blocks.iter().any(|block| self.aborted.contains(block))
    }

    /// The path of a step in the present iteration.
    fn path(&self, ix: NodeIx) -> String {
        self.plan.node(ix).instance(&self.context)
    }

    fn budget_used(&self) -> bool {
        let now = self.app.clock.now();
        self.effects >= self.app.budget.steps
            || self.began.until(now) >= self.app.budget.time
            || now.until(self.deadline) < domain::limits::STEP_START_MARGIN
    }

    /// Whether the rest of the invocation covers a step's own time limit (protocol rule 11).
    fn covers(&self, limit: Duration) -> bool {
        self.app.clock.now().until(self.deadline) >= limit + domain::limits::STEP_START_MARGIN
    }

    fn entry(&self, ix: NodeIx, attempt: u16, started_at: Millis, input: Option<Value>, mark: Mark) -> Entry {
        let finished_at = self.app.clock.now().max(started_at);
        Entry { path: self.path(ix), attempt, started_at, finished_at, input, called: false, mark }
    }

    /// What to record, for a step that was tried so often.
    fn decide(&self, ix: NodeIx, attempt: u16, event: Event) -> Result<Mark, ExecutorError> {
        let kind = &self.plan.node(ix).kind;
        Ok(decide(kind, attempt, event, self.app.clock.now(), self.app.draw.draw())?)
    }

    /// Writes the pending outcomes and this one, once, and says what follows: from what is stored, whoever stored it.
    async fn record(&mut self, ix: NodeIx, entry: Entry, held: Option<Held>) -> Result<Flow, ExecutorError> {
        let mut entries = std::mem::take(&mut self.pending);
        entries.push(entry);
        let segment = Segment { entries };
        match self.app.runs.append(self.org, self.head, &self.strand_name, &segment, held).await? {
            Appended::Won => {
                self.first_hand = true;
                let entry = segment.entries.last().expect("it was just pushed");
                Ok(Flow::Then(follow(self.plan, ix, entry, &mut self.context)))
            }
            // Our own write, repeated after its answer was lost on the way.
            Appended::Lost(stored) if stored == segment => {
                self.first_hand = true;
                let entry = segment.entries.last().expect("it was just pushed");
                Ok(Flow::Then(follow(self.plan, ix, entry, &mut self.context)))
            }
            #[cfg(planted)]
            Appended::Lost(_) if dispatch::is_planted(dispatch::Bug::KeepsItsOwnOutcome) => {
                let entry = segment.entries.last().expect("it was just pushed");
                Ok(Flow::Then(follow(self.plan, ix, entry, &mut self.context)))
            }
            // The winner, or whoever holds the claim now, carries the run on. Should it have died, we come back.
            Appended::Lost(_) => self.yield_until(self.app.clock.now().plus(YIELD)).await,
            Appended::Superseded { until } => self.yield_until(until).await,
        }
    }

    /// Journals the pending outcomes by themselves when they have become large.
    async fn flush_if_large(&mut self) -> Result<Flushed, ExecutorError> {
        if self.pending.iter().map(entry_weight).sum::<usize>() > FLUSH_AT {
            return self.flush().await;
        }
        Ok(Flushed::Kept)
    }

    async fn flush(&mut self) -> Result<Flushed, ExecutorError> {
        if self.pending.is_empty() {
            return Ok(Flushed::Kept);
        }
        let segment = Segment { entries: std::mem::take(&mut self.pending) };
        Ok(match self.app.runs.append(self.org, self.head, &self.strand_name, &segment, None).await? {
            Appended::Lost(stored) if !same_outcomes(&stored, &segment) => Flushed::Overruled,
            Appended::Won | Appended::Lost(_) | Appended::Superseded { .. } => Flushed::Kept,
        })
    }
}

/// What became of outcomes that were journalled by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flushed {
    /// They are recorded, by us or by another worker that computed the same.
    Kept,
    /// Another worker recorded something else. Pure outcomes differ only where time ran out for one and not for the other; what is
    /// stored counts, and our context is void.
    Overruled,
}

fn same_outcomes(one: &Segment, other: &Segment) -> bool {
    one.entries.last().map(|e| (&e.path, e.attempt, &e.mark))
        == other.entries.last().map(|e| (&e.path, e.attempt, &e.mark))
}

/// How long a head is believed between steps.
const HEAD_COUNTS_FOR: Duration = Duration::from_secs(1);

/// How long a worker that lost a race waits before it looks whether the winner went on.
const YIELD: Duration = Duration::from_secs(15);

/// How a strand ends that is of no use any more; not recorded.
fn abandoned() -> RunError {
    RunError::new("abandoned", "another strand of the same step failed")
}

/// An expression's failure as a step's. One that is not the expression's fault may pass.
pub(crate) fn evaluation_error(failure: &EvalFailure) -> StepError {
    let message = format!("`{}` at `{}`: {}", failure.expression, failure.pointer, failure.message);
    if failure.code == expr::codes::GUARD_UNAVAILABLE {
        return StepError::passing(failure.code, message);
    }
    StepError::fatal(failure.code, message)
}

/// Refuses an output that no expression could read, or that could not be read from the journal again.
fn check_size(output: &Value) -> Result<(), StepError> {
    check_size_within(output, domain::limits::MAX_OUTPUT_BYTES)
}

/// The same of what one item must hold.
fn check_inline_size(output: &Value) -> Result<(), StepError> {
    check_size_within(output, domain::limits::MAX_INLINE_BYTES)
}

fn check_size_within(output: &Value, limit: usize) -> Result<(), StepError> {
    if domain::nests_too_deep(output) {
        return Err(StepError::fatal("output_too_large", "the output nests deeper than 100 levels"));
    }
    let bytes = crate::weight::weight(output);
    if bytes <= limit {
        return Ok(());
    }
    let message = format!("the output is about {} KB; {} KB are the most here", bytes / 1024, limit / 1024);
    Err(StepError::fatal("output_too_large", message))
}
