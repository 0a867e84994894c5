//! Workflows that would call each other in a circle.

use e2e::{TestApp, manual, text};
use serde_json::{Value, json};

fn calls(name: &str, workflow: &str) -> Value {
    manual(name, json!([{"id": "call", "type": "workflow", "workflow": workflow}]))
}

#[tokio::test]
async fn a_circle_of_calls_is_refused_where_it_would_be_closed() {
    let app = TestApp::shared().await;
    let last = app.publish(&manual("last", json!([]))).await;
    let middle = app.publish(&calls("middle", &last.id)).await;
    let first = app.publish(&calls("first", &middle.id)).await;

    let path = format!("/v1/workflows/{}", last.id);
    let faults = app.put(&path, &calls("last", &first.id)).await.refused(422, "invalid_definition");
    let fault = &faults["errors"][0];
    assert_eq!((text(&fault["code"]), text(&fault["pointer"])), ("call_cycle", "/steps/0/workflow"));
    for workflow in [&first, &middle, &last] {
        assert!(text(&fault["message"]).contains(&workflow.id), "{fault}");
    }
    app.put(&path, &calls("last", &last.id)).await.refused(422, "invalid_definition");
    e2e::has_page("call_cycle");

    // What is live decides: a version that would close a circle now cannot be made live again.
    app.change_workflow(&middle.id, &manual("middle", json!([]))).await;
    app.put(&path, &calls("last", &first.id)).await.expect(200);
    let publish = format!("/v1/workflows/{}/publish", middle.id);
    app.post(&publish, &json!({"version": 1})).await.refused(422, "invalid_definition");
    // One that calls the same workflow twice is no circle.
    let twice = json!([
        {"id": "a", "type": "workflow", "workflow": last.id}, {"id": "b", "type": "workflow", "workflow": first.id}]);
    app.publish(&manual("twice", twice)).await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_told_when_a_definition_is_saved() {
    let app = TestApp::shared().await;
    let steps = json!([
        {"id": "go", "type": "filter", "when": true},
        {"id": "a", "type": "map", "output": "{{ trigger.imput & steps.go.pased }}"},
        {"id": "nap", "type": "wait", "for": "{{ 5 * 60 }}"},
        {"id": "end", "type": "stop"},
        {"id": "never", "type": "map", "output": 1}
    ]);
    let told = app.post("/v1/workflows/validate", &manual("faulty", steps)).await.expect(200);
    let mut faults: Vec<_> = told["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (text(&fault["pointer"]).to_owned(), text(&fault["code"]).to_owned()))
        .collect();
    faults.sort();
    let expected = [
        ("/steps/1/output", "unknown_member"),
        ("/steps/1/output", "unknown_member"),
        ("/steps/2/for", "type_mismatch"),
        ("/steps/4", "unreachable_step"),
    ]
    .map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
    assert_eq!(faults, expected, "{told:#}");
    for code in ["unknown_member", "unreachable_step"] {
        e2e::has_page(code);
    }
}
