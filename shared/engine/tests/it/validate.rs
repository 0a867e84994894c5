//! What `Plan::parse_new` refuses and `Plan::parse` lets pass.

use engine::Plan;
use serde_json::{Value, json};

fn definition(trigger: Value, steps: Value) -> Value {
    json!({"name": "t", "triggers": [trigger], "steps": steps})
}

/// Pointers, codes and messages of the faults, none of which keeps a stored definition from running.
fn faults_of(document: &Value) -> Vec<(String, String, String)> {
    Plan::parse(document).expect("an earlier version may have stored it");
    let faults = Plan::parse_new(document).err().unwrap_or_default();
    faults.into_iter().map(|f| (f.pointer, f.code, f.message)).collect()
}

fn faults(steps: Value) -> Vec<(String, String)> {
    let faults = faults_of(&definition(json!({"id": "manual", "type": "manual"}), steps));
    faults.into_iter().map(|(pointer, code, _)| (pointer, code)).collect()
}

fn one(pointer: &str, code: &str) -> Vec<(String, String)> {
    vec![(pointer.to_owned(), code.to_owned())]
}

fn map(id: &str, output: Value) -> Value {
    json!({"id": id, "type": "map", "output": output})
}

fn stop(id: &str) -> Value {
    json!({"id": id, "type": "stop"})
}

fn get(id: &str) -> Value {
    json!({"id": id, "type": "action", "use": "http.request", "input": {"url": "https://example.com"}})
}

#[test]
fn nothing_stands_behind_a_stop() {
    let steps = json!([map("a", json!(1)), stop("end"), map("b", json!(1)), map("c", json!(1))]);
    assert_eq!(faults(steps), one("/steps/2", "unreachable_step"), "the first of them is named");
    assert!(faults(json!([map("a", json!(1)), stop("end")])).is_empty());
}

#[test]
fn nothing_stands_behind_a_branch_that_always_ends_the_run() {
    let branch = |otherwise: Value| json!({"id": "pick", "type": "branch", "arms": [{"when": true, "steps": [stop("one")]}], "else": otherwise});
    let after = || map("after", json!(1));
    assert_eq!(faults(json!([branch(json!([stop("other")])), after()])), one("/steps/1", "unreachable_step"));
    assert!(faults(json!([branch(json!([])), after()])).is_empty());
    let filtered = json!([{"id": "f", "type": "filter", "when": true}, stop("other")]);
    assert!(faults(json!([branch(filtered), after()])).is_empty(), "a filter leaves out its own list only");
    let inside = json!([stop("other"), map("never", json!(1))]);
    assert_eq!(
        faults(json!([branch(inside), after()])),
        [one("/steps/0/else/1", "unreachable_step"), one("/steps/1", "unreachable_step")].concat()
    );
}

#[test]
fn blocks_that_may_be_left_out_end_nothing() {
    let each = json!({"id": "each", "type": "for_each", "items": [], "steps": [stop("one")]});
    let again = json!({"id": "again", "type": "while", "when": false, "steps": [stop("two")]});
    let caught =
        json!({"id": "t", "type": "try", "steps": [get("g"), stop("three")], "catch": [map("c", json!(1))]});
    assert!(faults(json!([each, again, caught, map("after", json!(1))])).is_empty());
    let arms = json!({"id": "p", "type": "parallel",
        "arms": [{"id": "x", "steps": [stop("x")]}, {"id": "y", "steps": [map("y", json!(1))]}]});
    assert_eq!(faults(json!([arms, map("after", json!(1))])), one("/steps/1", "unreachable_step"));
    let both = json!({"id": "t", "type": "try", "steps": [stop("x")], "catch": [stop("y")]});
    assert_eq!(faults(json!([both, map("after", json!(1))])), one("/steps/1", "unreachable_step"));
}

#[test]
fn a_member_that_a_step_never_gives_is_refused() {
    for (step, right, wrong) in [
        (json!({"id": "s", "type": "filter", "when": true}), "passed", "pased"),
        (get("s"), "body.anything.at.all", "bodi"),
        (get("s"), "headers.'x-any'", "status.code"),
        (json!({"id": "s", "type": "wait", "for": "PT1S"}), "until", "body"),
        (json!({"id": "s", "type": "wait", "callback": true}), "body.x", "until"),
        (
            json!({"id": "s", "type": "while", "when": false, "steps": [map("w", json!(1))]}),
            "iterations",
            "count",
        ),
        (
            json!({"id": "s", "type": "try", "steps": [map("t", json!(1))], "catch": [map("c", json!(1))]}),
            "error.code",
            "code",
        ),
        (
            json!({"id": "s", "type": "parallel", "arms": [{"id": "x", "steps": [map("m", json!(1))]}]}),
            "x",
            "y",
        ),
        (map("s", json!({"a": {"b": "{{ trigger.input }}"}, "n": 1})), "a.b.c", "a.c"),
        (map("s", json!("text {{ trigger.input }}")), "", "length"),
        (map("s", json!({"on": {"error": 1}})), "on.error", "error"),
    ] {
        let right = if right.is_empty() { "steps.s".to_owned() } else { format!("steps.s.{right}") };
        assert!(faults(json!([step, map("r", json!(format!("{{{{ {right} }}}}")))])).is_empty(), "{right}");
        let steps = json!([step, map("r", json!({"x": format!("{{{{ $string(steps.s.{wrong}) }}}}")}))]);
        assert_eq!(faults(steps), one("/steps/1/output/x", "unknown_member"), "{wrong}");
    }
}

