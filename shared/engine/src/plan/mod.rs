//! A definition made ready to run: nodes, what follows each, and what each still needs.

mod action;
mod check;
mod compile;
mod live;
mod validate;

pub use live::Live;

use domain::run::GatherRule;
use domain::workflow::{
    Definition, Language, OnError, OnTimeout, Retry, Step, StepKind, StopAs, WhenFull, is_built_in,
};
use domain::{ConnectionId, Fault, Millis, WorkflowId};
use expr::Template;
use expr::pattern::Pattern;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The index of a node in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(u32);

/// The index of a scope in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeIx(u32);

/// A compiled definition: immutable, shared, cached by version.
#[derive(Debug)]
pub struct Plan {
    definition: Definition,
    nodes: Vec<Node>,
    scopes: Vec<Scope>,
    first: Next,
    on_failure: Option<Next>,
    by_path: BTreeMap<String, NodeIx>,
    concurrency: Option<ConcurrencyNode>,
    dedupe: BTreeMap<String, Template>,
    gathers: BTreeMap<String, GatherNode>,
    patterns: BTreeMap<String, Pattern>,
}

/// How many runs may be under way at the same time.
#[derive(Debug)]
pub struct ConcurrencyNode {
    pub limit: u16,
    /// Runs for which this gives the same share the limit.
    pub key: Option<Template>,
    pub when_full: WhenFull,
}

/// How a trigger gathers events.
#[derive(Debug)]
pub struct GatherNode {
    pub rule: GatherRule,
    /// Events for which this gives the same are gathered together. It needs no guard.
    pub key: Option<Template>,
}

impl GatherNode {
    /// Whether a run that has so many events begins at once.
    pub fn is_full(&self, count: u32) -> bool {
        matches!(self.rule, GatherRule::Batch { size, .. } if count >= u32::from(size))
    }

    /// The key of an event; the empty one, which all share that have none, if it cannot be computed.
    pub fn key_of(&self, trigger: &Value, now: Millis) -> String {
        let Some(template) = &self.key else { return String::new() };
        let scope = serde_json::json!({"trigger": trigger});
        let seed = expr::Seed { now_ms: now.0, random: 0 };
        match template.render_in_place(&scope, &seed, &expr::Limits::default()) {
            Ok(Value::String(text)) => text,
            Ok(value) => value.to_string(),
            Err(_) => String::new(),
        }
    }
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
    pub next: Next,
    /// What runs after the list of steps in which this one stands.
    pub(crate) skip: Next,
    /// Whether that list is an arm of a branch: then a filter ends no more than the arm.
    pub(crate) in_arm: bool,
    pub(crate) scope: ScopeIx,
    /// The loops around this step, outermost first; a `while` is one of its own.
    pub(crate) loops: Vec<LoopAt>,
    /// What this step and all that can follow it in its strand may read.
    pub live: Live,
}

/// Where the iteration of a loop is written in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoopAt {
    pub(crate) id: String,
    /// The end of the loop's own name in the path.
    pub(crate) end: usize,
}

/// What follows a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Node(NodeIx),
    /// The list of steps is over.
    End(ScopeIx),
}

/// Whose steps a list of steps is: what its end and its failures mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Run,
    OnFailure,
    Try(NodeIx),
    Catch(NodeIx),
    Finally(NodeIx),
    /// One iteration of a `while`.
    Iteration(NodeIx),
    /// One item of a `for_each`.
    Item(NodeIx),
    /// One arm of a `parallel`.
    Arm(NodeIx, u16),
}

#[derive(Debug)]
pub enum NodeKind {
    Map {
        output: Template,
    },
    Branch {
        arms: Vec<(Template, Next)>,
        otherwise: Next,
    },
    Filter {
        when: Template,
    },
    Parallel {
        arms: Vec<ArmNode>,
    },
    ForEach(ForEachNode),
    While {
        when: Template,
        max_iterations: u32,
        first: Next,
    },
    /// Has no outcome of its own: its steps do.
    Try {
        first: Next,
        catch: Option<Next>,
        finally: Option<Next>,
    },
    Action(ActionNode),
    Wait {
        pause: Pausing,
    },
    Approval(ApprovalNode),
    Workflow {
        workflow: WorkflowId,
        input: Template,
        wait: bool,
    },
    Code(CodeNode),
    Emit {
        event: Template,
    },
    Respond {
        answer: Template,
    },
    Stop {
        status: StopAs,
        report: Template,
    },
}

