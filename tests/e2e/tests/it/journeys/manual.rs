//! Runs that a person starts, finds and cancels.

use e2e::{TestApp, manual, step, text, webhook};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_run_by_hand_reads_its_input_and_a_repeat_finds_the_same_run() {
    let app = TestApp::shared().await;
    let steps = json!([{"id": "greet", "type": "map", "output": "Hello {{ trigger.input.name }}"}]);
    let workflow = app.publish(&manual("by hand", steps)).await;
    let start = |key: &'static str, name: &'static str| {
        let request = app.request(Method::POST, &format!("/v1/workflows/{}/runs", workflow.id));
        app.send(request.header("idempotency-key", key).body(json!({"input": {"name": name}}).to_string()))
    };
    let first = start("order-1", "Ada").await.expect(202);
    let again = start("order-1", "Ada").await.expect(202);
    start("order-1", "Eve").await.refused(422, "idempotency_key_reused");
    let other = start("order-2", "Bob").await.expect(202);
    assert_eq!(first["id"], again["id"]);
    assert_ne!(first["id"], other["id"]);
    let run = app.wait_until(text(&first["id"]), "succeeded").await;
    assert_eq!(step(&run, "greet")["output"], "Hello Ada");
    assert_eq!((&run["trigger"], &run["input"]), (&json!("by_hand"), &json!({"input": {"name": "Ada"}})));
    app.wait_until(text(&other["id"]), "succeeded").await;
    assert_eq!(text(&start("order-1", "Ada").await.expect(202)["id"]), text(&first["id"]));
    assert_eq!(app.runs_of(&workflow.id, 2).await.len(), 2);

    // Without a key each start is a run of its own; without a body there is no input.
    let bare =
        app.send(app.request(Method::POST, &format!("/v1/workflows/{}/runs", workflow.id))).await.expect(202);
    let bare = app.wait_until(text(&bare["id"]), "succeeded").await;
    assert_eq!(bare["input"], json!({"input": null}));
}

#[tokio::test]
async fn only_a_workflow_with_a_manual_trigger_is_started_by_hand() {
    let app = TestApp::shared().await;
    let workflow = app.publish(&webhook("no hands", json!([]))).await;
    let path = format!("/v1/workflows/{}/runs", workflow.id);
    app.post(&path, &json!({})).await.refused(409, "no_manual_trigger");
    let long = app.request(Method::POST, &path).header("idempotency-key", "k".repeat(256)).body("{}");
    let workflow = app.publish(&manual("hands", json!([]))).await;
    let path = format!("/v1/workflows/{}/runs", workflow.id);
    app.send(long).await.refused(422, "invalid_idempotency_key");
    for key in ["k".repeat(256), String::new(), "schlüssel".to_owned()] {
        let request = app.request(Method::POST, &path).header("idempotency-key", key.as_bytes()).body("{}");
        app.send(request).await.refused(422, "invalid_idempotency_key");
    }
}

#[tokio::test]
async fn a_waiting_run_is_cancelled_and_stays_so() {
    let app = TestApp::shared().await;
    let steps =
        json!([{"id": "long", "type": "wait", "for": "PT2S"}, {"id": "never", "type": "map", "output": 1}]);
    let workflow = app.publish(&manual("to cancel", steps)).await;
    let run = app.start_run(&workflow.id, &json!(null)).await;
    app.wait_until(&run, "waiting").await;
    let cancelled = app.cancel(&run).await.expect(200);
    assert_eq!(
        (&cancelled["status"], &cancelled["error"]["code"]),
        (&json!("cancelled"), &json!("cancelled"))
    );
    assert!(cancelled["finished_at"].is_string());
    app.cancel(&run).await.expect(200);

    // A run that began after it and waits as long is past its wait: the cancelled one would be, too.
    let later = app.start_run(&workflow.id, &json!(null)).await;
    let later = app.wait_until(&later, "succeeded").await;
    let view = app.run(&run).await;
    assert_eq!(view["status"], "cancelled", "{view:#}");
    assert_eq!(view["steps"].as_array().unwrap().len(), 1, "{view:#}");
    app.cancel(text(&later["id"])).await.refused(409, "run_ended");
}

