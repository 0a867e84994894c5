//! Faults that only show once a definition is compiled.

use super::{NodeIx, Plan};
use domain::workflow::{Pause, Step, StepKind};
use domain::{Fault, Millis, duration};
use expr::Template;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Every `steps.x` must name a step that can have run before.
///
/// `nodes` finds a step's node by the step's pointer: paths are not unique while there are faults.
pub(super) fn references(plan: &Plan, nodes: &BTreeMap<String, NodeIx>, faults: &mut Vec<Fault>) {
    let mut known = BTreeSet::new();
    all_ids(&plan.definition.steps, &mut known);
    all_ids(&plan.definition.on_failure, &mut known);
    let mut walk = Walk { plan, nodes, known, faults, in_loop: false };
    let mut before = BTreeSet::new();
    walk.block(&plan.definition.steps, &mut before);
    walk.block(&plan.definition.on_failure, &mut before);
}

/// The field of the object at `at` is evaluated before any step runs.
pub(super) fn before_steps(field: &str, template: &Template, at: &str, faults: &mut Vec<Fault>) {
    if !template.references().steps.is_empty() {
        let message = format!("`{field}` is evaluated before the first step: it can read `trigger` only");
        faults.push(Fault::new(format!("{at}/{field}"), "reference_not_ready", message));
    }
    if template.references().vars {
        let message =
            format!("`{field}` is evaluated before the run has its variables: it can read `trigger` only");
        faults.push(Fault::new(format!("{at}/{field}"), "reference_not_ready", message));
    }
}

/// A duration that is not an expression must be one already.
pub(super) fn constant_duration(value: &Value, at: &str) -> Option<Fault> {
    match value {
        Value::String(text) if text.contains("{{") => None,
        Value::String(text) => {
            duration::parse(text).err().map(|e| Fault::new(at, "invalid_duration", e.to_string()))
        }
        _ => Some(Fault::new(
            at,
            "type_mismatch",
            "`for` must be an ISO 8601 duration or an expression that gives one",
        )),
    }
}

/// A time that is not an expression must be one already.
pub(super) fn constant_time(value: &Value, at: &str) -> Option<Fault> {
    match value {
        Value::String(text) if text.contains("{{") || Millis::parse_rfc3339(text).is_some() => None,
        _ => {
            let message = "`until` must be an RFC 3339 time such as `2026-12-24T18:00:00Z`, or an expression that gives one";
            Some(Fault::new(at, "invalid_time", message))
        }
    }
}

/// Where in a step its template stands; nothing for those that are made of several fields.
pub(super) fn field(kind: &StepKind) -> &'static str {
    match kind {
        StepKind::Map { .. } => "/output",
        StepKind::Filter { .. } | StepKind::While { .. } => "/when",
        StepKind::ForEach(_) => "/items",
        StepKind::Action(_) | StepKind::Workflow { .. } => "/input",
        StepKind::Wait { pause: Pause::For(_) } => "/for",
        StepKind::Wait { pause: Pause::Until(_) } => "/until",
        _ => "",
    }
}

fn all_ids<'a>(steps: &'a [Step], into: &mut BTreeSet<&'a str>) {
    for step in steps {
        into.insert(&step.id);
        step.blocks().into_iter().for_each(|block| all_ids(block, into));
    }
}

struct Walk<'a> {
    plan: &'a Plan,
    nodes: &'a BTreeMap<String, NodeIx>,
    known: BTreeSet<&'a str>,
    faults: &'a mut Vec<Fault>,
    /// Whether `item` and `index` have a meaning.
    in_loop: bool,
}

impl<'a> Walk<'a> {
    /// Checks steps in order; `before` gathers what can have run, as far as it can be read later in the same strand.
    fn block(&mut self, steps: &'a [Step], before: &mut BTreeSet<&'a str>) {
        for step in steps {
            match &step.kind {
                // A loop's condition may read what its steps gave the last time.
                StepKind::While { steps, .. } => {
                    before.insert(&step.id);
                    let mut within = before.clone();
                    all_of_strand(steps, &mut within);
                    self.step(step, &within);
                    self.block(steps, before);
                }
                StepKind::Try { steps, catch, finally } => {
                    self.block(steps, before);
                    before.insert(&step.id);
                    self.block(catch, before);
                    self.block(finally, before);
                }
                StepKind::Parallel { .. } | StepKind::ForEach(_) => {
                    self.step(step, before);
                    let outside = self.in_loop;
                    self.in_loop |= matches!(step.kind, StepKind::ForEach(_));
                    for block in step.blocks() {
                        self.block(block, &mut before.clone());
                    }
                    self.in_loop = outside;
                }
                _ => {
                    self.step(step, before);
                    let outset = before.clone();
                    for block in step.blocks() {
                        let mut within = outset.clone();
                        self.block(block, &mut within);
                        before.extend(within);
                    }
                }
            }
            before.insert(&step.id);
        }
    }

    fn step(&mut self, step: &Step, before: &BTreeSet<&'a str>) {
        let at = &step.pointer;
        let Some(ix) = self.nodes.get(at) else { return };
        let kind = &self.plan.node(*ix).kind;
        for (i, template) in kind.templates().into_iter().enumerate() {
            let at = match &step.kind {
                StepKind::Branch { arms, .. } => format!("{}/when", arms[i].pointer),
                other => format!("{at}{}", field(other)),
            };
            self.template(template, &at, before);
        }
    }

    fn template(&mut self, template: &Template, at: &str, before: &BTreeSet<&'a str>) {
        for (pointer, expression) in template.expressions() {
            for name in &expression.references().unknown {
                let message = format!(
                    "nothing here is called `{name}`; expressions read `trigger`, `steps.<id>`, `item`, `index`, `error`, `callbacks`, `vars`, `run` and `org`"
                );
                self.faults.push(Fault::new(format!("{at}{pointer}"), "unknown_name", message));
            }
            if expression.references().item && !self.in_loop {
                let message = "`item` and `index` have a meaning inside a `for_each` step only";
                self.faults.push(Fault::new(format!("{at}{pointer}"), "reference_not_ready", message));
            }
            for id in &expression.references().steps {
                let pointer = format!("{at}{pointer}");
                if !self.known.contains(id.as_str()) {
                    let message = format!("no step has the id `{id}`");
                    self.faults.push(Fault::new(pointer, "unknown_reference", message));
                } else if !before.contains(id.as_str()) {
                    let message = format!(
                        "step `{id}` cannot have run before this one, or is inside a loop or an arm: its steps are read there only, and from outside by the loop's own id"
                    );
                    self.faults.push(Fault::new(pointer, "reference_not_ready", message));
                }
            }
        }
    }
}

/// The steps of a list whose outputs can be read after it: not those inside strands of their own.
fn all_of_strand<'a>(steps: &'a [Step], into: &mut BTreeSet<&'a str>) {
    for step in steps {
        into.insert(&step.id);
        if !matches!(step.kind, StepKind::Parallel { .. } | StepKind::ForEach(_)) {
            step.blocks().into_iter().for_each(|block| all_of_strand(block, into));
        }
    }
}
