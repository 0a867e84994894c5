//! Events on the bus start workflows.

use e2e::{TestApp, file, step, text};
use serde_json::{Value, json};

fn listener(name: &str, pattern: Value) -> Value {
    json!({"name": name, "triggers": [{"id": "bus", "type": "event", "pattern": pattern}],
           "steps": [{"id": "note", "type": "map", "output": "{{ trigger.event.detail }}"}]})
}

#[tokio::test]
async fn an_event_starts_the_workflows_whose_patterns_match_and_no_others() {
    let app = TestApp::start().await;
    let sample: Value = serde_json::from_str(&file("events/eventbridge-order-placed.json")).unwrap();
    let patterns = [
        ("exact", json!({"source": ["shop"], "detail-type": ["Order placed"]}), true),
        ("prefix", json!({"source": [{"prefix": "sh"}], "detail": {"order": [{"prefix": "10"}]}}), true),
        ("one of", json!({"source": ["shop"], "detail": {"customer": {"country": ["DE", "IT"]}}}), true),
        ("in a list", json!({"source": ["shop"], "detail": {"items": {"sku": ["CRANK-1"]}}}), true),
        ("number", json!({"detail": {"total": [119]}}), true),
        ("other source", json!({"source": ["warehouse"]}), false),
        ("other prefix", json!({"source": ["shop"], "detail": {"order": [{"prefix": "2"}]}}), false),
        ("not a prefix", json!({"source": ["sho"]}), false),
        ("other country", json!({"source": ["shop"], "detail": {"customer": {"country": ["DE"]}}}), false),
        ("missing field", json!({"source": ["shop"], "detail": {"colour": ["red"]}}), false),
        ("text is no number", json!({"detail": {"total": ["119"]}}), false),
    ];
    let mut workflows = Vec::new();
    for (name, pattern, matches) in &patterns {
        workflows.push(app.publish(&listener(name, pattern.clone())).await);
        // The API's own tester says the same.
        let tested = app
            .post("/v1/events/test-pattern", &json!({"pattern": pattern, "event": sample}))
            .await
            .expect(200);
        assert_eq!(tested["matches"], *matches, "{name}");
    }
    let detail_type = text(&sample["detail-type"]);
    let event = app.put_event("shop", detail_type, &sample["detail"]).await;
    for (workflow, (name, _, matches)) in workflows.iter().zip(&patterns) {
        if *matches {
            let runs = app.runs_of(&workflow.id, 1).await;
            let run = app.wait_until(text(&runs[0]["id"]), "succeeded").await;
            assert_eq!(step(&run, "note")["output"], sample["detail"], "{name}");
            assert_eq!(run["input"]["event"]["id"], event.as_str());
            assert_eq!(run["input"]["event"]["source"], "shop");
            assert_eq!(run["input"]["event"]["detail-type"], detail_type);
        }
    }
    // The last event comes after the first in the queue: what it did not start will not be started.
    let end = app.publish(&listener("end", json!({"source": ["end"]}))).await;
    app.put_event("end", "End", &json!({})).await;
    app.runs_of(&end.id, 1).await;
    for (workflow, (name, _, matches)) in workflows.iter().zip(&patterns) {
        assert_eq!(
            app.runs(&format!("workflow={}", workflow.id)).await.len(),
            usize::from(*matches),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_disabled_or_changed_workflow_listens_no_longer() {
    let app = TestApp::start().await;
    let off = app.publish(&listener("off", json!({"source": ["tick"]}))).await;
    app.disable(&off.id).await;
    let changed = app.publish(&listener("changed", json!({"source": ["tick"]}))).await;
    app.change_workflow(&changed.id, &listener("changed", json!({"source": ["tock"]}))).await;
    let on = app.publish(&listener("on", json!({"source": ["tick"]}))).await;
    app.put_event("tick", "Tick", &json!({"n": 1})).await;
    app.runs_of(&on.id, 1).await;
    app.put_event("tock", "Tock", &json!({"n": 2})).await;
    let runs = app.runs_of(&changed.id, 1).await;
    assert_eq!((runs.len(), &runs[0]["version"]), (1, &json!(2)));
    assert!(app.runs(&format!("workflow={}", off.id)).await.is_empty());
}

#[tokio::test]
async fn events_that_cannot_be_are_refused() {
    let app = TestApp::shared().await;
    for event in [
        json!({"source": "", "detail_type": "x", "detail": {}}),
        json!({"source": "patchbay", "detail_type": "Run failed", "detail": {}}),
        json!({"source": "aws.s3", "detail_type": "x", "detail": {}}),
        json!({"source": "shop", "detail_type": "", "detail": {}}),
        json!({"source": "shop", "detail_type": "x", "detail": [1]}),
        json!({"source": "shop", "detail_type": "x", "detail": {"big": "x".repeat(300_000)}}),
    ] {
        app.post("/v1/events", &event).await.refused(422, "invalid_event");
    }
    app.post("/v1/events", &json!({"source": "shop", "detail": {}})).await.refused(422, "invalid_body");
    app.post("/v1/events", &json!({"source": "shop", "detail-type": "x", "detail": {}, "time": 1}))
        .await
        .refused(422, "invalid_body");
    app.post("/v1/events", &json!({"source": "shop", "detail-type": "x", "detail": {}})).await.expect(202);

    let refused =
        app.post("/v1/events/test-pattern", &json!({"pattern": {"a": [], "b": "x"}, "event": {}})).await;
    let problem = refused.refused(422, "invalid_pattern");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem}");
}
