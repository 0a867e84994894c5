//! Runs that repeat others: what succeeded is not done again.

use e2e::{Reply, Target, TestApp, http_post, manual, step, text};
use serde_json::{Value, json};

async fn repeated(app: &TestApp, path: &str, body: &Value) -> String {
    let started = app.post(path, body).await.expect(202);
    text(&started["id"]).to_owned()
}

#[tokio::test]
async fn a_redriven_run_does_only_what_failed() {
    let app = TestApp::shared().await;
    // Broken for the first two calls of `/shaky`; everything else is well.
    let target = Target::start(|seen, before| match (seen.path.as_str(), before) {
        ("/shaky", 0) => Reply::status(404, &json!({})),
        _ => Reply::json(&json!({"ok": true})),
    })
    .await;
    let steps = json!([
        http_post("first", &target.url("/first"), json!({})),
        {"id": "each", "type": "for_each", "items": ["a", "shaky", "b"], "concurrency": 1, "steps": [
            http_post("send", &target.url("/{{ item }}"), json!({})),
            {"id": "gives", "type": "map", "output": "{{ item }}"}]},
        {"id": "end", "type": "map", "output": "{{ steps.each }}"}]);
    let workflow = app.publish(&manual("redriven", steps)).await;
    let run = app.start_run(&workflow.id, &json!({"n": 1})).await;
    let failed = app.wait_until(&run, "failed").await;
    assert_eq!(failed["error"]["step"], "each[1].send", "{failed:#}");

    let again = repeated(&app, &format!("/v1/runs/{run}/redrive"), &json!({})).await;
    assert_eq!(
        again,
        repeated(&app, &format!("/v1/runs/{run}/redrive"), &json!({})).await,
        "asked twice, done once"
    );
    let done = app.wait_until(&again, "succeeded").await;
    assert_eq!(step(&done, "end")["output"], json!(["a", "shaky", "b"]), "{done:#}");
    assert_eq!(done["origin"], json!(run));
    let calls = |path: &str| target.seen_at(path).len();
    assert_eq!((calls("/first"), calls("/a"), calls("/shaky"), calls("/b")), (1, 1, 2, 1));

    let refused = app.post(&format!("/v1/runs/{again}/redrive"), &json!({})).await;
    assert_eq!((refused.status, &refused.expect(409)["code"]), (409, &json!("run_not_failed")));
}

#[tokio::test]
async fn a_replayed_run_begins_where_it_is_told_with_the_outputs_it_is_given() {
    let app = TestApp::shared().await;
    let target = Target::start(|_, _| Reply::json(&json!({"ok": true}))).await;
    let steps = json!([
        {"id": "price", "type": "map", "output": 5},
        http_post("tell", &target.url("/tell"), json!({"price": "{{ steps.price }}"})),
        {"id": "end", "type": "map", "output": "{{ steps.price * 2 }}"}]);
    let workflow = app.publish(&manual("replayed", steps)).await;
    let run = app.start_run(&workflow.id, &json!({})).await;
    app.wait_until(&run, "succeeded").await;
    let path = format!("/v1/runs/{run}/replay");

    let from_end = repeated(&app, &path, &json!({"from": "end", "outputs": {"price": 7}})).await;
    assert_eq!(step(&app.wait_until(&from_end, "succeeded").await, "end")["output"], 14);
    assert_eq!(target.seen_at("/tell").len(), 1, "what came before is not done again");
    let whole = repeated(&app, &path, &json!({})).await;
    assert_eq!(step(&app.wait_until(&whole, "succeeded").await, "end")["output"], 10);
    let told = target.seen_at("/tell");
    assert_eq!(told.len(), 2);
    assert_ne!(told[0].key(), told[1].key(), "a replay is another effect");

    for body in [
        json!({"from": "nowhere"}),
        json!({"from": "end", "outputs": {"nothing": 1}}),
        json!({"outputs": {"price": 1}}),
    ] {
        assert_eq!(app.post(&path, &body).await.expect(422)["code"], "cannot_replay", "{body}");
    }
}

#[tokio::test]
async fn failed_runs_are_redriven_together() {
    let app = TestApp::shared().await;
    let target = Target::start(|_, before| match before {
        0..3 => Reply::status(404, &json!({})),
        _ => Reply::json(&json!({"ok": true})),
    })
    .await;
    let steps = json!([http_post("send", &target.url("/many"), json!({}))]);
    let workflow = app.publish(&manual("many", steps)).await;
    for _ in 0..3 {
        let run = app.start_run(&workflow.id, &json!({})).await;
        app.wait_until(&run, "failed").await;
    }
    let many = app.post("/v1/runs/redrive", &json!({"workflow": workflow.id})).await.expect(202);
    let items = many["items"].as_array().expect("a list");
    assert_eq!(items.len(), 3, "{many:#}");
    for item in items {
        app.wait_until(text(&item["id"]), "succeeded").await;
    }
}

#[tokio::test]
async fn a_cancelled_run_that_is_redriven_keeps_the_failures_that_were_dealt_with() {
    let app = TestApp::shared().await;
    let target = Target::start(|seen, _| match seen.path.as_str() {
        "/charge" => Reply::status(404, &json!({})),
        _ => Reply::json(&json!({"ok": true})),
    })
    .await;
    let steps = json!([
        {"id": "careful", "type": "try", "steps": [http_post("charge", &target.url("/charge"), json!({}))],
            "catch": [http_post("tell", &target.url("/tell"), json!({}))]},
        {"id": "hour", "type": "wait", "for": "PT2S"},
        {"id": "end", "type": "map", "output": "{{ steps.careful.error.code }}"}]);
    let workflow = app.publish(&manual("cancelled", steps)).await;
    let run = app.start_run(&workflow.id, &json!({})).await;
    app.wait_until(&run, "waiting").await;
    app.cancel(&run).await.expect(200);
    let again = repeated(&app, &format!("/v1/runs/{run}/redrive"), &json!({})).await;
    let done = app.wait_until(&again, "succeeded").await;
    assert_eq!(step(&done, "end")["output"], "http_status", "{done:#}");
    assert_eq!((target.seen_at("/charge").len(), target.seen_at("/tell").len()), (1, 1));
}
