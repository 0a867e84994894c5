//! What a definition may not have when it is saved, though it could be run.

mod reach;
mod shape;

use super::{NodeIx, NodeKind, Pausing, Plan};
use domain::Fault;
use domain::workflow::{Step, StepKind, TriggerKind};
use expr::{Outline, Template};
use shape::{Shape, Shapes};
use std::collections::BTreeMap;

/// Every such fault. `nodes` finds a step's node by the step's pointer.
pub(super) fn faults(plan: &Plan, nodes: &BTreeMap<String, NodeIx>) -> Vec<Fault> {
    let definition = &plan.definition;
    let mut faults = Vec::new();
    reach::block(&definition.steps, &mut faults);
    reach::block(&definition.on_failure, &mut faults);

    let kinds: Vec<&TriggerKind> = definition.triggers.iter().map(|trigger| &trigger.kind).collect();
    let mut shapes = Shapes::new(&kinds);
    let steps: Vec<(&Step, NodeIx)> = all(&definition.steps)
        .into_iter()
        .chain(all(&definition.on_failure))
        .filter_map(|step| Some((step, *nodes.get(&step.pointer)?)))
        .collect();
    for (step, node) in &steps {
        shapes.add(step, plan.node(*node));
    }
    for (step, node) in steps {
        of_step(&shapes, step, &plan.node(node).kind, &mut faults);
    }
    if let Some(key) = plan.concurrency.as_ref().and_then(|of| of.key.as_ref()) {
        members(&shapes, key, "/concurrency/key", &mut faults);
    }
    for trigger in &definition.triggers {
        let own = Shapes::of_event(&trigger.kind);
        if let Some(dedupe) = plan.dedupe(&trigger.id) {
            members(&own, dedupe, &format!("{}/dedupe", trigger.pointer), &mut faults);
        }
        let gather = trigger.kind.gather().map(|gather| gather.field);
        if let Some((field, key)) = gather.zip(plan.gather(&trigger.id).and_then(|of| of.key.as_ref())) {
            members(&own, key, &format!("{}/{field}/key", trigger.pointer), &mut faults);
        }
    }
    faults
}

/// Steps in the order in which they are written, with those inside.
fn all(steps: &[Step]) -> Vec<&Step> {
    let mut found = Vec::new();
    for step in steps {
        found.push(step);
        found.extend(step.blocks().into_iter().flat_map(all));
    }
    found
}

fn of_step(shapes: &Shapes<'_>, step: &Step, kind: &NodeKind, faults: &mut Vec<Fault>) {
    let at = &step.pointer;
    for (i, template) in kind.templates().into_iter().enumerate() {
        let at = match &step.kind {
            StepKind::Branch { arms, .. } => format!("{}/when", arms[i].pointer),
            other => format!("{at}{}", super::check::field(other)),
        };
        members(shapes, template, &at, faults);
    }
    let mut wants = |template: &Template, at: &str, name: &str, wanted: Wanted| {
        let outline = template.outline();
        let of = match &outline {
            Outline::Object(fields) => {
                fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
            }
            _ => None,
        };
        if let Some(given) = of.map(|outline| shapes.of(outline)).filter(|given| !wanted.takes(given)) {
            faults.push(wanted.fault(&given, name, format!("{at}/{name}")));
        }
    };
    match kind {
        NodeKind::Action(action) => {
            let at = format!("{at}/input");
            for name in ["url", "method"] {
                wants(&action.input, &at, name, Wanted::Text);
            }
            for name in ["headers", "query", "form"] {
                wants(&action.input, &at, name, Wanted::Object);
            }
            for name in ["follow_redirects", "accept_any_status"] {
                wants(&action.input, &at, name, Wanted::Boolean);
            }
        }
        NodeKind::Respond { answer } => {
            wants(answer, at, "status", Wanted::Number);
            wants(answer, at, "headers", Wanted::Object);
        }
        NodeKind::Wait { pause: Pausing::For(template) } => whole(shapes, template, at, "for", faults),
        NodeKind::Wait { pause: Pausing::Until(template) } => whole(shapes, template, at, "until", faults),
        _ => {}
    }
}

/// A field that is one expression must give a text.
fn whole(shapes: &Shapes<'_>, template: &Template, at: &str, name: &str, faults: &mut Vec<Fault>) {
    let outline = template.outline();
    if matches!(outline, Outline::Expression(_)) {
        let given = shapes.of(&outline);
        if !Wanted::Text.takes(&given) {
            faults.push(Wanted::Text.fault(&given, name, format!("{at}/{name}")));
        }
    }
}

/// What a field of a step takes.
#[derive(Clone, Copy)]
enum Wanted {
    Text,
    /// A text that is a number will do.
    Number,
    Boolean,
    Object,
}

impl Wanted {
    fn takes(self, given: &Shape) -> bool {
        match given {
            Shape::Any => true,
            Shape::Text => matches!(self, Self::Text | Self::Number),
            Shape::Number => matches!(self, Self::Number),
            Shape::Boolean => matches!(self, Self::Boolean),
            Shape::Null => matches!(self, Self::Object | Self::Boolean),
            Shape::Object { .. } => matches!(self, Self::Object),
            Shape::List => false,
        }
    }

    fn fault(self, given: &Shape, name: &str, at: String) -> Fault {
        let wanted = match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Boolean => "`true` or `false`",
            Self::Object => "an object",
        };
        Fault::new(at, "type_mismatch", format!("`{name}` must be {wanted}, and this gives {}", given.name()))
    }
}

/// Each path of a template must lead somewhere.
fn members(shapes: &Shapes<'_>, template: &Template, at: &str, faults: &mut Vec<Fault>) {
    for (pointer, expression) in template.expressions() {
        for names in expression.reads() {
            if let Err(missing) = shapes.follow(&names) {
                faults.push(Fault::new(format!("{at}{pointer}"), "unknown_member", missing));
            }
        }
    }
}
