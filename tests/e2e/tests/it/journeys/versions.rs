//! A changed workflow is a new version, and switching it off.

use e2e::{TestApp, manual, step, text};
use serde_json::{Value, json};

fn definition(word: &str) -> Value {
    json!({
        "name": format!("version {word}"),
        "triggers": [{"id": "in", "type": "webhook"}, {"id": "by_hand", "type": "manual"}],
        "steps": [
            {"id": "pause", "type": "wait", "for": "PT1S"},
            {"id": "say", "type": "map", "output": word}
        ]
    })
}

#[tokio::test]
async fn a_waiting_run_keeps_its_version_and_new_runs_take_the_new_one() {
    let app = TestApp::shared().await;
    let first = app.publish(&definition("one")).await;
    let old = app.start_run(&first.id, &json!(null)).await;
    app.wait_until(&old, "waiting").await;

    let second = app.change_workflow(&first.id, &definition("two")).await;
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(first.hook, second.hook, "the address stays");
    let by_hand = app.start_run(&first.id, &json!(null)).await;
    let by_hook = app.hook_run(&first.hook, &json!({})).await;

    for (run, version, word) in [(&old, 1, "one"), (&by_hand, 2, "two"), (&by_hook, 2, "two")] {
        let run = app.wait_until(run, "succeeded").await;
        assert_eq!(
            (&run["version"], &step(&run, "say")["output"]),
            (&json!(version), &json!(word)),
            "{run:#}"
        );
    }

    let path = format!("/v1/workflows/{}", first.id);
    let newest = app.get(&path).await.expect(200);
    assert_eq!((&newest["version"], &newest["name"]), (&json!(2), &json!("version two")));
    assert_eq!(newest["definition"], definition("two"));
    assert_eq!(app.get(&format!("{path}?version=1")).await.expect(200)["definition"], definition("one"));
    app.get(&format!("{path}?version=3")).await.refused(404, "version_not_found");
}

#[tokio::test]
async fn a_disabled_workflow_starts_nothing_and_what_runs_goes_on() {
    let app = TestApp::shared().await;
    let workflow = app.create_workflow(&definition("x")).await;
    let start = format!("/v1/workflows/{}/runs", workflow.id);
    app.hook(&workflow.hook, &json!({})).await.refused(409, "workflow_disabled");
    app.post(&start, &json!({})).await.refused(409, "workflow_disabled");

    app.enable(&workflow.id).await;
    app.enable(&workflow.id).await;
    let run = app.hook_run(&workflow.hook, &json!({})).await;
    app.disable(&workflow.id).await;
    app.hook(&workflow.hook, &json!({})).await.refused(409, "workflow_disabled");
    app.post(&start, &json!({})).await.refused(409, "workflow_disabled");
    app.wait_until(&run, "succeeded").await;
    assert_eq!(app.runs_of(&workflow.id, 1).await.len(), 1);
    app.enable(&workflow.id).await;
    app.hook_run(&workflow.hook, &json!({})).await;
}

#[tokio::test]
async fn a_webhook_that_a_change_removes_is_gone() {
    let app = TestApp::shared().await;
    let workflow = app.publish(&definition("x")).await;
    app.change_workflow(&workflow.id, &manual("no webhook any more", json!([]))).await;
    app.hook(&workflow.hook, &json!({})).await.refused(404, "hook_not_found");
    let view = app.get(&format!("/v1/workflows/{}", workflow.id)).await.expect(200);
    assert_eq!(
        view["triggers"].as_array().unwrap().iter().map(|t| text(&t["type"])).collect::<Vec<_>>(),
        ["manual"]
    );
    // One that comes back has a new address: the old one may be known to somebody.
    let back = app.change_workflow(&workflow.id, &definition("y")).await;
    assert_ne!(back.hook, workflow.hook);
    app.hook_run(&back.hook, &json!({})).await;
}
