//! A run that is replayed from any part of its journal stands where it stood.

use domain::run::{Entry, Head, Mark, NewRun, StepError};
use domain::{Millis, OrgId, RunId, WorkflowId};
use engine::{
    Context, Event, Next, NodeIx, NodeKind, Plan, Then, but_failures, decide, follow, frontier, seed, truthy,
};
use expr::{Limits, Template};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A step of a generated definition. Numbers choose what it reads and how it behaves.
#[derive(Debug, Clone)]
enum Shape {
    Map(u8),
    Action(u8),
    Wait(u8),
    Respond(u8),
    Stop(u8),
    Filter(u8),
    Branch(u8, Vec<Vec<Shape>>, Vec<Shape>),
    While(u8, Vec<Shape>),
    Try(Vec<Shape>, Vec<Shape>, Vec<Shape>),
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let leaf = prop_oneof![
        4 => any::<u8>().prop_map(Shape::Map),
        4 => any::<u8>().prop_map(Shape::Action),
        2 => any::<u8>().prop_map(Shape::Wait),
        1 => any::<u8>().prop_map(Shape::Respond),
        1 => any::<u8>().prop_map(Shape::Stop),
        1 => any::<u8>().prop_map(Shape::Filter),
    ];
    let step = leaf.prop_recursive(3, 24, 4, |inner| {
        let block = prop::collection::vec(inner, 0..4);
        let branch = (any::<u8>(), prop::collection::vec(block.clone(), 1..3), block.clone())
            .prop_map(|(n, arms, other)| Shape::Branch(n, arms, other));
        let again = (any::<u8>(), block.clone()).prop_map(|(n, steps)| Shape::While(n, steps));
        let attempt = (block.clone(), block.clone(), block).prop_map(|(a, b, c)| Shape::Try(a, b, c));
        prop_oneof![2 => branch, 1 => again, 1 => attempt]
    });
    prop::collection::vec(step, 0..7)
}

/// Writes shapes as a definition in which every step may read what can have run before it.
#[derive(Default)]
struct Writer {
    next: usize,
}

impl Writer {
    /// A list with at least one step.
    fn some(&mut self, shapes: &[Shape], before: &mut Vec<String>) -> Value {
        if shapes.is_empty() { self.block(&[Shape::Map(1)], before) } else { self.block(shapes, before) }
    }

    fn block(&mut self, shapes: &[Shape], before: &mut Vec<String>) -> Value {
        let mut steps = Vec::new();
        for shape in shapes {
            let id = format!("s{}", self.next);
            self.next += 1;
            let on_error = |n: &u8| if n.is_multiple_of(3) { "fail" } else { "continue" };
            steps.push(match shape {
                Shape::Map(n) => json!({"id": id, "type": "map", "output": {"read": read(*n, before), "at": "{{ $millis() }}"}}),
                Shape::Action(n) => json!({"id": id, "type": "action", "use": "http.request", "on_error": on_error(n),
                    "input": {"url": "https://x", "body": read(*n, before)}}),
                Shape::Wait(n) => json!({"id": id, "type": "wait", "for": format!("PT{n}S")}),
                Shape::Respond(n) => json!({"id": id, "type": "respond", "body": read(*n, before)}),
                Shape::Filter(n) => json!({"id": id, "type": "filter", "when": if n % 2 == 0 { json!(true) } else { read(*n, before) }}),
                Shape::While(n, shapes) => {
                    before.push(id.clone());
                    let steps = self.some(shapes, before);
                    json!({"id": id, "type": "while", "when": format!("{{{{ steps.{id}.iterations < {} }}}}", n % 3), "steps": steps,
                        "on_error": on_error(n)})
                }
                Shape::Try(steps, catch, finally) => {
                    let steps = self.some(steps, before);
                    before.push(id.clone());
                    let catch = self.some(catch, before);
                    json!({"id": id, "type": "try", "steps": steps, "catch": catch, "finally": self.some(finally, before)})
                }
                Shape::Stop(n) => json!({"id": id, "type": "stop", "output": read(*n, before)}),
                Shape::Branch(n, arms, other) => {
                    let outset = before.clone();
                    let mut within = |shapes: &[Shape], before: &mut Vec<String>| {
                        let mut inner = outset.clone();
                        let block = self.block(shapes, &mut inner);
                        before.extend(inner.into_iter().skip(outset.len()));
                        block
                    };
                    let when = |i: usize| match (*n as usize >> i) % 3 {
                        0 => json!(true),
                        1 => json!(false),
                        _ => read(n.wrapping_add(i as u8), &outset),
                    };
                    let arms: Vec<Value> =
                        arms.iter().enumerate().map(|(i, arm)| json!({"when": when(i), "steps": within(arm, before)})).collect();
                    let other = within(other, before);
                    json!({"id": id, "type": "branch", "arms": arms, "else": other})
                }
            });
            before.push(id);
        }
        Value::Array(steps)
    }
}