#[derive(Debug)]
pub struct ArmNode {
    pub id: String,
    pub(crate) first: Next,
    /// The step whose output is the arm's.
    pub(crate) last: String,
}

#[derive(Debug)]
pub struct ForEachNode {
    pub items: Template,
    pub concurrency: u16,
    pub(crate) on_item_error: OnError,
    pub(crate) first: Next,
    /// The step whose output is the item's result.
    pub(crate) last: String,
    /// Every step inside.
    pub(crate) inner: Vec<String>,
}

#[derive(Debug)]
pub struct ActionNode {
    pub uses: String,
    pub connection: Option<ConnectionId>,
    pub input: Template,
    pub retry: Retry,
    pub timeout: Duration,
    pub at_most_once: bool,
    pub idempotent: Option<bool>,
    /// How long the end of what it started is waited for; `None` takes its answer.
    pub wait: Option<Duration>,
}

#[derive(Debug)]
pub struct ApprovalNode {
    /// `to`, `title` and `message`.
    pub question: Template,
    pub timeout: Duration,
    pub on_timeout: OnTimeout,
    pub remind_every: Option<Duration>,
}

#[derive(Debug)]
pub struct CodeNode {
    pub language: Language,
    pub source: String,
    pub input: Template,
    pub timeout: Duration,
}

#[derive(Debug)]
pub enum Pausing {
    For(Template),
    Until(Template),
    Callback { timeout: Duration },
}

impl NodeKind {
    /// The step type as definitions name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Map { .. } => "map",
            Self::Branch { .. } => "branch",
            Self::Filter { .. } => "filter",
            Self::Parallel { .. } => "parallel",
            Self::ForEach(_) => "for_each",
            Self::While { .. } => "while",
            Self::Try { .. } => "try",
            Self::Action(_) => "action",
            Self::Wait { .. } => "wait",
            Self::Approval(_) => "approval",
            Self::Workflow { .. } => "workflow",
            Self::Code(_) => "code",
            Self::Emit { .. } => "emit",
            Self::Respond { .. } => "respond",
            Self::Stop { .. } => "stop",
        }
    }

    /// Whether a repetition gives the same without a trace elsewhere, so that the step needs no journal write of its own.
    pub fn is_pure(&self) -> bool {
        match self {
            Self::Map { .. }
            | Self::Branch { .. }
            | Self::Filter { .. }
            | Self::While { .. }
            | Self::Try { .. }
            | Self::Stop { .. } => true,
            Self::Parallel { .. }
            | Self::ForEach(_)
            | Self::Action(_)
            | Self::Wait { .. }
            | Self::Approval(_)
            | Self::Workflow { .. }
            | Self::Code(_)
            | Self::Emit { .. }
            | Self::Respond { .. } => false,
        }
    }

    /// Whether the step waits for a call or a decision, which comes by a signed address.
    pub fn is_answered_by_address(&self) -> bool {
        matches!(self, Self::Approval(_) | Self::Wait { pause: Pausing::Callback { .. } })
    }

    /// Everything that the step evaluates.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Map { output } => vec![output],
            Self::Branch { arms, .. } => arms.iter().map(|(when, _)| when).collect(),
            Self::Filter { when } | Self::While { when, .. } => vec![when],
            Self::Parallel { .. } | Self::Try { .. } | Self::Wait { pause: Pausing::Callback { .. } } => {
                Vec::new()
            }
            Self::ForEach(each) => vec![&each.items],
            Self::Action(action) => vec![&action.input],
            Self::Wait { pause: Pausing::For(template) | Pausing::Until(template) } => vec![template],
            Self::Approval(approval) => vec![&approval.question],
            Self::Workflow { input, .. } => vec![input],
            Self::Code(code) => vec![&code.input],
            Self::Emit { event } => vec![event],
            Self::Respond { answer } => vec![answer],
            Self::Stop { report, .. } => vec![report],
        }
    }
}

