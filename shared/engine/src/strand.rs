//! Strands: the parts of a run that go on at the same time.
//!
//! The main strand has the empty name. Each arm of a `parallel` step and each lane of a `for_each` step is one more; its name is
//! the path of that step and the number of the arm or lane, `each[17].inner~2`. From the name follows where it stands.

use crate::context::{Lane, split_instance};
use crate::plan::{Next, Scope};
use crate::walk::{enter, next_item};
use crate::{Context, Given, NodeIx, NodeKind, Plan, Then};
use domain::id::digest16;
use domain::run::BlobRef;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A strand other than the main one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strand {
    /// The step that forked it.
    pub block: NodeIx,
    pub lane: u16,
    frames: BTreeMap<String, u32>,
}

impl Strand {
    /// The strand of that name, if the plan has such a step.
    pub fn parse(plan: &Plan, name: &str) -> Option<Self> {
        let (path, lane) = name.rsplit_once('~')?;
        let (bare, frames) = split_instance(path)?;
        let block = plan.by_path(&bare)?;
        let lane = lane.parse().ok()?;
        let lanes = match &plan.node(block).kind {
            NodeKind::ForEach(each) => each.concurrency,
            NodeKind::Parallel { arms } => arms.len() as u16,
            _ => return None,
        };
        (lane < lanes).then_some(Self { block, lane, frames })
    }

    /// One of the strands that a step forks where `context` is now.
    pub fn of(block: NodeIx, lane: u16, context: &Context) -> Self {
        Self { block, lane, frames: context.frames.clone() }
    }

    /// Another strand of the same step.
    #[must_use]
    pub fn beside(&self, lane: u16) -> Self {
        Self { lane, ..self.clone() }
    }

    pub fn name(&self, plan: &Plan) -> String {
        format!("{}~{}", self.block_path(plan), self.lane)
    }

    /// The path of the step that forked it.
    pub fn block_path(&self, plan: &Plan) -> String {
        plan.node(self.block).instance_in(&self.frames)
    }

    /// The strand that forked it; `None` is the main one.
    pub fn parent(&self, plan: &Plan) -> Option<Self> {
        around(plan, self.block, &self.frames)
    }

    /// The paths of all steps whose strands this one is part of, innermost first.
    pub fn blocks(&self, plan: &Plan) -> Vec<String> {
        let mut paths = vec![self.block_path(plan)];
        let mut strand = self.parent(plan);
        while let Some(outer) = strand {
            paths.push(outer.block_path(plan));
            strand = outer.parent(plan);
        }
        paths
    }
}

impl Plan {
    /// The name of the strand that runs the step of this path; `None` if there is no such step.
    pub fn strand_of(&self, path: &str) -> Option<String> {
        let (bare, frames) = split_instance(path)?;
        let node = self.by_path(&bare)?;
        Some(around(self, node, &frames).map(|strand| strand.name(self)).unwrap_or_default())
    }
}

/// The innermost strand around a step.
fn around(plan: &Plan, ix: NodeIx, frames: &BTreeMap<String, u32>) -> Option<Strand> {
    let mut ix = ix;
    loop {
        let (block, lane) = match plan.scope(plan.node(ix).scope) {
            Scope::Run | Scope::OnFailure => return None,
            Scope::Try(outer) | Scope::Catch(outer) | Scope::Finally(outer) | Scope::Iteration(outer) => {
                ix = outer;
                continue;
            }
            Scope::Arm(block, arm) => (block, arm),
            Scope::Item(block) => {
                let NodeKind::ForEach(each) = &plan.node(block).kind else { return None };
                let index = frames.get(&plan.node(block).id).copied().unwrap_or(0);
                (block, (index % u32::from(each.concurrency)) as u16)
            }
        };
        // A loop inside the block is not part of the block's own place.
        let frames = frames.iter().filter(|(id, _)| plan.node(block).loops.iter().any(|at| at.id == **id));
        let frames = frames.map(|(id, n)| (id.clone(), *n)).collect();
        return Some(Strand { block, lane, frames });
    }
}

/// How many strands a step forks over `count` items or arms.
pub fn lanes(plan: &Plan, block: NodeIx, count: u32) -> u16 {
    match &plan.node(block).kind {
        NodeKind::ForEach(each) => u32::from(each.concurrency).min(count) as u16,
        _ => u16::try_from(count).unwrap_or(u16::MAX),
    }
}

