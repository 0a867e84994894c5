//! Workflows that call others.

use e2e::{TestApp, manual, text};
use serde_json::{Value, json};

async fn only_run(app: &TestApp, workflow: &str) -> String {
    let runs = app.runs_of(workflow, 1).await;
    text(&runs[0]["id"]).to_owned()
}

#[tokio::test]
async fn a_cancel_reaches_the_runs_that_are_waited_for() {
    let app = TestApp::shared().await;
    let hour = json!([{"id": "hour", "type": "wait", "for": "PT1H"}]);
    let (last, loose) =
        (app.publish(&manual("last", hour.clone())).await, app.publish(&manual("loose", hour)).await);
    let call = |workflow: &str, fields: Value| {
        let mut step = json!({"id": "call", "type": "workflow", "workflow": workflow});
        step.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        step
    };
    let middle = app.publish(&manual("middle", json!([call(&last.id, json!({}))]))).await;
    let each =
        json!({"id": "each", "type": "for_each", "items": [1], "steps": [call(&middle.id, json!({}))]});
    let first = app
        .publish(&manual("first", json!([call(&loose.id, json!({"id": "send", "wait": false})), each])))
        .await;
    let run = app.start_run(&first.id, &json!({})).await;
    let called = only_run(&app, &last.id).await;
    app.wait_until(&called, "waiting").await;

    app.cancel(&run).await.expect(200);
    for workflow in [&middle, &last] {
        let run = app.wait_until(&only_run(&app, &workflow.id).await, "cancelled").await;
        assert_eq!(run["error"]["code"], "cancelled", "{run:#}");
    }
    let sent = only_run(&app, &loose.id).await;
    assert_eq!(app.run(&sent).await["status"], "waiting", "nobody waits for this one");
    app.cancel(&run).await.expect(200);
    app.cancel(&sent).await.expect(200);
}
