//! What `Plan::parse` refuses, and where.

use engine::Plan;
use serde_json::{Value, json};

fn faults(steps: Value) -> Vec<(String, String)> {
    faults_of(json!({"name": "t", "triggers": [{"id": "manual", "type": "manual"}], "steps": steps}))
}

fn faults_of(document: Value) -> Vec<(String, String)> {
    let faults = Plan::parse(&document).err().unwrap_or_default();
    faults.into_iter().map(|f| (f.pointer, f.code)).collect()
}

fn one(pointer: &str, code: &str) -> Vec<(String, String)> {
    vec![(pointer.to_owned(), code.to_owned())]
}

fn map(id: &str, output: Value) -> Value {
    json!({"id": id, "type": "map", "output": output})
}

#[test]
fn a_reference_to_no_step_is_refused_where_it_stands() {
    let steps = json!([map("a", json!({"x": ["{{ steps.nobody.y }}"]}))]);
    assert_eq!(faults(steps), one("/steps/0/output/x/0", "unknown_reference"));
}

#[test]
fn a_step_reads_only_what_can_have_run_before_it() {
    assert_eq!(
        faults(json!([map("a", json!("{{ steps.b }}")), map("b", json!(1))])),
        one("/steps/0/output", "reference_not_ready")
    );
    assert_eq!(
        faults(json!([map("a", json!("{{ steps.a }}"))])),
        one("/steps/0/output", "reference_not_ready")
    );
    assert!(faults(json!([map("a", json!(1)), map("b", json!("{{ steps.a }}"))])).is_empty());
}

#[test]
fn an_arm_reads_no_other_arm_but_what_follows_reads_all() {
    let branch = |second: &str| {
        json!({"id": "pick", "type": "branch",
        "arms": [{"when": true, "steps": [map("x", json!(1))]}, {"when": false, "steps": [map("y", json!(second))]}],
        "else": [map("z", json!(1))]})
    };
    assert_eq!(
        faults(json!([branch("{{ steps.x }}")])),
        one("/steps/0/arms/1/steps/0/output", "reference_not_ready")
    );
    assert!(
        faults(json!([branch(""), map("after", json!("{{ [steps.x, steps.y, steps.z, steps.pick.arm] }}"))]))
            .is_empty()
    );
}

#[test]
fn a_dedupe_reads_no_step() {
    let document = json!({"name": "t", "triggers": [{"id": "form", "type": "webhook", "dedupe": "{{ steps.a }}"}], "steps": [map("a", json!(1))]});
    assert_eq!(faults_of(document), one("/triggers/0/dedupe", "reference_not_ready"));
}

#[test]
fn the_input_of_a_request_is_checked_before_it_is_evaluated() {
    let request =
        |input: Value| json!([{"id": "a", "type": "action", "use": "http.request", "input": input}]);
    let at = |field: &str| format!("/steps/0/input{field}");
    for (input, pointer, code) in [
        (json!("x"), at(""), "type_mismatch"),
        (json!({}), at(""), "missing_field"),
        (json!({"url": 7}), at("/url"), "type_mismatch"),
        (json!({"url": "https://x", "methud": "GET"}), at("/methud"), "unknown_field"),
        (json!({"url": "https://x", "method": "FETCH"}), at("/method"), "type_mismatch"),
        (json!({"url": "https://x", "headers": []}), at("/headers"), "type_mismatch"),
        (json!({"url": "https://x", "body": 1, "form": {}}), at(""), "body_twice"),
    ] {
        assert_eq!(faults(request(input.clone())), one(&pointer, code), "{input}");
    }
    assert!(
        faults(request(
            json!({"url": "{{ trigger.u }}", "method": "{{ trigger.m }}", "query": "{{ trigger.q }}"})
        ))
        .is_empty()
    );
}

#[test]
fn a_constant_pause_is_checked_too() {
    assert_eq!(
        faults(json!([{"id": "a", "type": "wait", "for": "soon"}])),
        one("/steps/0/for", "invalid_duration")
    );
    assert_eq!(
        faults(json!([{"id": "a", "type": "wait", "until": "2026-13-01"}])),
        one("/steps/0/until", "invalid_time")
    );
}

#[test]
fn five_faults_are_told_at_once() {
    let steps = json!([
        map("a", json!("{{ steps.later }}")),
        map("b", json!("{{ ( }}")),
        {"id": "c", "type": "action", "use": "http.request", "input": {"method": "GET"}},
        {"id": "d", "type": "wait", "for": "1h"},
        {"id": "e", "type": "branch", "arms": [{"when": "{{ steps.nobody }}", "steps": []}]},
        map("later", json!(1)),
    ]);
    let mut told = faults(steps);
    told.sort();
    let pointers: Vec<&str> = told.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(
        pointers,
        ["/steps/0/output", "/steps/1/output", "/steps/2/input", "/steps/3/for", "/steps/4/arms/0/when"]
    );
}

#[test]
fn blocks_without_steps_are_faults_and_nothing_worse() {
    for empty in [json!([]), json!({}), json!(null), json!(["x"])] {
        for step in [
            json!({"id": "b", "type": "for_each", "items": [1], "steps": empty}),
            json!({"id": "b", "type": "while", "when": true, "steps": empty}),
            json!({"id": "b", "type": "try", "steps": empty, "catch": empty, "finally": empty}),
            json!({"id": "b", "type": "parallel", "arms": [{"id": "x", "steps": empty}]}),
        ] {
            assert!(!faults(json!([step.clone()])).is_empty(), "{step}");
            let within = json!({"id": "w", "type": "while", "when": true, "steps": [step]});
            assert!(!faults(json!([within.clone()])).is_empty(), "{within}");
        }
    }
}
