//! Retries, steps that may fail, and workflows that hear of failures.

use e2e::{Reply, Target, TestApp, assert_failed, http_get, http_post, manual, step, text};
use serde_json::{Value, json};

fn with_retry(mut step: Value, retry: Value) -> Value {
    step["retry"] = retry;
    step
}

#[tokio::test]
async fn a_busy_target_is_asked_again_when_it_said_so() {
    let app = TestApp::shared().await;
    let target = Target::start(|_, before| match before {
        0 => Reply::status(503, &json!({"busy": true})).header("retry-after", "1"),
        1 => Reply::status(429, &json!({"busy": true})).header("retry-after", "0"),
        _ => Reply::json(&json!({"ok": true})),
    })
    .await;
    let retry = json!({"max_attempts": 5, "initial": "PT0.01S", "jitter": "none"});
    let steps = json!([with_retry(http_post("send", &target.url("/orders"), json!({"n": 1})), retry)]);
    let workflow = app.publish(&manual("retried", steps)).await;
    let run = app.start_run(&workflow.id, &json!(null)).await;
    let retrying = app
        .wait_for("the step to be tried again", || async {
            let view = app.run(&run).await;
            let first = view["steps"].as_array().unwrap().first().cloned();
            first.filter(|s| s["status"] == "retrying")
        })
        .await;
    assert_eq!(
        (&retrying["attempts"], &retrying["error"]["code"]),
        (&json!(1), &json!("http_status")),
        "{retrying:#}"
    );
    assert_eq!(retrying["error"]["details"], json!({"status": 503, "body": {"busy": true}}));
    assert_eq!(
        (&retrying["error"]["retry_after_ms"], &retrying["finished_at"]),
        (&json!(1000), &json!(null))
    );

    let run = app.wait_until(&run, "succeeded").await;
    let send = step(&run, "send");
    assert_eq!(
        (&send["attempts"], &send["status"], &send["error"]),
        (&json!(3), &json!("succeeded"), &json!(null))
    );
    let seen = target.seen();
    assert_eq!(seen.len(), 3);
    assert!(
        seen.iter().all(|s| s.key() == seen[0].key() && !s.key().is_empty()),
        "one key for all attempts: {seen:?}"
    );
    assert!(seen.iter().all(|s| s.json() == json!({"n": 1})), "{seen:?}");
}

#[tokio::test]
async fn a_step_that_fails_every_time_fails_the_run_after_its_attempts() {
    let app = TestApp::shared().await;
    let target = Target::start(|_, _| Reply::status(500, &json!("x".repeat(5000)))).await;
    let retry = json!({"max_attempts": 3, "initial": "PT0.01S"});
    let steps = json!([with_retry(http_get("ask", &target.url("/")), retry), {"id": "never", "type": "map", "output": 1}]);
    let run = app.run_steps(steps, &json!(null), "failed").await;
    assert_failed(&run, "ask", "http_status");
    assert_eq!((&step(&run, "ask")["attempts"], target.count()), (&json!(3), 3));
    let kept = text(&step(&run, "ask")["error"]["details"]["body"]).len();
    assert!(kept < 3000, "the history keeps {kept} bytes of the answer");
}

#[tokio::test]
async fn what_no_repetition_mends_is_not_repeated() {
    let app = TestApp::shared().await;
    let target = Target::start(|_, _| Reply::status(404, &json!({"error": "no such thing"}))).await;
    let steps =
        json!([with_retry(http_get("ask", &target.url("/")), json!({"max_attempts": 5, "initial": "PT0S"}))]);
    let run = app.run_steps(steps, &json!(null), "failed").await;
    assert_failed(&run, "ask", "http_status");
    assert_eq!(target.count(), 1);

    let mut ask = http_get("ask", &target.url("/"));
    ask["input"]["accept_any_status"] = json!(true);
    let run = app.run_steps(json!([ask]), &json!(null), "succeeded").await;
    assert_eq!(step(&run, "ask")["output"]["status"], 404);
}

#[tokio::test]
async fn a_run_goes_on_past_a_step_that_may_fail() {
    let app = TestApp::shared().await;
    let target = Target::start(|_, _| Reply::status(400, &json!({"error": "no"}))).await;
    let mut ask = http_get("ask", &target.url("/"));
    ask["on_error"] = json!("continue");
    let steps = json!([
        ask,
        {"id": "bad", "type": "map", "output": "{{ $error('on purpose') }}", "on_error": "continue"},
        {"id": "tell", "type": "map", "output": {"asked": "{{ steps.ask.error.code }}", "bad": "{{ steps.bad.error }}"}}
    ]);
    let run = app.run_steps(steps, &json!(null), "succeeded").await;
    assert_eq!(
        (&step(&run, "ask")["status"], &step(&run, "bad")["status"]),
        (&json!("failed"), &json!("failed"))
    );
    let told = &step(&run, "tell")["output"];
    assert_eq!(
        (&told["asked"], &told["bad"]["code"]),
        (&json!("http_status"), &json!("expression_failed")),
        "{run:#}"
    );
    assert!(text(&told["bad"]["message"]).contains("on purpose"), "{run:#}");
}