fn read(n: u8, before: &[String]) -> Value {
    match (before.len(), n % 5) {
        (0, _) | (_, 0) => "{{ trigger.n }}".into(),
        (len, _) => format!("{{{{ steps.{} }}}}", before[usize::from(n) % len]).into(),
    }
}

fn plan(shapes: &[Shape]) -> Plan {
    let steps = Writer::default().block(shapes, &mut Vec::new());
    let document = json!({"name": "t", "triggers": [{"id": "manual", "type": "manual"}], "steps": steps});
    Plan::parse(&document).unwrap_or_else(|faults| panic!("{faults:?}: {document}"))
}

fn head() -> Head {
    let run = NewRun {
        id: RunId::from_bytes([1; 16]),
        workflow: WorkflowId::from_bytes([2; 16]),
        version: 1,
        trigger: "manual".into(),
        input: json!({"n": 7}),
        started_at: Millis(1_700_000_000_000),
        deadline: Millis(1_800_000_000_000),
        depth: 0,
        parent: None,
        origin: None,
        epoch: 0,
        secret: None,
        priority: domain::run::Priority::default(),
        variables: None,
        gathers_until: None,
    };
    Head::begin(&OrgId::from_bytes([3; 16]), &run)
}

/// Where a run stands after each of its entries, and when that was.
struct Straight {
    entries: Vec<Entry>,
    stands: Vec<(Then, Context, Millis)>,
}

/// Runs a plan without interruption.
fn straight(plan: &Plan, prune: bool) -> Straight {
    let head = head();
    let mut context = Context::begin(&head, head.input.clone().unwrap());
    let mut now = head.started_at;
    let mut then = engine::begin(plan, &mut context);
    let mut out = Straight { entries: Vec::new(), stands: vec![(then.clone(), context.clone(), now)] };
    for _ in 0..500 {
        let (node, attempt) = match then {
            Then::Go(node) => (node, 1),
            Then::Retry { node, attempt, at } => {
                now = now.max(at);
                (node, attempt)
            }
            Then::Park { until, then: after } => {
                now = now.max(until);
                then = *after;
                continue;
            }
            Then::End { .. } => return out,
            Then::Await { .. } | Then::Complete { .. } | Then::Join { .. } | Then::StrandEnd(_) => {
                panic!("{then:?} in one strand")
            }
        };
        if prune {
            context.prune(&plan.node(node).live);
        }
        let started_at = now;
        now = Millis(now.0 + 10);
        let event = happen(plan, node, attempt, &context, &head, now);
        let mark = decide(&plan.node(node).kind, attempt, event, now, 0).unwrap();
        let path = plan.node(node).instance(&context);
        let entry = Entry { path, attempt, started_at, finished_at: now, input: None, called: false, mark };
        then = follow(plan, node, &entry, &mut context);
        out.entries.push(entry);
        out.stands.push((then.clone(), context.clone(), now));
    }
    panic!("the run does not end")
}

/// What happens to a step: pure steps are evaluated, effects are made up from the step's name.
fn happen(plan: &Plan, ix: NodeIx, attempt: u16, context: &Context, head: &Head, now: Millis) -> Event {
    let node = plan.node(ix);
    let seed = seed(head, &node.path, context);
    let render = |t: &Template| {
        t.render_in_place(context.scope(), &seed, &Limits::default()).expect("it renders in place")
    };
    match &node.kind {
        NodeKind::Map { output } => Event::Evaluated(render(output)),
        NodeKind::Branch { arms, .. } => {
            Event::Chosen(arms.iter().position(|(when, _)| truthy(&render(when))).map(|i| i as u16))
        }
        NodeKind::Action(action) => match node.path.bytes().map(u32::from).sum::<u32>() % 4 {
            0 => Event::Failed(StepError::fatal("gone", "it is gone")),
            1 if attempt < 3 => Event::Failed(StepError::passing("busy", "later")),
            _ => Event::Effect(json!({"sent": render(&action.input), "by": node.path})),
        },
        NodeKind::Filter { when } => Event::Passed(truthy(&render(when))),
        NodeKind::While { when, .. } => Event::Chosen(truthy(&render(when)).then_some(0)),
        NodeKind::Wait { .. } => Event::Until(Millis(now.0 + 60_000)),
        NodeKind::Respond { answer } => Event::Answered(render(answer)),
        NodeKind::Stop { report, .. } => {
            Event::Stopping { message: None, output: render(report)["output"].clone() }
        }
        kind => panic!("no `{}` is written here", kind.name()),
    }
}