/// The beginning of one strand of a step, given the context in which the step was reached and its items.
pub fn outset(plan: &Plan, block: NodeIx, lane: u16, items: &[Value], context: &Context) -> (Context, Then) {
    let mut context = context.clone();
    context.raised.clear();
    match &plan.node(block).kind {
        NodeKind::ForEach(each) => {
            let stride = usize::from(each.concurrency);
            let rest: VecDeque<Value> =
                items.iter().skip(usize::from(lane)).step_by(stride).cloned().collect();
            let count = items.len() as u32;
            context.lane = Some(Lane { count, stride: stride as u32, rest, results: None });
            let then = next_item(plan, block, Some(u32::from(lane)), &mut context);
            (context, then)
        }
        NodeKind::Parallel { arms } => {
            context.lane = None;
            let first =
                arms.get(usize::from(lane)).map_or(Next::End(plan.node(block).scope), |arm| arm.first);
            let then = enter(plan, first, &mut context);
            (context, then)
        }
        _ => (context, Then::StrandEnd(Ok(()))),
    }
}

/// What the strands of a step came to.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    results: Vec<(u32, Given)>,
    failure: Option<(u32, domain::run::RunError)>,
    unfinished: bool,
}

impl Gathered {
    /// Takes in one strand's outcomes: its beginning, and all that is recorded of it.
    pub fn take(
        &mut self,
        plan: &Plan,
        (mut context, then): (Context, Then),
        strand: &Strand,
        entries: &[domain::run::Entry],
        now: domain::Millis,
    ) {
        let node = plan.node(strand.block);
        if let Some(lane) = &mut context.lane {
            lane.results = Some(Vec::new());
        }
        let found = crate::frontier::replay(plan, context, then, entries, now);
        let mut context = found.context;
        let at = match &node.kind {
            NodeKind::ForEach(_) => context.iteration(&node.id),
            _ => u32::from(strand.lane),
        };
        match found.then {
            Then::StrandEnd(Ok(())) => {
                if let NodeKind::Parallel { arms } = &node.kind {
                    let last = arms.get(usize::from(strand.lane)).map_or("", |arm| arm.last.as_str());
                    self.results.push((at, context.output(last)));
                }
            }
            Then::StrandEnd(Err(error)) => {
                if self.failure.as_ref().is_none_or(|(first, _)| at < *first) {
                    self.failure = Some((at, error));
                }
            }
            _ => self.unfinished = true,
        }
        self.results.extend(context.lane.as_mut().and_then(|lane| lane.results.take()).unwrap_or_default());
    }

    /// What was taken in so far: whoever collects looks at its size.
    pub fn given(&self) -> impl Iterator<Item = &Given> {
        self.results.iter().map(|(_, given)| given)
    }

    /// The results that must be fetched before they can be put together.
    pub fn spilled(&self) -> Vec<BlobRef> {
        let spilled = self.given().filter_map(|given| match given {
            Given::Spilled(blob) => Some(blob.clone()),
            Given::Value(_) => None,
        });
        spilled.collect()
    }

    /// The step's output, or the failure of the first item or arm that failed. `None`: a strand has not ended, and none failed.
    /// `fetched` has what [`spilled`](Self::spilled) names.
    pub fn outcome(
        mut self,
        plan: &Plan,
        block: NodeIx,
        fetched: &HashMap<BlobRef, Value>,
    ) -> Option<Result<Value, domain::run::RunError>> {
        if let Some((_, error)) = self.failure {
            return Some(Err(error));
        }
        if self.unfinished {
            return None;
        }
        self.results.sort_by_key(|(at, _)| *at);
        let results = self.results.into_iter().map(|(at, given)| match given {
            Given::Value(value) => (at, value),
            Given::Spilled(blob) => (at, fetched.get(&blob).cloned().unwrap_or_default()),
        });
        Some(Ok(match &plan.node(block).kind {
            NodeKind::Parallel { arms } => {
                let ids = |at: u32| arms.get(at as usize).map(|arm| arm.id.clone()).unwrap_or_default();
                Value::Object(results.map(|(at, value)| (ids(at), value)).collect())
            }
            _ => Value::Array(results.map(|(_, value)| value).collect()),
        }))
    }
}

/// The items of a `for_each` step: a list as it is, null as none, anything else as the only one.
pub fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items,
        one => vec![one],
    }
}

/// What tells whether items that are computed again are the same ones. Never 0.
pub fn digest(items: &[Value]) -> u64 {
    let text = serde_json::to_string(items).unwrap_or_default();
    let digest = digest16(&["items", &text]);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first).max(1)
}

/// What `item` and `index` read.
pub(crate) fn set_item(context: &mut Context, index: u32, item: Value) {
    context.set_name("item", item);
    context.set_name("index", json!(index));
}