#[tokio::test]
async fn a_failure_starts_the_workflow_that_listens_for_failures() {
    let app = TestApp::start().await;
    let listener = app
        .publish(&json!({"name": "on failure",
            "triggers": [{"id": "failed", "type": "event", "pattern": {"source": ["patchbay"], "detail-type": ["Run failed"]}}],
            "steps": [{"id": "note", "type": "map", "output": "{{ trigger.event.detail }}"}]}))
        .await;
    let failing = app
        .publish(&manual(
            "failing",
            json!([{"id": "end", "type": "stop", "status": "failed", "message": "on purpose"}]),
        ))
        .await;
    let fine = app.publish(&manual("fine", json!([]))).await;
    let ok = app.start_run(&fine.id, &json!(null)).await;
    app.wait_until(&ok, "succeeded").await;
    let failed = app.start_run(&failing.id, &json!(null)).await;
    let failed = app.wait_until(&failed, "failed").await;

    let heard = app.runs_of(&listener.id, 1).await;
    let heard = app.wait_until(text(&heard[0]["id"]), "succeeded").await;
    let note = &step(&heard, "note")["output"];
    assert_eq!(
        (&note["run"], &note["workflow"], &note["status"]),
        (&failed["id"], &json!(failing.id), &json!("failed"))
    );
    assert_eq!(note["error"], json!({"code": "stopped", "message": "on purpose", "step": "end"}));
    assert_eq!(app.runs(&format!("workflow={}", listener.id)).await.len(), 1);
}

#[tokio::test]
async fn a_chain_of_failures_ends() {
    let app = TestApp::start().await;
    let listener = app
        .publish(&json!({"name": "fails on failure",
            "triggers": [{"id": "failed", "type": "event", "pattern": {"source": ["patchbay"], "detail-type": ["Run failed"]}}],
            "steps": [{"id": "end", "type": "stop", "status": "failed"}]}))
        .await;
    let failing =
        app.publish(&manual("failing", json!([{"id": "end", "type": "stop", "status": "failed"}]))).await;
    let run = app.start_run(&failing.id, &json!(null)).await;
    app.wait_until(&run, "failed").await;
    let last = app
        .wait_for("the end of the chain", || async {
            let runs = app.runs(&format!("workflow={}&status=failed", listener.id)).await;
            runs.into_iter().find(|r| r["error"]["code"] == "chain_too_deep")
        })
        .await;
    e2e::has_page("chain_too_deep");
    assert!(text(&last["error"]["message"]).len() > 10, "{last}");
    app.assert_undisturbed().await;
    assert_eq!(app.runs(&format!("workflow={}", listener.id)).await.len(), 17);
}

#[tokio::test]
async fn a_workflow_that_calls_its_own_webhook_is_stopped() {
    let app = TestApp::start().await;
    let first = json!({"name": "calls itself", "triggers": [{"id": "in", "type": "webhook"}],
                       "steps": [{"id": "note", "type": "map", "output": 1}]});
    let workflow = app.publish(&first).await;
    let call = json!({"id": "call", "type": "action", "use": "http.request", "retry": {"max_attempts": 1},
                      "input": {"method": "POST", "url": format!("{}{}", app.base, workflow.hook), "body": {}}});
    let mut second = first.clone();
    second["steps"] = json!([call]);
    app.change_workflow(&workflow.id, &second).await;

    app.hook_run(&workflow.hook, &json!({})).await;
    let runs = app.runs_of(&workflow.id, 17).await;
    let mut failed = 0;
    for run in runs {
        let run = app
            .wait_for("the run to end", || async {
                let run = app.run(text(&run["id"])).await;
                matches!(text(&run["status"]), "succeeded" | "failed").then_some(run)
            })
            .await;
        if run["status"] == "failed" {
            failed += 1;
            let error = &step(&run, "call")["error"];
            assert_eq!(
                (&error["code"], &error["details"]["body"]["code"]),
                (&json!("http_status"), &json!("chain_too_deep")),
                "{run:#}"
            );
        }
    }
    assert_eq!(failed, 1, "the last one is refused by the webhook");
}
