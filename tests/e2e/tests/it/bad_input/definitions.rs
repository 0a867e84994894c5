//! Definitions with faults: all of them at once, each with its place, its code and a sentence.

use e2e::{TestApp, text};
use serde_json::{Value, json};

fn faults(problem: &Value) -> Vec<(String, String)> {
    let faults = problem["errors"].as_array().unwrap_or_else(|| panic!("no faults: {problem}"));
    for fault in faults {
        assert!(text(&fault["message"]).split(' ').count() > 2, "not a sentence: {fault}");
        e2e::has_page(text(&fault["code"]));
    }
    faults.iter().map(|f| (text(&f["pointer"]).to_owned(), text(&f["code"]).to_owned())).collect()
}

#[tokio::test]
async fn five_faults_are_told_at_once() {
    let app = TestApp::shared().await;
    let definition = json!({
        "name": "five faults", "triggers": [{"id": "t", "type": "webhok"}],
        "steps": [
            {"id": "a", "type": "map", "output": "{{ steps.nobody.x }}"},
            {"id": "a", "type": "wait", "for": "soon"},
            {"id": "b", "type": "action", "use": "http.request", "input": {"url": "https://example.com", "colour": "red"}},
            {"id": "c", "type": "map", "output": "{{ 1 + }}"}
        ]
    });
    let mut want = [
        ("/triggers/0/type", "trigger_type_unknown"),
        ("/steps/1/id", "duplicate_id"),
        ("/steps/1/for", "invalid_duration"),
        ("/steps/2/input/colour", "unknown_field"),
        ("/steps/3/output", "expression_syntax"),
        ("/steps/0/output", "unknown_reference"),
    ]
    .map(|(p, c)| (p.to_owned(), c.to_owned()));
    want.sort();
    let problem = app.post("/v1/workflows", &definition).await.refused(422, "invalid_definition");
    let mut found = faults(&problem);
    found.sort();
    assert_eq!(found, want);
    assert!(text(&problem["detail"]).contains('6'), "{problem}");

    let checked = app.post("/v1/workflows/validate", &definition).await.expect(200);
    assert_eq!(checked["valid"], false);
    assert_eq!(checked["errors"], problem["errors"]);
    // A change is checked, too, and leaves what was there.
    let workflow = app.publish(&e2e::manual("good", json!([]))).await;
    app.put(&format!("/v1/workflows/{}", workflow.id), &definition).await.refused(422, "invalid_definition");
    let view = app.get(&format!("/v1/workflows/{}", workflow.id)).await.expect(200);
    assert_eq!((&view["version"], &view["name"]), (&json!(1), &json!("good")));
    let good = app.post("/v1/workflows/validate", &e2e::manual("good", json!([]))).await.expect(200);
    assert_eq!(good, json!({"valid": true, "errors": []}));
}

