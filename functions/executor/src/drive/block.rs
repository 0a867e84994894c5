//! Blocks whose steps go on at the same time: their beginning, and their end (protocol rule 14).

use super::pure::BUSY;
use super::{Drive, Flow, Flushed, check_size};
use crate::ExecutorError;
use crate::weight::weight;
use dispatch::{At, StepMessage};
use domain::run::{RunError, StepError};
use domain::{Millis, limits};
use engine::{Context, Event, Gathered, Given, NodeIx, NodeKind, Strand, Then, digest, lanes, outset};
use futures::future::try_join_all;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

impl Drive<'_> {
    /// Begins the strands of a block: all but the first by messages, the first one here.
    pub(super) async fn fork(&mut self, ix: NodeIx, attempt: u16) -> Result<Flow, ExecutorError> {
        let started_at = self.app.clock.now();
        if self.flush_if_large().await? == Flushed::Overruled {
            return self.yield_until(started_at).await;
        }
        let items = match self.place.fork_items(ix, &self.context).await {
            Ok(items) if items.len() <= limits::MAX_ITEMS => items,
            Ok(items) => {
                let (count, most) = (items.len(), limits::MAX_ITEMS);
                let message = format!("{count} items are too many; a loop takes {most}");
                let event = Event::Failed(StepError::fatal("too_many_items", message));
                return self.settle(ix, attempt, started_at, None, event, None).await;
            }
            Err(error) if error.retryable => return self.yield_until(started_at.plus(BUSY)).await,
            Err(error) => {
                return self.settle(ix, attempt, started_at, None, Event::Failed(error), None).await;
            }
        };
        let count = items.len() as u32;
        let lanes = lanes(self.plan, ix, count);
        if lanes == 0 {
            let event = Event::Joined(json!([]));
            return self.settle(ix, attempt, started_at, None, event, None).await;
        }
        let context = self.context.clone();
        let digest = match &self.plan.node(ix).kind {
            NodeKind::ForEach(_) => digest(&items),
            _ => 0,
        };
        let event = Event::Forking { lanes, count, digest };
        match self.settle(ix, attempt, started_at, None, event, None).await? {
            // Ours was the journal write: so are the strands to begin.
            Flow::Then(_) => self.launch(ix, lanes, &items, context).await,
            Flow::Handed => Ok(Flow::Handed),
        }
    }

    async fn launch(
        &mut self,
        ix: NodeIx,
        lanes: u16,
        items: &[Value],
        context: Context,
    ) -> Result<Flow, ExecutorError> {
        let queue = &self.app.queue;
        let others = (1..lanes).map(|lane| {
            let strand = Strand::of(ix, lane, &context);
            let message = self.first_of(&strand, outset(self.plan, ix, lane, items, &context));
            async move { queue.send(&message, Duration::ZERO).await }
        });
        try_join_all(others).await?;
        let first = Strand::of(ix, 0, &context);
        let (inner, then) = outset(self.plan, ix, 0, items, &context);
        if self.budget_used() {
            let message = self.first_of(&first, (inner, then));
            self.app.queue.send(&message, Duration::ZERO).await?;
            return Ok(Flow::Handed);
        }
        self.forks.push((first.clone(), context));
        self.context = inner;
        self.enter(Some(first));
        Ok(Flow::Then(then))
    }

    /// The message that begins a strand.
    fn first_of(&self, strand: &Strand, (mut context, then): (Context, Then)) -> StepMessage {
        let again = StepMessage::again_in(self.org.org(), &self.head.id, &strand.name(self.plan))
            .on(self.head.priority);
        let Then::Go(ix) = then else { return again };
        let node = self.plan.node(ix);
        context.prune(&node.live);
        let at = Some(At { path: node.path.clone(), attempt: 1 });
        StepMessage { at, context: Some(context), again: false, ..again }.formatted()
    }

    /// Ends this strand; if it was the last one of its block, goes on with the strand that forked it.
    pub(super) async fn strand_end(&mut self, result: Result<(), RunError>) -> Result<Flow, ExecutorError> {
        let Some(strand) = self.strand.clone() else {
            // The main strand ends with its run.
            return Ok(Flow::Handed);
        };
        #[cfg(planted)]
        if dispatch::is_planted(dispatch::Bug::JoinsTooEarly) {
            let block = strand.block_path(self.plan);
            self.app.runs.join(self.org, self.head, &block, Some(strand.lane)).await?;
        }
        if self.flush().await? == Flushed::Overruled {
            return self.yield_until(self.app.clock.now()).await;
        }
        let block = strand.block_path(self.plan);
        let was_aborted = self.aborted.contains(&block);
        if result.is_err() && !was_aborted && self.lanes_beside(&strand) > 1 {
            // Before the strand counts as ended: whoever sees the set complete sees the failure, too.
            self.app.runs.abort(self.org, &self.head.id, &block).await?;
        }
        let ended = self.app.runs.join(self.org, self.head, &block, Some(strand.lane)).await?;
        let lanes = self.lanes_beside(&strand);
        if ended.len() < usize::from(lanes) {
            if result.is_err() && !was_aborted {
                // The others may wait for long: they are told.
                self.tell(&strand, lanes, &ended).await?;
            }
            return Ok(Flow::Handed);
        }
        let context = match self.forks.pop_if(|(first, _)| *first == strand) {
            Some((_, context)) => context,
            None => self.place.fork_point(&strand).await?,
        };
        let parent = strand.parent(self.plan);
        self.context = context;
        self.enter(parent);
        if self.is_aborted() {
            return Ok(Flow::Then(Then::StrandEnd(Err(super::abandoned()))));
        }
        self.gather(strand.block, 2, lanes).await
    }

    /// How many strands the block of this one has.
    fn lanes_beside(&self, strand: &Strand) -> u16 {
        let count = match &self.plan.node(strand.block).kind {
            NodeKind::Parallel { arms } => arms.len() as u32,
            _ => self.context.items_in_all(),
        };
        lanes(self.plan, strand.block, count)
    }

    /// A block's strand comes back to it, not knowing how far its strands are.
    pub(super) async fn rejoin(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        lanes: u16,
        recorded: (u32, u64),
    ) -> Result<Flow, ExecutorError> {
        let strand = Strand::of(ix, 0, &self.context);
        if self.head.origin.is_some()
            && let Some(flow) = self.refuse_other_items(ix, attempt, recorded, &strand).await?
        {
            return Ok(flow);
        }
        let block = strand.block_path(self.plan);
        let ended = self.app.runs.join(self.org, self.head, &block, None).await?;
        if ended.len() < usize::from(lanes) {
            // Each finds out by itself where it stands.
            self.tell(&strand, lanes, &ended).await?;
            return Ok(Flow::Handed);
        }
        self.context = self.place.fork_point(&strand).await?;
        self.gather(ix, attempt, lanes).await
    }

    /// A run that takes over another's items computes them anew, with a clock and an id of its own: if they are others now, their
    /// outcomes must not be taken for theirs.
    async fn refuse_other_items(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        (count, recorded): (u32, u64),
        strand: &Strand,
    ) -> Result<Option<Flow>, ExecutorError> {
        let context = self.place.fork_point(strand).await?;
        let now = self.app.clock.now();
        match self.place.fork_items(ix, &context).await {
            // Of a run of an earlier version only the number is known; a `parallel` has no items.
            Ok(items) if recorded == 0 && items.len() as u64 == u64::from(count) => return Ok(None),
            Ok(items) if recorded == digest(&items) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.retryable => return self.yield_until(now.plus(BUSY)).await.map(Some),
            Err(error) => return Err(ExecutorError::NoSuchStrand(error.message)),
        }
        self.context = context;
        let message = "`items` gives other items than in the run that this one repeats; replay it from before this step";
        let event = Event::Failed(StepError::fatal("items_changed", message));
        self.settle(ix, attempt, now, None, event, None).await.map(Some)
    }

    /// Sends each strand that has not ended its message again.
    async fn tell(&self, strand: &Strand, lanes: u16, ended: &BTreeSet<u16>) -> Result<(), ExecutorError> {
        let queue = &self.app.queue;
        let others = (0..lanes).filter(|lane| !ended.contains(lane)).map(|lane| {
            let name = strand.beside(lane).name(self.plan);
            let message = StepMessage::again_in(self.org.org(), &self.head.id, &name).on(self.head.priority);
            async move { queue.send(&message, Duration::ZERO).await }
        });
        try_join_all(others).await?;
        Ok(())
    }

    /// Records what the strands of a block gave. `self` is in the strand that forked them, where it did.
    async fn gather(&mut self, ix: NodeIx, attempt: u16, lanes: u16) -> Result<Flow, ExecutorError> {
        let started_at = self.app.clock.now();
        let items = match self.place.fork_items(ix, &self.context).await {
            Ok(items) => items,
            Err(error) if error.retryable => return self.yield_until(started_at.plus(BUSY)).await,
            Err(error) => return Err(ExecutorError::NoSuchStrand(error.message)),
        };
        let mut gathered = Gathered::default();
        for lane in 0..lanes {
            let strand = Strand::of(ix, lane, &self.context);
            let begun = outset(self.plan, ix, lane, &items, &self.context);
            // One strand's journal at a time is held.
            let journal = self.place.journal(Some(&strand)).await?;
            // They have ended: whatever they waited for is over, by whatever clock.
            gathered.take(self.plan, begun, &strand, &journal, Millis(i64::MAX));
        }
        let spilled = gathered.spilled();
        let bytes: u64 = gathered.given().map(bytes_of).sum();
        let _room = self.app.memory.room(bytes).await;
        let mut fetched = HashMap::new();
        if bytes <= limits::MAX_OUTPUT_BYTES as u64 {
            for blob in spilled {
                match self.place.fetch(&blob).await {
                    Ok(value) => drop(fetched.insert(blob, value)),
                    Err(error) if error.retryable => return self.yield_until(started_at.plus(BUSY)).await,
                    Err(error) => {
                        let event = Event::Failed(error);
                        return self.settle(ix, attempt, started_at, None, event, None).await;
                    }
                }
            }
        }
        let event = match gathered.outcome(self.plan, ix, &fetched) {
            Some(Ok(_)) if bytes > limits::MAX_OUTPUT_BYTES as u64 => {
                let most = limits::MAX_OUTPUT_BYTES / 1024;
                let message = format!(
                    "the results are about {} KB together; {most} KB are the most: let the last step of an item give less",
                    bytes / 1024
                );
                Event::Failed(StepError::fatal("output_too_large", message))
            }
            Some(Ok(output)) => check_size(&output).map_or_else(Event::Failed, |()| Event::Joined(output)),
            Some(Err(error)) => Event::Failed(
                StepError::fatal(&error.code, error.message).with_details(json!({"step": error.step})),
            ),
            None => {
                // A strand stopped half way: it saw a failure around this block before we did.
                if let Some(head) = self.app.runs.head(self.org, &self.head.id, false).await? {
                    self.aborted = head.aborted;
                }
                if self.is_aborted() {
                    return Ok(Flow::Then(Then::StrandEnd(Err(super::abandoned()))));
                }
                Event::Failed(StepError::fatal("internal", "a strand counts as ended but has not"))
            }
        };
        self.settle(ix, attempt, started_at, None, event, None).await
    }
}

/// About how many bytes of JSON a result has.
fn bytes_of(given: &Given) -> u64 {
    match given {
        Given::Value(value) => weight(value) as u64,
        Given::Spilled(blob) => blob.bytes,
    }
}