#[tokio::test]
async fn the_list_is_filtered_and_paged_newest_first() {
    let app = TestApp::shared().await;
    let steps = json!([{"id": "ask", "type": "branch", "arms": [
        {"when": "{{ trigger.input.bad }}", "steps": [{"id": "end", "type": "stop", "status": "failed", "message": "bad"}]}]}]);
    let workflow = app.publish(&manual("listed", steps)).await;
    let mut started = Vec::new();
    for n in 0..7 {
        let run = app.start_run(&workflow.id, &json!({"bad": n % 3 == 0})).await;
        app.wait_until(&run, if n % 3 == 0 { "failed" } else { "succeeded" }).await;
        started.push(run);
    }
    started.reverse();
    let id = &workflow.id;
    let ids = |runs: &[Value]| runs.iter().map(|r| text(&r["id"]).to_owned()).collect::<Vec<_>>();

    assert_eq!(ids(&app.runs(&format!("workflow={id}")).await), started);
    let failed = app.runs(&format!("workflow={id}&status=failed")).await;
    assert_eq!(failed.len(), 3);
    assert!(failed.iter().all(|r| r["status"] == "failed" && r["error"]["code"] == "stopped"), "{failed:?}");
    assert_eq!(app.runs(&format!("workflow={id}&status=waiting")).await, Vec::<Value>::new());

    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(&format!("/v1/runs?workflow={id}&limit=3{cursor}")).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3, "{page}");
        pages.extend(ids(items));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, started);

    // Items of the list tell what the run itself tells, but for its steps.
    let first = &app.runs(&format!("workflow={id}")).await[0];
    let whole = app.run(&started[0]).await;
    for field in ["id", "status", "workflow", "version", "trigger", "started_at", "finished_at", "error"] {
        assert_eq!(first[field], whole[field], "{field}");
    }
    assert!(first.get("steps").is_none());
}

#[tokio::test]
async fn workflows_are_listed_page_by_page() {
    let app = TestApp::start().await;
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(app.create_workflow(&manual(&format!("flow {n}"), json!([]))).await.id);
    }
    let mut listed = Vec::new();
    let mut path = "/v1/workflows?limit=2".to_owned();
    loop {
        let page = app.get(&path).await.expect(200);
        listed.extend(page["items"].as_array().unwrap().iter().map(|w| text(&w["id"]).to_owned()));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/workflows?limit=2&cursor={next}");
    }
    assert_eq!(listed, made);

    app.enable(&made[3]).await;
    let names = async |query: &str| {
        let list = app.get(&format!("/v1/workflows?{query}")).await.expect(200);
        let names = list["items"].as_array().unwrap().iter().map(|w| text(&w["name"]).to_owned());
        (names.collect::<Vec<_>>(), list["next_cursor"].as_str().map(str::to_owned))
    };
    let (newest, next) = names("sort=-created_at&limit=2").await;
    assert_eq!(newest, ["flow 4", "flow 3"]);
    let next = next.unwrap();
    assert_eq!(
        names(&format!("sort=-created_at&limit=3&cursor={next}")).await.0,
        ["flow 2", "flow 1", "flow 0"]
    );
    app.get(&format!("/v1/workflows?cursor={next}")).await.refused(422, "invalid_cursor");
    assert_eq!(names("enabled=true").await, (vec!["flow 3".to_owned()], None));
    assert_eq!(names("enabled=false&limit=3").await.0, ["flow 0", "flow 1", "flow 2"]);
    assert_eq!(names("name=FLOW%202").await, (vec!["flow 2".to_owned()], None));
    app.get("/v1/workflows?sort=name").await.refused(422, "invalid_query");
}