#[test]
fn what_may_be_there_is_not_refused() {
    let continued = json!({"id": "s", "type": "action", "use": "http.request", "on_error": "continue",
        "input": {"url": "https://example.com"}});
    assert!(faults(json!([continued, map("r", json!("{{ steps.s.error.code }}"))])).is_empty());
    let each = json!({"id": "s", "type": "for_each", "items": [1], "steps": [map("i", json!({"a": 1}))]});
    assert!(faults(json!([each, map("r", json!("{{ steps.s.a }}"))])).is_empty(), "names go through lists");
    let list = map("s", json!([{"a": 1}]));
    assert!(faults(json!([list, map("r", json!("{{ steps.s.b }}"))])).is_empty());
    let computed = map("s", json!("{{ trigger.input ~> $keys() }}"));
    assert!(faults(json!([computed, map("r", json!("{{ steps.s.b }}"))])).is_empty());
    let inner = map("r", json!("{{ steps.s.a[b = 1].{'x': c} }}"));
    assert!(faults(json!([map("s", json!({"a": "{{ trigger.input }}"})), inner])).is_empty());
    // In a loop, a later step of the same body may be read.
    let looped = json!({"id": "w", "type": "while", "when": "{{ steps.late.n < 3 }}",
        "steps": [map("late", json!({"n": 1}))]});
    assert!(faults(json!([looped])).is_empty());
}

#[test]
fn a_shape_is_followed_through_maps() {
    let steps = json!([
        get("call"),
        map("kept", json!({"answer": "{{ steps.call }}", "n": "{{ steps.call.status + 1 }}"})),
        map("right", json!("{{ steps.kept.answer.body.x }}")),
        map("wrong", json!("{{ steps.kept.answer.bdy }}")),
        map("scalar", json!("{{ steps.kept.n.x }}"))
    ]);
    assert_eq!(
        faults(steps),
        [one("/steps/3/output", "unknown_member"), one("/steps/4/output", "unknown_member")].concat()
    );
}

#[test]
fn a_trigger_gives_what_its_type_gives() {
    for (trigger, right, wrong) in [
        (json!({"id": "t", "type": "webhook"}), "body.x", "bdy"),
        (json!({"id": "t", "type": "webhook"}), "input.x", "event"),
        (json!({"id": "t", "type": "manual"}), "input.x", "body"),
        (json!({"id": "t", "type": "schedule", "schedule": "@daily"}), "scheduled_at", "scheduled_at.day"),
        (json!({"id": "t", "type": "event", "pattern": {"source": ["a"]}}), "event.detail.x", "detail"),
    ] {
        let steps = |path: &str| json!([map("a", json!(format!("{{{{ trigger.{path} }}}}")))]);
        assert_eq!(faults_of(&definition(trigger.clone(), steps(right))), [], "{right}");
        let told = faults_of(&definition(trigger, steps(wrong)));
        assert_eq!(told.len(), 1, "{wrong}: {told:?}");
        assert_eq!((told[0].0.as_str(), told[0].1.as_str()), ("/steps/0/output", "unknown_member"));
        assert!(told[0].2.contains("trigger"), "{told:?}");
    }
    let mut keyed =
        definition(json!({"id": "t", "type": "webhook", "dedupe": "{{ trigger.id }}"}), json!([]));
    keyed["concurrency"] = json!({"limit": 1, "key": "{{ trigger.shop }}"});
    let places: Vec<String> = faults_of(&keyed).into_iter().map(|fault| fault.0).collect();
    assert_eq!(places, ["/concurrency/key", "/triggers/0/dedupe"]);
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_where_it_is_given() {
    let call = |field: &str, value: &str| {
        let mut step = get("call");
        step["input"][field] = json!(value);
        json!([{"id": "f", "type": "filter", "when": true}, step])
    };
    for (field, right, wrong) in [
        ("url", "{{ 'https://' & trigger.input }}", "{{ steps.f.passed }}"),
        ("method", "{{ trigger.input }}", "{{ 1 + 1 }}"),
        ("headers", "{{ trigger.input }}", "{{ $string(trigger.input) }}"),
        ("accept_any_status", "{{ steps.f.passed }}", "{{ 'yes' }}"),
    ] {
        assert!(faults(call(field, right)).is_empty(), "{field}");
        assert_eq!(
            faults(call(field, wrong)),
            one(&format!("/steps/1/input/{field}"), "type_mismatch"),
            "{field}"
        );
    }
    let wait = |field: &str, value: &str| {
        let mut step = json!({"id": "w", "type": "wait"});
        step[field] = json!(value);
        json!([step])
    };
    assert!(faults(wait("for", "{{ 'PT' & trigger.input & 'S' }}")).is_empty());
    assert_eq!(faults(wait("for", "{{ 5 * 60 }}")), one("/steps/0/for", "type_mismatch"));
    assert_eq!(faults(wait("until", "{{ $millis() }}")), one("/steps/0/until", "type_mismatch"));
    let respond = |status: &str| json!([{"id": "r", "type": "respond", "status": status}]);
    assert!(faults(respond("{{ '204' }}")).is_empty());
    assert_eq!(faults(respond("{{ trigger.input = 1 }}")), one("/steps/0/status", "type_mismatch"));
}