impl Plan {
    /// Reads and compiles a definition; gives every fault at once.
    pub fn parse(document: &serde_json::Value) -> Result<Self, Vec<Fault>> {
        Self::read(document, |_, _| Vec::new())
    }

    /// Reads and compiles a definition that shall be saved. Refuses also what would run, but cannot be meant: steps that are never
    /// reached, members that nothing has, values of the wrong kind. Stored definitions are not held to it: a rule that is new here
    /// must not break them.
    pub fn parse_new(document: &serde_json::Value) -> Result<Self, Vec<Fault>> {
        Self::read(document, validate::faults)
    }

    fn read(
        document: &serde_json::Value,
        further: impl FnOnce(&Self, &BTreeMap<String, NodeIx>) -> Vec<Fault>,
    ) -> Result<Self, Vec<Fault>> {
        let (definition, mut faults) = domain::workflow::parse(document);
        let Some(definition) = definition else { return Err(faults) };
        let (plan, nodes, more) = compile::compile(definition);
        faults.extend(more);
        faults.extend(further(&plan, &nodes));
        if faults.is_empty() { Ok(plan) } else { Err(faults) }
    }

    /// The workflows that its steps call, with the place where each is named.
    pub fn calls(&self) -> Vec<(String, &WorkflowId)> {
        let mut calls = Vec::new();
        let mut open: Vec<&Step> = self.definition.steps.iter().chain(&self.definition.on_failure).collect();
        while let Some(step) = open.pop() {
            if let StepKind::Workflow { .. } = step.kind {
                let nodes = self.nodes.iter().filter(|node| node.id == step.id);
                calls.extend(nodes.filter_map(|node| match &node.kind {
                    NodeKind::Workflow { workflow, .. } => {
                        Some((format!("{}/workflow", step.pointer), workflow))
                    }
                    _ => None,
                }));
            }
            open.extend(step.blocks().into_iter().flatten());
        }
        calls
    }

    /// The steps that run code, each with its place in the definition.
    pub fn code_steps(&self) -> Vec<&Step> {
        self.definition.all_steps().filter(|step| matches!(step.kind, StepKind::Code(_))).collect()
    }

    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    pub(crate) fn first(&self) -> Next {
        self.first
    }

    pub(crate) fn on_failure(&self) -> Option<Next> {
        self.on_failure
    }

    pub fn node(&self, ix: NodeIx) -> &Node {
        &self.nodes[ix.0 as usize]
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn scope(&self, ix: ScopeIx) -> Scope {
        self.scopes[ix.0 as usize]
    }

    pub fn by_path(&self, path: &str) -> Option<NodeIx> {
        self.by_path.get(path).copied()
    }

    /// Whether some step waits for a call or a decision, which comes by a signed address.
    pub fn has_callbacks(&self) -> bool {
        self.nodes.iter().any(|n| n.kind.is_answered_by_address())
    }

    /// Whether some expression may read the organisation's variables.
    pub fn reads_variables(&self) -> bool {
        let reads = |template: &&Template| template.references().vars || template.references().everything;
        self.nodes.iter().any(|n| n.kind.templates().iter().any(reads))
    }

    /// Whether some step waits for the end of a run that it calls.
    pub fn calls_and_waits(&self) -> bool {
        self.nodes.iter().any(|n| matches!(n.kind, NodeKind::Workflow { wait: true, .. }))
    }

    /// Whether some step may wait for the end of what it started at an app.
    pub fn may_wait_for_apps(&self) -> bool {
        self.nodes.iter().any(|n| {
            matches!(&n.kind, NodeKind::Action(action) if action.wait.is_some() && !is_built_in(&action.uses))
        })
    }

    /// How many runs may be under way at the same time, where there is a limit.
    pub fn concurrency(&self) -> Option<&ConcurrencyNode> {
        self.concurrency.as_ref()
    }

    /// How a trigger gathers events, if it does.
    pub fn gather(&self, trigger: &str) -> Option<&GatherNode> {
        self.gathers.get(trigger)
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
