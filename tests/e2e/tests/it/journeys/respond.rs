//! Workflows that answer the webhook's caller themselves.

use e2e::{Target, TestApp, http_get, step, text, webhook};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn the_caller_gets_status_headers_and_body_of_the_workflow() {
    let app = TestApp::shared().await;
    let target = Target::kind().await;
    let workflow = app
        .publish(&webhook(
            "answering",
            json!([
                http_get("look", &target.url("/price")),
                {"id": "answer", "type": "respond", "status": "{{ trigger.body.status }}",
                 "headers": {"X-Order": "{{ trigger.body.order }}", "set-cookie": "a=b", "content-length": "3"},
                 "body": {"order": "{{ trigger.body.order }}", "ok": "{{ steps.look.body.ok }}"}},
                {"id": "later", "type": "map", "output": "after the answer"}
            ]),
        ))
        .await;
    let answer = app.hook(&workflow.hook, &json!({"order": 17, "status": 201})).await;
    assert_eq!(answer.expect(201), json!({"order": 17, "ok": true}));
    assert_eq!((answer.header("x-order"), answer.header("content-type")), ("17", "application/json"));
    assert_eq!(answer.header("set-cookie"), "", "a workflow sets no cookies on the platform's address");

    let runs = app.runs_of(&workflow.id, 1).await;
    let run = app.wait_until(text(&runs[0]["id"]), "succeeded").await;
    assert_eq!(step(&run, "answer")["output"], json!({"status": 201}));
    assert_eq!(step(&run, "later")["output"], "after the answer");
}

#[tokio::test]
async fn an_answer_may_be_text_or_nothing_or_typed_by_the_workflow() {
    let app = TestApp::shared().await;
    for (respond, status, content_type, body) in [
        (json!({"body": "plain"}), 200, "text/plain; charset=utf-8", "plain"),
        (json!({"status": 204}), 204, "", ""),
        (
            json!({"headers": {"Content-Type": "text/html"}, "body": "<p>hi</p>"}),
            200,
            "text/html",
            "<p>hi</p>",
        ),
        (json!({"status": 422, "body": [1, null]}), 422, "application/json", "[1,null]"),
        (json!({"status": 302, "headers": {"location": "https://example.com/"}}), 302, "", ""),
    ] {
        let mut step = respond.clone();
        step["id"] = json!("answer");
        step["type"] = json!("respond");
        let workflow = app.publish(&webhook("answers", json!([step]))).await;
        // Redirects are for browsers: this sender does not follow.
        let sender = reqwest_without_redirects();
        let response = sender.post(format!("{}{}", app.base, workflow.hook)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{respond}");
        let typed = response.headers().get("content-type").map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(typed.unwrap_or_default(), content_type, "{respond}");
        assert_eq!(response.text().await.unwrap(), body, "{respond}");
    }
}

#[expect(clippy::disallowed_methods, reason = "the sender of a webhook is outside")]
fn reqwest_without_redirects() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

#[tokio::test]
async fn a_run_that_ends_without_an_answer_is_a_bad_gateway() {
    let app = TestApp::shared().await;
    let refuse =
        json!({"id": "refuse", "type": "stop", "status": "failed", "message": "no {{ trigger.body.n }}"});
    let workflow = app
        .publish(&webhook(
            "sometimes",
            json!([
                {"id": "ask", "type": "branch", "arms": [{"when": "{{ trigger.body.n > 1 }}", "steps": [refuse]}]},
                {"id": "answer", "type": "respond", "body": "yes"}
            ]),
        ))
        .await;
    assert_eq!(app.hook(&workflow.hook, &json!({"n": 1})).await.text(), "yes");
    let problem = app.hook(&workflow.hook, &json!({"n": 2})).await.refused(502, "no_answer");
    let runs = app.runs(&format!("workflow={}&status=failed", workflow.id)).await;
    assert!(text(&problem["detail"]).contains(text(&runs[0]["id"])), "{problem}");
    assert_eq!(runs[0]["error"], json!({"code": "stopped", "message": "no 2", "step": "ask.refuse"}));
}

#[tokio::test]
async fn what_was_answered_stays_answered_when_the_run_fails_after_it() {
    let app = TestApp::shared().await;
    let workflow = app
        .publish(&webhook(
            "answer, then fail",
            json!([
                {"id": "answer", "type": "respond", "status": 202, "body": {"taken": true}},
                {"id": "end", "type": "stop", "status": "failed", "message": "later"}
            ]),
        ))
        .await;
    assert_eq!(app.hook(&workflow.hook, &json!({})).await.expect(202), json!({"taken": true}));
    let runs = app.runs_of(&workflow.id, 1).await;
    let run = app.wait_until(text(&runs[0]["id"]), "failed").await;
    assert_eq!((&run["error"]["code"], &run["error"]["message"]), (&json!("stopped"), &json!("later")));
    e2e::has_page("stopped");
}

#[tokio::test]
async fn the_first_answer_counts() {
    let app = TestApp::shared().await;
    let steps = json!([
        {"id": "one", "type": "respond", "body": "one"},
        {"id": "two", "type": "respond", "body": "two"}
    ]);
    let workflow = app.publish(&webhook("twice", steps)).await;
    for _ in 0..3 {
        assert_eq!(app.hook(&workflow.hook, &json!({})).await.text(), "one");
    }
    for run in app.runs_of(&workflow.id, 3).await {
        app.wait_until(text(&run["id"]), "succeeded").await;
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_sent_fails_its_step() {
    let app = TestApp::shared().await;
    for respond in [
        json!({"status": 42}),
        json!({"status": "{{ 'teapot' }}"}),
        json!({"status": 600}),
        json!({"status": 101}),
        json!({"headers": {"x-y": "a\r\nb: c"}}),
        json!({"headers": {"not a name": "x"}}),
    ] {
        let mut step: Value = respond.clone();
        step["id"] = json!("answer");
        step["type"] = json!("respond");
        let workflow = app.publish(&webhook("cannot", json!([step]))).await;
        app.hook(&workflow.hook, &json!({})).await.refused(502, "no_answer");
        let runs = app.runs_of(&workflow.id, 1).await;
        let run = app.wait_until(text(&runs[0]["id"]), "failed").await;
        e2e::assert_failed(&run, "answer", "invalid_answer");
    }
}

#[tokio::test]
async fn a_stop_ends_the_run_with_its_output() {
    let app = TestApp::shared().await;
    let steps = json!([
        {"id": "pick", "type": "branch", "arms": [{"when": "{{ trigger.input.n = 1 }}", "steps": [
            {"id": "done", "type": "stop", "output": {"n": "{{ trigger.input.n + 1 }}"}}]}]},
        {"id": "never", "type": "map", "output": 1}
    ]);
    let run = app.run_steps(steps, &json!({"n": 1}), "succeeded").await;
    assert_eq!((&run["output"], run["steps"].as_array().unwrap().len()), (&json!({"n": 2}), 2), "{run:#}");
    let answer = app.send(app.request(Method::GET, &format!("/v1/runs/{}", text(&run["id"])))).await;
    assert_eq!(answer.header("content-type"), "application/json");
}
