//! From a definition to a plan, with every fault.

use super::{ActionNode, Live, Node, NodeIx, NodeKind, Pausing, Plan, action, check};
use domain::Fault;
use domain::workflow::{Definition, Pause, Step, StepKind, TriggerKind};
use expr::Template;
use expr::pattern::Pattern;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn compile(definition: Definition) -> (Plan, Vec<Fault>) {
    let mut compiler = Compiler::default();
    let first = compiler.block(&definition.steps, "", None);
    let mut dedupe = BTreeMap::new();
    let mut patterns = BTreeMap::new();
    for trigger in &definition.triggers {
        match &trigger.kind {
            TriggerKind::Webhook { dedupe: Some(value) } => {
                let template = compiler.template(value, &format!("{}/dedupe", trigger.pointer));
                check::dedupe(&template, &trigger.pointer, &mut compiler.faults);
                dedupe.insert(trigger.id.clone(), template);
            }
            TriggerKind::Event { pattern } => {
                let at = format!("{}/pattern", trigger.pointer);
                match Pattern::parse(pattern) {
                    Ok(pattern) => {
                        patterns.insert(trigger.id.clone(), pattern);
                    }
                    Err(faults) => compiler.faults.extend(
                        faults.into_iter().map(|f| Fault::new(at.clone() + &f.pointer, f.code, f.message)),
                    ),
                }
            }
            TriggerKind::Webhook { dedupe: None } | TriggerKind::Manual => {}
        }
    }
    let by_path =
        compiler.nodes.iter().enumerate().map(|(i, n)| (n.path.clone(), NodeIx(i as u32))).collect();
    let plan = Plan { definition, nodes: compiler.nodes, first, by_path, dedupe, patterns };
    check::references(&plan, &compiler.by_pointer, &mut compiler.faults);
    (plan, compiler.faults)
}

#[derive(Default)]
struct Compiler {
    nodes: Vec<Node>,
    by_pointer: BTreeMap<String, NodeIx>,
    faults: Vec<Fault>,
}

impl Compiler {
    /// Compiles steps that are followed by `after`, last first, so that every successor is known; gives the first.
    fn block(&mut self, steps: &[Step], prefix: &str, after: Option<NodeIx>) -> Option<NodeIx> {
        let mut next = after;
        for step in steps.iter().rev() {
            next = Some(self.step(step, prefix, next));
        }
        next
    }

    fn step(&mut self, step: &Step, prefix: &str, next: Option<NodeIx>) -> NodeIx {
        let path = format!("{prefix}{}", step.id);
        let at = &step.pointer;
        let mut live = Live::default();
        let kind = match &step.kind {
            StepKind::Map { output } => {
                NodeKind::Map { output: self.read(output, &format!("{at}/output"), &mut live) }
            }
            StepKind::Branch { arms, otherwise } => {
                let inner = format!("{path}.");
                let arms = arms
                    .iter()
                    .enumerate()
                    .map(|(i, arm)| {
                        let when = self.read(&arm.when, &format!("{at}/arms/{i}/when"), &mut live);
                        (when, self.block(&arm.steps, &inner, next))
                    })
                    .collect::<Vec<_>>();
                let otherwise = self.block(otherwise, &inner, next);
                for first in arms.iter().map(|(_, first)| *first).chain([otherwise]).flatten() {
                    live.join(&self.nodes[first.0 as usize].live);
                }
                NodeKind::Branch { arms, otherwise }
            }
            StepKind::Action(action) => {
                self.faults.extend(action::check_input(&action.input, &format!("{at}/input")));
                NodeKind::Action(ActionNode {
                    uses: action.uses.clone(),
                    input: self.read(&action.input, &format!("{at}/input"), &mut live),
                    retry: action.retry.clone(),
                    timeout: action.timeout,
                    at_most_once: action.at_most_once,
                    idempotent: action.idempotent,
                })
            }
            StepKind::Wait { pause } => NodeKind::Wait {
                pause: match pause {
                    Pause::For(v) => {
                        self.faults.extend(check::constant_duration(v, &format!("{at}/for")));
                        Pausing::For(self.read(v, &format!("{at}/for"), &mut live))
                    }
                    Pause::Until(v) => {
                        self.faults.extend(check::constant_time(v, &format!("{at}/until")));
                        Pausing::Until(self.read(v, &format!("{at}/until"), &mut live))
                    }
                },
            },
            StepKind::Respond { status, headers, body } => {
                if !headers.is_object() && !headers.as_str().is_some_and(|s| s.contains("{{")) {
                    let message = "`headers` must be an object of texts";
                    self.faults.push(Fault::new(format!("{at}/headers"), "type_mismatch", message));
                }
                let answer = json!({"status": status, "headers": headers, "body": body});
                NodeKind::Respond { answer: self.read(&answer, at, &mut live) }
            }
            StepKind::Stop { status, message, output } => {
                let mut report = serde_json::Map::new();
                report.extend(message.clone().map(|m| ("message".to_owned(), m)));
                report.extend(output.clone().map(|o| ("output".to_owned(), o)));
                NodeKind::Stop { status: *status, report: self.read(&Value::Object(report), at, &mut live) }
            }
        };
        if let Some(next) = next {
            live.join(&self.nodes[next.0 as usize].live);
        }
        let ix = NodeIx(self.nodes.len() as u32);
        self.by_pointer.insert(at.clone(), ix);
        self.nodes.push(Node { id: step.id.clone(), path, on_error: step.on_error, kind, next, live });
        ix
    }

    fn read(&mut self, value: &Value, at: &str, live: &mut Live) -> Template {
        let template = self.template(value, at);
        live.add(template.references());
        template
    }

    /// A template, or, with the faults noted, an empty one in its place.
    fn template(&mut self, value: &Value, at: &str) -> Template {
        Template::parse(value).unwrap_or_else(|faults| {
            self.faults.extend(
                faults.into_iter().map(|f| Fault::new(format!("{at}{}", f.pointer), f.code, f.message)),
            );
            Template::parse(&Value::Null).expect("null holds no expression")
        })
    }
}
