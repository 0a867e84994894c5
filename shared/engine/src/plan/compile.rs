//! From a definition to a plan, with every fault.

use super::{
    ActionNode, ApprovalNode, ArmNode, CodeNode, ConcurrencyNode, ForEachNode, GatherNode, Live, LoopAt,
    Next, Node, NodeIx, NodeKind, Pausing, Plan, Scope, ScopeIx, action, check, live,
};
use domain::workflow::{Definition, HTTP_REQUEST, Pause, Step, StepKind, TriggerKind};
use domain::{Fault, WorkflowId};
use expr::Template;
use expr::pattern::Pattern;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The plan, which node each step has (by the step's pointer), and the faults.
pub(super) fn compile(definition: Definition) -> (Plan, BTreeMap<String, NodeIx>, Vec<Fault>) {
    let mut compiler = Compiler::default();
    let run = compiler.scope(Scope::Run);
    let failure = compiler.scope(Scope::OnFailure);
    let place = |scope| Place { prefix: String::new(), loops: Vec::new(), scope, in_arm: false };
    let on_failure = (!definition.on_failure.is_empty())
        .then(|| compiler.block(&definition.on_failure, &place(failure), Next::End(failure)));
    let first = compiler.block(&definition.steps, &place(run), Next::End(run));
    let concurrency = definition.concurrency.as_ref().map(|of| ConcurrencyNode {
        limit: of.limit,
        key: of.key.as_ref().map(|key| {
            let template = compiler.template(key, "/concurrency/key");
            check::before_steps("key", &template, "/concurrency", &mut compiler.faults);
            template
        }),
        when_full: of.when_full,
    });
    let mut dedupe = BTreeMap::new();
    let mut gathers = BTreeMap::new();
    let mut patterns = BTreeMap::new();
    for trigger in &definition.triggers {
        if let Some(gather) = trigger.kind.gather() {
            let at = format!("{}/{}", trigger.pointer, gather.field);
            let key = gather.key.as_ref().map(|key| {
                let template = compiler.template(key, &format!("{at}/key"));
                check::before_steps("key", &template, &at, &mut compiler.faults);
                if !template.guarded().is_empty() {
                    let message =
                        "the `key` of a trigger must be simple: a path, or texts and paths joined by `&`";
                    compiler.faults.push(Fault::new(format!("{at}/key"), "expression_not_simple", message));
                }
                template
            });
            gathers.insert(trigger.id.clone(), GatherNode { rule: gather.rule, key });
        }
        match &trigger.kind {
            TriggerKind::Webhook { dedupe: Some(value), .. } => {
                let template = compiler.template(value, &format!("{}/dedupe", trigger.pointer));
                check::before_steps("dedupe", &template, &trigger.pointer, &mut compiler.faults);
                dedupe.insert(trigger.id.clone(), template);
            }
            TriggerKind::Event { pattern, .. } => {
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
            TriggerKind::Webhook { dedupe: None, .. }
            | TriggerKind::Manual
            | TriggerKind::Workflow
            | TriggerKind::Poll(_)
            | TriggerKind::App(_)
            | TriggerKind::Schedule { .. } => {}
        }
    }
    let mut nodes: Vec<Node> = compiler.nodes.into_iter().flatten().collect();
    live::fill(&mut nodes, &compiler.scopes, on_failure);
    let by_path = nodes.iter().enumerate().map(|(i, n)| (n.path.clone(), NodeIx(i as u32))).collect();
    let scopes = compiler.scopes;
    let plan = Plan {
        definition,
        nodes,
        scopes,
        first,
        on_failure,
        by_path,
        concurrency,
        dedupe,
        gathers,
        patterns,
    };
    check::references(&plan, &compiler.by_pointer, &mut compiler.faults);
    (plan, compiler.by_pointer, compiler.faults)
}

#[derive(Default)]
struct Compiler {
    /// Every place is filled in the end: a block's own is kept while its steps are compiled.
    nodes: Vec<Option<Node>>,
    scopes: Vec<Scope>,
    by_pointer: BTreeMap<String, NodeIx>,
    faults: Vec<Fault>,
}

/// Where a list of steps stands.
#[derive(Clone)]
struct Place {
    /// What its steps' paths begin with.
    prefix: String,
    loops: Vec<LoopAt>,
    scope: ScopeIx,
    /// Whether that is an arm of a branch.
    in_arm: bool,
}

impl Compiler {
    fn scope(&mut self, scope: Scope) -> ScopeIx {
        self.scopes.push(scope);
        ScopeIx(self.scopes.len() as u32 - 1)
    }

    /// Compiles steps that are followed by `after`, last first, so that every successor is known; gives the first.
    fn block(&mut self, steps: &[Step], place: &Place, after: Next) -> Next {
        steps.iter().rev().fold(after, |next, step| Next::Node(self.step(step, place, next, after)))
    }

    /// Compiles the steps of a scope of their own.
    fn inner(&mut self, steps: &[Step], place: &Place, scope: Scope) -> Next {
        let scope = self.scope(scope);
        self.block(steps, &Place { scope, in_arm: false, ..place.clone() }, Next::End(scope))
    }

    fn step(&mut self, step: &Step, place: &Place, next: Next, skip: Next) -> NodeIx {
        let ix = NodeIx(self.nodes.len() as u32);
        self.nodes.push(None);
        let path = format!("{}{}", place.prefix, step.id);
        let mut loops = place.loops.clone();
        if matches!(step.kind, StepKind::While { .. }) {
            loops.push(LoopAt { id: step.id.clone(), end: path.len() });
        }
        let kind = self.kind(step, ix, &path, &loops, place, next);
        self.by_pointer.insert(step.pointer.clone(), ix);
        self.nodes[ix.0 as usize] = Some(Node {
            id: step.id.clone(),
            path,
            on_error: step.on_error,
            kind,
            next,
            skip,
            in_arm: place.in_arm,
            scope: place.scope,
            loops,
            live: Live::default(),
        });
        ix
    }

    fn kind(
        &mut self,
        step: &Step,
        ix: NodeIx,
        path: &str,
        loops: &[LoopAt],
        place: &Place,
        next: Next,
    ) -> NodeKind {
        let at = &step.pointer;
        let within =
            Place { prefix: format!("{path}."), loops: loops.to_vec(), scope: place.scope, in_arm: true };
        match &step.kind {
            StepKind::Map { output } => {
                NodeKind::Map { output: self.template(output, &format!("{at}/output")) }
            }
            StepKind::Branch { arms, otherwise } => {
                let mut compiled = Vec::with_capacity(arms.len());
                for arm in arms {
                    let when = self.template(&arm.when, &format!("{}/when", arm.pointer));
                    compiled.push((when, self.block(&arm.steps, &within, next)));
                }
                NodeKind::Branch { arms: compiled, otherwise: self.block(otherwise, &within, next) }
            }
            StepKind::Filter { when } => {
                NodeKind::Filter { when: self.template(when, &format!("{at}/when")) }
            }
            StepKind::Parallel { arms } => {
                let mut compiled = Vec::with_capacity(arms.len());
                for (i, arm) in arms.iter().enumerate() {
                    let inside = Place { prefix: format!("{path}.{}.", arm.id), ..within.clone() };
                    compiled.push(ArmNode {
                        id: arm.id.clone(),
                        first: self.inner(&arm.steps, &inside, Scope::Arm(ix, i as u16)),
                        last: arm.steps.last().map(|s| s.id.clone()).unwrap_or_default(),
                    });
                }
                NodeKind::Parallel { arms: compiled }
            }
            StepKind::ForEach(each) => {
                let mut inside = within;
                inside.loops.push(LoopAt { id: step.id.clone(), end: path.len() });
                let mut inner = Vec::new();
                ids(&each.steps, &mut inner);
                NodeKind::ForEach(ForEachNode {
                    items: self.template(&each.items, &format!("{at}/items")),
                    concurrency: each.concurrency,
                    on_item_error: each.on_item_error,
                    first: self.inner(&each.steps, &inside, Scope::Item(ix)),
                    last: each.steps.last().map(|s| s.id.clone()).unwrap_or_default(),
                    inner,
                })
            }
            StepKind::While { when, max_iterations, steps } => NodeKind::While {
                when: self.template(when, &format!("{at}/when")),
                max_iterations: *max_iterations,
                first: self.inner(steps, &within, Scope::Iteration(ix)),
            },
            StepKind::Try { steps, catch, finally } => NodeKind::Try {
                first: self.inner(steps, &within, Scope::Try(ix)),
                catch: (!catch.is_empty()).then(|| self.inner(catch, &within, Scope::Catch(ix))),
                finally: (!finally.is_empty()).then(|| self.inner(finally, &within, Scope::Finally(ix))),
            },
            StepKind::Action(action) => {
                if action.uses == HTTP_REQUEST {
                    self.faults.extend(action::check_input(&action.input, &format!("{at}/input")));
                }
                NodeKind::Action(ActionNode {
                    uses: action.uses.clone(),
                    connection: action.connection.clone(),
                    input: self.template(&action.input, &format!("{at}/input")),
                    retry: action.retry.clone(),
                    timeout: action.timeout,
                    at_most_once: action.at_most_once,
                    idempotent: action.idempotent,
                    wait: action.completes_within(),
                })
            }
            StepKind::Wait { pause } => NodeKind::Wait {
                pause: match pause {
                    Pause::For(v) => {
                        self.faults.extend(check::constant_duration(v, &format!("{at}/for")));
                        Pausing::For(self.template(v, &format!("{at}/for")))
                    }
                    Pause::Until(v) => {
                        self.faults.extend(check::constant_time(v, &format!("{at}/until")));
                        Pausing::Until(self.template(v, &format!("{at}/until")))
                    }
                    Pause::Callback { timeout } => Pausing::Callback { timeout: *timeout },
                },
            },
            StepKind::Approval(approval) => {
                let question =
                    json!({"to": approval.to, "title": approval.title, "message": approval.message});
                NodeKind::Approval(ApprovalNode {
                    question: self.template(&question, at),
                    timeout: approval.timeout,
                    on_timeout: approval.on_timeout,
                    remind_every: approval.remind_every,
                })
            }
            StepKind::Workflow { workflow, input, wait } => NodeKind::Workflow {
                // Its form was checked when it was read; a definition with faults is not run.
                workflow: WorkflowId::parse(workflow).unwrap_or_else(|_| WorkflowId::from_bytes([0; 16])),
                input: self.template(input, &format!("{at}/input")),
                wait: *wait,
            },
            StepKind::Code(code) => NodeKind::Code(CodeNode {
                language: code.language,
                source: code.source.clone(),
                input: self.template(&code.input, &format!("{at}/input")),
                timeout: code.timeout,
            }),
            StepKind::Emit { source, detail_type, detail } => {
                let event = json!({"source": source, "detail_type": detail_type, "detail": detail});
                NodeKind::Emit { event: self.template(&event, at) }
            }
            StepKind::Respond { status, headers, body } => {
                if !headers.is_object() && !headers.as_str().is_some_and(|s| s.contains("{{")) {
                    let message = "`headers` must be an object of texts";
                    self.faults.push(Fault::new(format!("{at}/headers"), "type_mismatch", message));
                }
                let answer = json!({"status": status, "headers": headers, "body": body});
                NodeKind::Respond { answer: self.template(&answer, at) }
            }
            StepKind::Stop { status, message, output } => {
                let mut report = serde_json::Map::new();
                report.extend(message.clone().map(|m| ("message".to_owned(), m)));
                report.extend(output.clone().map(|o| ("output".to_owned(), o)));
                NodeKind::Stop { status: *status, report: self.template(&Value::Object(report), at) }
            }
        }
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

fn ids(steps: &[Step], into: &mut Vec<String>) {
    for step in steps {
        into.push(step.id.clone());
        step.blocks().into_iter().for_each(|block| ids(block, into));
    }
}
