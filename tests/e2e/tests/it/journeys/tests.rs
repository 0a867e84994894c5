//! The tests that definitions bring along, and tries of single steps.

use e2e::{Reply, Target, TestApp, http_get, http_post, manual, root, step, text};
use serde_json::{Value, json};

async fn tested(app: &TestApp, definition: &Value) -> Value {
    let id = app.create_workflow(definition).await.id;
    app.post(&format!("/v1/workflows/{id}/test"), &json!({})).await.expect(200)
}

fn with_tests(steps: Value, tests: Value) -> Value {
    let mut definition = manual("tested", steps);
    definition["tests"] = tests;
    definition
}

#[tokio::test]
async fn the_tests_of_the_documentation_pass() {
    let app = TestApp::shared().await;
    let mut count = 0;
    for file in std::fs::read_dir(root().join("docs/examples")).unwrap() {
        let path = file.unwrap().path();
        // Those with apps need connections: `apps::examples` has them.
        if path.extension().is_none_or(|kind| kind != "json") {
            continue;
        }
        let example: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let definition = &example["definition"];
        let Some(tests) = definition["tests"].as_array() else { continue };
        let report = tested(&app, definition).await;
        assert_eq!(report["passed"], true, "{}: {report:#}", path.display());
        assert_eq!(report["tests"].as_array().map(Vec::len), Some(tests.len()));
        count += tests.len();
    }
    assert!(count >= 9, "{count} tests");
}

#[tokio::test]
async fn what_is_not_as_expected_is_told_with_its_place() {
    let app = TestApp::shared().await;
    let target = Target::kind().await;
    let steps = json!([
        http_post("send", &target.url("/"), json!({"n": "{{ trigger.input.n }}"})),
        {"id": "hour", "type": "wait", "for": "PT1H"},
        {"id": "end", "type": "stop", "output": {"ok": "{{ steps.send.body.ok }}"}}]);
    let mock = json!({"send": {"output": {"status": 200, "body": {"ok": true}}}});
    let definition = with_tests(
        steps,
        json!([
            {"name": "right", "trigger": {"input": {"n": 1}}, "mocks": mock,
             "expect": {"status": "succeeded", "output": {"ok": true}, "steps": {"send": {"input": {"body": {"n": 1}}}}}},
            {"name": "wrong", "mocks": mock,
             "expect": {"status": "failed", "error": "stopped", "output": {"ok": false}, "steps": {"send": "not_called", "hour": {"times": 2}, "end": {"error": "x"}}}},
            {"name": "without a mock", "expect": {"status": "succeeded"}},
        ]),
    );
    let id = app.create_workflow(&definition).await.id;
    let path = format!("/v1/workflows/{id}/test");
    let report = app.post(&path, &json!({})).await.expect(200);
    assert_eq!(report["passed"], false);
    let tests = report["tests"].as_array().unwrap();
    assert_eq!(
        (&tests[0]["passed"], &tests[0]["output"]),
        (&json!(true), &json!({"ok": true})),
        "{report:#}"
    );
    let pointers: Vec<&str> =
        tests[1]["failures"].as_array().unwrap().iter().map(|f| text(&f["pointer"])).collect();
    let at = |rest: &str| format!("/tests/1/expect/{rest}");
    assert_eq!(
        pointers,
        [at("status"), at("output"), at("error"), at("steps/end"), at("steps/hour"), at("steps/send")],
        "{report:#}"
    );
    let why = text(&tests[2]["failures"][0]["message"]);
    assert!(why.contains("`send`") && why.contains("no mock"), "{why}");
    assert_eq!(target.seen_at("/").len(), 0, "nothing is sent");
    assert_eq!(app.runs(&format!("workflow={id}")).await.len(), 0, "nothing is stored");

    let one = app.post(&path, &json!({"tests": ["right"]})).await.expect(200);
    assert_eq!((&one["passed"], one["tests"].as_array().map(Vec::len)), (&json!(true), Some(1)));
    app.post(&path, &json!({"tests": ["none"]})).await.refused(404, "test_not_found");
    let mut draft = definition.clone();
    draft["tests"] =
        json!([{"name": "of a draft", "mocks": {"send": {"output": 1}}, "expect": {"status": "failed"}}]);
    let report = app.post(&path, &json!({"definition": draft})).await.expect(200);
    assert_eq!(report["tests"][0]["failures"][0]["pointer"], "/tests/0/expect/status");
}