#[tokio::test]
async fn each_fault_has_its_place_and_code() {
    let app = TestApp::shared().await;
    let steps = |steps: Value| json!({"name": "x", "triggers": [], "steps": steps});
    let http = |more: Value| {
        let mut step = json!({"id": "a", "type": "action", "use": "http.request", "input": {"url": "https://example.com"}});
        step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        steps(json!([step]))
    };
    let mut deep = json!([]);
    for n in 0..30 {
        deep = json!([{"id": format!("s{n}"), "type": "branch", "arms": [{"when": true, "steps": deep}]}]);
    }
    let many: Vec<Value> =
        (0..600).map(|n| json!({"id": format!("s{n}"), "type": "map", "output": n})).collect();
    let event = |pattern: Value| json!({"name": "x", "steps": [], "triggers": [{"id": "e", "type": "event", "pattern": pattern}]});
    let dedupe = |dedupe: &str| json!({"name": "x", "steps": [], "triggers": [{"id": "w", "type": "webhook", "dedupe": dedupe}]});
    for (definition, pointer, code) in [
        (json!([]), "", "type_mismatch"),
        (json!("text"), "", "type_mismatch"),
        (json!({"triggers": [], "steps": []}), "", "missing_field"),
        (json!({"name": "", "triggers": [], "steps": []}), "/name", "type_mismatch"),
        (json!({"name": "x", "triggers": [], "steps": [], "schema": 2}), "/schema", "schema_unknown"),
        (json!({"name": "x", "triggers": [], "steps": [], "stepz": []}), "/stepz", "unknown_field"),
        (json!({"name": "x", "triggers": [], "steps": [], "timeout": "P2Y"}), "/timeout", "type_mismatch"),
        (json!({"name": "x", "triggers": {}, "steps": []}), "/triggers", "type_mismatch"),
        (json!({"name": "x", "triggers": [], "steps": {}}), "/steps", "type_mismatch"),
        (event(json!({"source": "shop"})), "/triggers/0/pattern/source", "pattern_leaf"),
        (event(json!({"source": []})), "/triggers/0/pattern/source", "pattern_empty_array"),
        (
            event(json!({"source": [{"sounds-like": "x"}]})),
            "/triggers/0/pattern/source/0/sounds-like",
            "pattern_operator_unknown",
        ),
        (dedupe("{{ steps.a.x }}"), "/triggers/0/dedupe", "reference_not_ready"),
        (dedupe("{{ }}"), "/triggers/0/dedupe", "expression_empty"),
        (steps(json!([{"id": "a", "type": "for_eech"}])), "/steps/0/type", "step_type_unknown"),
        (steps(json!([{"type": "map", "output": 1}])), "/steps/0", "missing_field"),
        (steps(json!([{"id": "a b", "type": "map", "output": 1}])), "/steps/0/id", "invalid_id"),
        (steps(json!([{"id": "a", "type": "map"}])), "/steps/0", "missing_field"),
        (
            steps(json!([{"id": "a", "type": "map", "output": "{{ $x("}])),
            "/steps/0/output",
            "expression_unclosed",
        ),
        (
            steps(json!([{"id": "a", "type": "map", "output": {"{{ 1 }}": 1}}])),
            "/steps/0/output/{{ 1 }}",
            "expression_in_key",
        ),
        (
            steps(
                json!([{"id": "a", "type": "map", "output": format!("{{{{ {} }}}}", "1+".repeat(40_000) + "1")}]),
            ),
            "/steps/0/output",
            "expression_too_long",
        ),
        (
            steps(
                json!([{"id": "a", "type": "map", "output": format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000))}]),
            ),
            "/steps/0/output",
            "expression_too_deep",
        ),
        (
            steps(
                json!([{"id": "a", "type": "map", "output": "{{ steps.b }}"}, {"id": "b", "type": "map", "output": 1}]),
            ),
            "/steps/0/output",
            "reference_not_ready",
        ),
        (
            steps(json!([{"id": "a", "type": "map", "output": "{{ triger.body.x }}"}])),
            "/steps/0/output",
            "unknown_name",
        ),
        (steps(json!([{"id": "a", "type": "branch", "arms": []}])), "/steps/0/arms", "branch_without_arms"),
        (steps(json!([{"id": "a", "type": "wait"}])), "/steps/0", "wait_needs_one"),
        (steps(json!([{"id": "a", "type": "wait", "until": "tomorrow"}])), "/steps/0/until", "invalid_time"),
        (steps(json!([{"id": "a", "type": "stop", "status": "meh"}])), "/steps/0/status", "type_mismatch"),
        (http(json!({"use": "slack.post"})), "/steps/0/use", "action_unknown"),
        (http(json!({"timeout": "PT10M"})), "/steps/0/timeout", "type_mismatch"),
        (http(json!({"retry": {"max_attempts": 0}})), "/steps/0/retry/max_attempts", "type_mismatch"),
        (http(json!({"retry": {"tries": 3}})), "/steps/0/retry/tries", "unknown_field"),
        (
            http(json!({"input": {"url": "https://example.com", "method": "BREW"}})),
            "/steps/0/input/method",
            "type_mismatch",
        ),
        (
            http(json!({"input": {"url": "https://example.com", "body": 1, "form": {}}})),
            "/steps/0/input",
            "body_twice",
        ),
        (http(json!({"input": {}})), "/steps/0/input", "missing_field"),
        (steps(deep), "", "blocks_too_deep"),
        (steps(json!(many)), "/steps", "too_many_steps"),
    ] {
        let problem = app.post("/v1/workflows", &definition).await.refused(422, "invalid_definition");
        let found = faults(&problem);
        let there = found.iter().any(|(p, c)| c == code && (p == pointer || code == "blocks_too_deep"));
        assert!(there, "`{code}` at `{pointer}` is not among {found:?}");
    }
}

#[tokio::test]
async fn code_that_nothing_could_run_is_not_saved() {
    let app = TestApp::shared().await;
    let code = |id: &str| json!({"id": id, "type": "code", "source": "export default () => 1"});
    let inner = json!({"id": "each", "type": "for_each", "items": [1], "steps": [code("in")]});
    let problem = app.post("/v1/workflows", &e2e::manual("code", json!([code("out"), inner]))).await;
    let mut found = faults(&problem.refused(422, "invalid_definition"));
    found.sort();
    let fault = |pointer: &str| (pointer.to_owned(), "code_unavailable".to_owned());
    assert_eq!(found, [fault("/steps/0/type"), fault("/steps/1/steps/0/type")]);
    let broken =
        json!({"id": "c", "type": "code", "source": " ", "language": "cobol", "timeout": "PT2M", "x": 1});
    let problem = app.post("/v1/workflows", &e2e::manual("code", json!([broken]))).await;
    let problem = problem.refused(422, "invalid_definition");
    let found = faults(&problem);
    for pointer in ["/steps/0/source", "/steps/0/language", "/steps/0/timeout", "/steps/0/x"] {
        assert!(found.iter().any(|(at, _)| at == pointer), "{pointer}: {found:?}");
    }
}
