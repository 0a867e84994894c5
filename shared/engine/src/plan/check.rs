//! Faults that only show once a definition is compiled.

use super::{NodeIx, NodeKind, Pausing, Plan};
use domain::workflow::{Step, StepKind};
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
    let mut walk = Walk { plan, nodes, known, faults };
    walk.block(&plan.definition.steps, &mut BTreeSet::new());
}

/// A dedupe expression is evaluated before any step runs.
pub(super) fn dedupe(template: &Template, trigger_at: &str, faults: &mut Vec<Fault>) {
    if !template.references().steps.is_empty() {
        let message = "`dedupe` is evaluated before the first step: it can read `trigger` only";
        faults.push(Fault::new(format!("{trigger_at}/dedupe"), "reference_not_ready", message));
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

fn all_ids<'a>(steps: &'a [Step], into: &mut BTreeSet<&'a str>) {
    for step in steps {
        into.insert(&step.id);
        if let StepKind::Branch { arms, otherwise } = &step.kind {
            for arm in arms {
                all_ids(&arm.steps, into);
            }
            all_ids(otherwise, into);
        }
    }
}

struct Walk<'a> {
    plan: &'a Plan,
    nodes: &'a BTreeMap<String, NodeIx>,
    known: BTreeSet<&'a str>,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Walk<'a> {
    /// Checks steps in order; `before` gathers what can have run.
    fn block(&mut self, steps: &'a [Step], before: &mut BTreeSet<&'a str>) {
        for step in steps {
            if let Some(ix) = self.nodes.get(&step.pointer) {
                self.step(step, *ix, before);
            }
            if let StepKind::Branch { arms, otherwise } = &step.kind {
                let outset = before.clone();
                for block in arms.iter().map(|a| &a.steps).chain([otherwise]) {
                    let mut within = outset.clone();
                    self.block(block, &mut within);
                    before.extend(within);
                }
            }
            before.insert(&step.id);
        }
    }

    fn step(&mut self, step: &Step, ix: NodeIx, before: &BTreeSet<&'a str>) {
        let at = &step.pointer;
        match &self.plan.node(ix).kind {
            NodeKind::Map { output } => self.template(output, &format!("{at}/output"), before),
            NodeKind::Branch { arms, .. } => {
                for (i, (when, _)) in arms.iter().enumerate() {
                    self.template(when, &format!("{at}/arms/{i}/when"), before);
                }
            }
            NodeKind::Action(action) => self.template(&action.input, &format!("{at}/input"), before),
            NodeKind::Wait { pause: Pausing::For(t) } => self.template(t, &format!("{at}/for"), before),
            NodeKind::Wait { pause: Pausing::Until(t) } => self.template(t, &format!("{at}/until"), before),
            NodeKind::Respond { answer } => self.template(answer, at, before),
            NodeKind::Stop { report, .. } => self.template(report, at, before),
        }
    }

    fn template(&mut self, template: &Template, at: &str, before: &BTreeSet<&'a str>) {
        for (pointer, expression) in template.expressions() {
            for name in &expression.references().unknown {
                let message = format!(
                    "nothing here is called `{name}`; expressions read `trigger`, `steps.<id>`, `run` and `org`"
                );
                self.faults.push(Fault::new(format!("{at}{pointer}"), "unknown_name", message));
            }
            for id in &expression.references().steps {
                let pointer = format!("{at}{pointer}");
                if !self.known.contains(id.as_str()) {
                    let message = format!("no step has the id `{id}`");
                    self.faults.push(Fault::new(pointer, "unknown_reference", message));
                } else if !before.contains(id.as_str()) {
                    let message =
                        format!("step `{id}` cannot have run before this one; read it from a later step");
                    self.faults.push(Fault::new(pointer, "reference_not_ready", message));
                }
            }
        }
    }
}