fn begin() -> Context {
    let head = head();
    Context::begin(&head, head.input.clone().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_that_ends_anywhere_leads_to_the_next_step(shapes in shapes()) {
        let plan = plan(&shapes);
        let run = straight(&plan, false);
        for (n, (then, context, at)) in run.stands.iter().enumerate() {
            let found = frontier(&plan, begin(), &run.entries[..n], *at);
            prop_assert_eq!(&found.then, then);
            prop_assert_eq!(&found.context, context);
            if let Then::Park { until, then } = then {
                let found = frontier(&plan, begin(), &run.entries[..n], *until);
                prop_assert_eq!(&found.then, &**then, "a wait that is over is passed");
            }
        }
    }

    #[test]
    fn the_order_and_the_number_of_entries_change_nothing(shapes in shapes(), picks in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let plan = plan(&shapes);
        let run = straight(&plan, false);
        let now = run.stands.last().unwrap().2;
        let expected = frontier(&plan, begin(), &run.entries, now);
        let mut mixed = run.entries.clone();
        mixed.extend(picks.iter().filter(|_| !run.entries.is_empty()).map(|i| i.get(&run.entries).clone()));
        for (i, pick) in picks.iter().enumerate().filter(|_| !run.entries.is_empty()) {
            let other = pick.index(mixed.len());
            let len = mixed.len();
            mixed.swap(i % len, other);
        }
        prop_assert_eq!(frontier(&plan, begin(), &mixed, now), expected);
    }

    #[test]
    fn what_is_pruned_is_never_missed(shapes in shapes()) {
        let plan = plan(&shapes);
        let (whole, pruned) = (straight(&plan, false), straight(&plan, true));
        prop_assert_eq!(whole.entries, pruned.entries);
        prop_assert_eq!(whole.stands.last().map(|s| &s.0), pruned.stands.last().map(|s| &s.0));
    }

    #[test]
    fn a_step_may_read_no_more_than_what_is_live(shapes in shapes()) {
        let plan = plan(&shapes);
        for node in plan.nodes() {
            let Next::Node(next) = node.next else { continue };
            let next = &plan.node(next).live;
            prop_assert!(next.steps.is_subset(&node.live.steps), "what is read further on is live now");
            prop_assert!(node.live.trigger || !next.trigger);
        }
    }
}

/// A failure that nothing names (the run ended while `on_failure` was at it): what was waited for to that end begins anew, too.
#[test]
fn what_was_waited_for_to_no_end_is_not_taken_over() {
    let step =
        |id: &str| json!({"id": id, "type": "action", "use": "http.request", "input": {"url": "https://x"}});
    let plan = Plan::parse(&json!({"name": "n", "triggers": [], "steps": [step("a"), step("b")]})).unwrap();
    let entry = |path: &str, attempt: u16, mark: Mark| Entry {
        path: path.to_owned(),
        attempt,
        started_at: Millis(1),
        finished_at: Millis(2),
        input: None,
        called: true,
        mark,
    };
    let started = || Mark::Started { output: json!({"id": 7}), until: Millis(9) };
    let failed = || Mark::Failed(StepError::fatal("app_reported_failure", "no"));
    let entries = [
        entry("a", 1, started()),
        entry("a", 2, Mark::Succeeded(json!("done"))),
        entry("b", 1, started()),
        entry("b", 2, failed()),
    ];
    for named in [None, Some("b")] {
        let kept = but_failures(&plan, begin(), &entries, named);
        let kept: Vec<_> = kept.iter().map(|(_, entry)| (entry.path.as_str(), entry.attempt)).collect();
        assert_eq!(kept, [("a", 1), ("a", 2)], "{named:?}");
    }
}
