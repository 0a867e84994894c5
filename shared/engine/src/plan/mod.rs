//! A definition made ready to run: nodes, their successors, and what each still needs.

mod action;
mod check;
mod compile;

use domain::Fault;
use domain::workflow::{Definition, OnError, Retry, StopAs};
use expr::pattern::Pattern;
use expr::{References, Template};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The index of a node in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(u32);

/// A compiled definition: immutable, shared, cached by version.
#[derive(Debug)]
pub struct Plan {
    definition: Definition,
    nodes: Vec<Node>,
    first: Option<NodeIx>,
    by_path: BTreeMap<String, NodeIx>,
    dedupe: BTreeMap<String, Template>,
    patterns: BTreeMap<String, Pattern>,
}

/// One step, where it stands, and where it leads.
#[derive(Debug)]
pub struct Node {
    pub id: String,
    /// The path of the step through the blocks around it, such as `hot.tell`.
    pub path: String,
    pub on_error: OnError,
    pub kind: NodeKind,
    /// What runs after this step (for a branch: after its arms).
    pub next: Option<NodeIx>,
    /// What this step and all that can follow it may read.
    pub live: Live,
}

#[derive(Debug)]
pub enum NodeKind {
    Map { output: Template },
    Branch { arms: Vec<(Template, Option<NodeIx>)>, otherwise: Option<NodeIx> },
    Action(ActionNode),
    Wait { pause: Pausing },
    Respond { answer: Template },
    Stop { status: StopAs, report: Template },
}

#[derive(Debug)]
pub struct ActionNode {
    pub uses: String,
    pub input: Template,
    pub retry: Retry,
    pub timeout: Duration,
    pub at_most_once: bool,
    pub idempotent: Option<bool>,
}

#[derive(Debug)]
pub enum Pausing {
    For(Template),
    Until(Template),
}

/// Which parts of the scope can still be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    pub everything: bool,
    pub trigger: bool,
    pub steps: BTreeSet<String>,
}

impl Live {
    fn add(&mut self, references: &References) {
        self.everything |= references.everything;
        self.trigger |= references.trigger;
        self.steps.extend(references.steps.iter().cloned());
    }

    fn join(&mut self, other: &Live) {
        self.everything |= other.everything;
        self.trigger |= other.trigger;
        self.steps.extend(other.steps.iter().cloned());
    }
}

impl Plan {
    /// Reads and compiles a definition; gives every fault at once.
    pub fn parse(document: &serde_json::Value) -> Result<Self, Vec<Fault>> {
        let (definition, mut faults) = domain::workflow::parse(document);
        let Some(definition) = definition else { return Err(faults) };
        let (plan, more) = compile::compile(definition);
        faults.extend(more);
        if faults.is_empty() { Ok(plan) } else { Err(faults) }
    }

    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    pub fn first(&self) -> Option<NodeIx> {
        self.first
    }

    pub fn node(&self, ix: NodeIx) -> &Node {
        &self.nodes[ix.0 as usize]
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub fn by_path(&self, path: &str) -> Option<NodeIx> {
        self.by_path.get(path).copied()
    }

    /// The expression that gives a webhook's idempotency key, where the trigger has one.
    pub fn dedupe(&self, trigger: &str) -> Option<&Template> {
        self.dedupe.get(trigger)
    }

    /// The pattern of an event trigger.
    pub fn pattern(&self, trigger: &str) -> Option<&Pattern> {
        self.patterns.get(trigger)
    }
}