#[tokio::test]
async fn tests_without_an_end_and_hostile_ones_end_all_the_same() {
    let app = TestApp::shared().await;
    let endless = json!([{"id": "loop", "type": "while", "when": true, "max_iterations": 10000, "steps": [{"id": "m", "type": "map", "output": 1}]}]);
    let report = tested(&app, &with_tests(endless, json!([{"name": "endless"}]))).await;
    assert!(text(&report["tests"][0]["failures"][0]["message"]).contains("not over"), "{report:#}");
    let bomb = json!([{"id": "bomb", "type": "map", "output": "{{ $pad('x', 1e9) }}"}]);
    let report =
        tested(&app, &with_tests(bomb, json!([{"name": "bomb", "expect": {"status": "failed"}}]))).await;
    assert_eq!(report["passed"], true, "{report:#}");
    let many = json!([{"id": "each", "type": "for_each", "items": "{{ [1..10001] }}", "steps": [{"id": "m", "type": "map", "output": 1}]}]);
    let report =
        tested(&app, &with_tests(many, json!([{"name": "many", "expect": {"error": "too_many_items"}}])))
            .await;
    assert_eq!(report["passed"], true, "{report:#}");
    for (tests, pointer, code) in [
        (
            json!([{"name": "a", "mocks": {"none": {"output": 1}}}]),
            "/tests/0/mocks/none",
            "unknown_reference",
        ),
        (
            json!([{"name": "a", "expect": {"steps": {"m": "perhaps"}}}]),
            "/tests/0/expect/steps/m",
            "type_mismatch",
        ),
        (json!([{"name": "a"}, {"name": "a"}]), "/tests/1/name", "duplicate_id"),
        (json!([{"name": "a", "colour": 1}]), "/tests/0/colour", "unknown_field"),
        (json!([{"name": "a", "mocks": {"m": {"result": 1}}}]), "/tests/0/mocks/m", "type_mismatch"),
    ] {
        let steps = json!([{"id": "m", "type": "map", "output": 1}]);
        let refused =
            app.post("/v1/workflows", &with_tests(steps, tests)).await.refused(422, "invalid_definition");
        let fault = &refused["errors"][0];
        assert_eq!((text(&fault["pointer"]), text(&fault["code"])), (pointer, code), "{refused:#}");
    }
    app.assert_undisturbed().await;
}

#[tokio::test]
async fn a_step_is_tried_with_pinned_data_and_sends_nothing() {
    let app = TestApp::shared().await;
    let target = Target::start(|_, _| Reply::json(&json!({"price": 5}))).await;
    let steps = json!([
        http_get("ask", &target.url("/ask")),
        {"id": "total", "type": "map", "output": "{{ steps.ask.body.price * trigger.input.n }}"},
        {"id": "tell", "type": "action", "use": "http.request", "input": {"method": "POST", "url": "https://example.com",
            "headers": {"authorization": "Bearer {{ trigger.input.n }}"}, "body": {"total": "{{ steps.total }}"}}},
        {"id": "each", "type": "for_each", "items": [1], "steps": [{"id": "in", "type": "map", "output": "{{ item & '-' & index }}"}]},
        {"id": "later", "type": "wait", "for": "PT1H"}]);
    let workflow = app.publish(&manual("tried", steps)).await;
    let path = |step: &str| format!("/v1/workflows/{}/steps/{step}/try", workflow.id);
    let pinned = json!({"trigger": {"input": {"n": 3}}, "steps": {"ask": {"body": {"price": 7}}}});
    assert_eq!(app.post(&path("total"), &pinned).await.expect(200), json!({"output": 21}));
    let tell = app
        .post(&path("tell"), &json!({"trigger": {"input": {"n": 3}}, "steps": {"total": 21}}))
        .await
        .expect(200);
    assert_eq!(tell["input"]["body"], json!({"total": 21}));
    assert_eq!(tell["input"]["headers"]["authorization"], "[redacted]");
    let inner = app.post(&path("in"), &json!({"item": "a", "index": 4})).await.expect(200);
    assert_eq!(inner["output"], "a-4");
    let failing = app
        .post(
            &path("total"),
            &json!({"steps": {"ask": {"body": {"price": "x"}}}, "trigger": {"input": {"n": 1}}}),
        )
        .await
        .expect(200);
    assert_eq!(failing["error"]["code"], "expression_failed", "{failing:#}");
    app.post(&path("none"), &json!({})).await.refused(404, "step_not_found");

    let run = app.start_run(&workflow.id, &json!({"n": 10})).await;
    app.wait_for("the wait", || async {
        app.run(&run).await["steps"].as_array().is_some_and(|steps| steps.len() >= 3).then_some(())
    })
    .await;
    let of_run = app.post(&path("total"), &json!({"run": run})).await.expect(200);
    assert_eq!(of_run["output"], 50);
    let replaced =
        app.post(&path("total"), &json!({"run": run, "steps": {"ask": {"body": {"price": 1}}}})).await;
    assert_eq!(replaced.expect(200)["output"], 10);
    assert_eq!(target.seen_at("/ask").len(), 1, "by the run only");
    assert_eq!(step(&app.run(&run).await, "total")["output"], 50);
    app.cancel(&run).await;
}

#[tokio::test]
async fn the_schema_of_definitions_is_served_and_cached() {
    let app = TestApp::shared().await;
    let stranger = app.fork().with_token("");
    let answer = stranger.get("/v1/schema/workflow.json").await;
    let schema = answer.expect(200);
    assert_eq!(schema, serde_json::from_str::<Value>(&e2e::file("docs/workflow.schema.json")).unwrap());
    let tag = answer.header("etag").to_owned();
    let request =
        stranger.request(reqwest::Method::GET, "/v1/schema/workflow.json").header("if-none-match", tag);
    assert_eq!(stranger.send(request).await.status, 304);
}
