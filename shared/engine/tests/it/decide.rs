//! Every pair of a step and an event: what is recorded, or that the pair is illegal.

use domain::Millis;
use domain::run::{Mark, RunStatus, StepError};
use engine::{Event, NodeKind, Plan, decide};
use serde_json::{Value, json};

fn plan() -> Plan {
    let document = json!({"name": "t", "triggers": [{"id": "manual", "type": "manual"}], "steps": [
        {"id": "map", "type": "map", "output": 1},
        {"id": "branch", "type": "branch", "arms": [{"when": true, "steps": []}]},
        {"id": "action", "type": "action", "use": "http.request", "input": {"url": "https://x"},
            "retry": {"max_attempts": 2, "initial": "PT3S", "jitter": "none"}},
        {"id": "wait", "type": "wait", "for": "PT1S"},
        {"id": "respond", "type": "respond"},
        {"id": "stop", "type": "stop", "status": "failed"},
        {"id": "filter", "type": "filter", "when": true},
        {"id": "loop", "type": "while", "when": false, "steps": [{"id": "l", "type": "map", "output": 1}]},
        {"id": "each", "type": "for_each", "items": [], "steps": [{"id": "e", "type": "map", "output": 1}]},
        {"id": "both", "type": "parallel", "arms": [{"id": "x", "steps": [{"id": "p", "type": "map", "output": 1}]}]},
        {"id": "careful", "type": "try", "steps": [{"id": "t", "type": "map", "output": 1}], "catch": [{"id": "c", "type": "map", "output": 1}]},
        {"id": "call", "type": "wait", "callback": true},
        {"id": "ask", "type": "approval", "to": [], "title": "?"},
        {"id": "run", "type": "workflow", "workflow": "wf_00000000000000000000000000"},
        {"id": "loose", "type": "workflow", "workflow": "wf_00000000000000000000000000", "wait": false},
        {"id": "code", "type": "code", "source": "export default () => 1"},
        {"id": "emit", "type": "emit", "detail_type": "x"},
        {"id": "once", "type": "action", "use": "http.request", "input": {"url": "https://x"}, "at_most_once": true},
    ]});
    Plan::parse(&document).unwrap()
}

fn kind<'a>(plan: &'a Plan, path: &str) -> &'a NodeKind {
    &plan.node(plan.by_path(path).unwrap()).kind
}

fn events() -> [(&'static str, Event); 14] {
    [
        ("evaluated", Event::Evaluated(json!(1))),
        ("chosen", Event::Chosen(Some(0))),
        ("passed", Event::Passed(true)),
        ("effect", Event::Effect(json!(1))),
        ("forking", Event::Forking { lanes: 1, count: 2, digest: 0 }),
        ("joined", Event::Joined(json!(1))),
        ("until", Event::Until(Millis(9))),
        ("awaiting", Event::Awaiting(Millis(9))),
        ("started", Event::Started { output: json!(1), until: Millis(9) }),
        ("resumed", Event::Resumed(json!(1))),
        ("answered", Event::Answered(json!(1))),
        ("stopping", Event::Stopping { message: None, output: Value::Null }),
        ("failed", Event::Failed(StepError::fatal("c", "m"))),
        ("failed for now", Event::Failed(StepError::passing("c", "m"))),
    ]
}

fn recorded(mark: &Mark) -> &'static str {
    match mark {
        Mark::Succeeded(_) => "succeeded",
        // Not decided here: whoever records it keeps what is large as an object.
        Mark::Spilled(_) => "spilled",
        Mark::Took(_) => "took",
        Mark::Failed(_) => "failed",
        Mark::Retrying { .. } => "retrying",
        Mark::Waiting { .. } => "waiting",
        Mark::Stopped { .. } => "stopped",
        Mark::Awaiting { .. } => "awaiting",
        Mark::Started { .. } => "started",
        Mark::Forked { .. } => "forked",
        Mark::Filtered(_) => "filtered",
    }
}

#[test]
fn each_pair_is_recorded_or_illegal() {
    let plan = plan();
    // What each kind of step may be told of, and what is recorded then; a failure is one everywhere, unless it is tried again.
    let failed = [("failed", "failed"), ("failed for now", "failed")];
    let table: [(&str, &[(&str, &str)]); 18] = [
        ("map", &[("evaluated", "succeeded")]),
        ("branch", &[("chosen", "took")]),
        ("filter", &[("passed", "filtered")]),
        ("loop", &[("chosen", "took")]),
        ("each", &[("forking", "forked"), ("joined", "succeeded")]),
        ("both", &[("forking", "forked"), ("joined", "succeeded")]),
        ("careful", &[("failed", "-"), ("failed for now", "-")]),
        ("action", &[("effect", "succeeded"), ("started", "started"), ("failed for now", "retrying")]),
        ("once", &[("effect", "succeeded"), ("started", "started")]),
        ("code", &[("effect", "succeeded"), ("failed for now", "retrying")]),
        ("emit", &[("effect", "succeeded")]),
        ("wait", &[("until", "waiting")]),
        ("call", &[("awaiting", "awaiting"), ("resumed", "succeeded")]),
        ("ask", &[("awaiting", "awaiting"), ("resumed", "succeeded")]),
        ("run", &[("awaiting", "awaiting"), ("resumed", "succeeded")]),
        ("loose", &[("effect", "succeeded")]),
        ("respond", &[("answered", "succeeded")]),
        ("stop", &[("stopping", "stopped")]),
    ];
    for (path, row) in table {
        for (name, event) in events() {
            let told = row.iter().chain(&failed).find(|(told, _)| *told == name);
            let expected = told.map_or("-", |(_, recorded)| recorded);
            let decided = decide(kind(&plan, path), 1, event, Millis(5), 0);
            assert_eq!(decided.as_ref().map_or("-", recorded), expected, "{path} {name}");
            if let Err(illegal) = decided {
                assert!(illegal.to_string().contains(name.trim_end_matches(" for now")), "{illegal}");
            }
        }
    }
}

#[test]
fn the_last_attempt_is_not_tried_again() {
    let plan = plan();
    let attempt = |n| {
        decide(kind(&plan, "action"), n, Event::Failed(StepError::passing("c", "m")), Millis(1000), 0)
            .unwrap()
    };
    assert!(matches!(attempt(1), Mark::Retrying { next_at: Millis(4000), .. }));
    assert!(matches!(attempt(2), Mark::Failed(_)));
}

#[test]
fn a_wish_to_be_left_alone_delays_the_next_attempt() {
    let plan = plan();
    let error = StepError { retry_after_ms: Some(60_000), ..StepError::passing("c", "m") };
    let mark = decide(kind(&plan, "action"), 1, Event::Failed(error), Millis(0), 0).unwrap();
    assert!(matches!(mark, Mark::Retrying { next_at: Millis(60_000), .. }));
}

#[test]
fn a_stop_records_its_own_status() {
    let plan = plan();
    let event = Event::Stopping { message: Some("why".into()), output: json!(1) };
    let mark = decide(kind(&plan, "stop"), 1, event, Millis(0), 0).unwrap();
    assert_eq!(
        mark,
        Mark::Stopped { status: RunStatus::Failed, message: Some("why".into()), output: json!(1) }
    );
}
