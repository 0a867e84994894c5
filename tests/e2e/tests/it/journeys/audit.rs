//! The audit ledger tells what was done, by whom, from where.

use e2e::{EMAIL, TestApp, text};
use serde_json::{Value, json};

async fn told(app: &TestApp, query: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/v1/audit?{query}{cursor}")).await.expect(200);
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

fn actions(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| text(&record["action"])).collect()
}

#[tokio::test]
async fn changes_are_told_with_what_was_before_and_who_did_it() {
    let app = TestApp::start().await;
    let workflow = app.publish(&e2e::manual("orders", json!([]))).await;
    app.change_workflow(&workflow.id, &e2e::manual("orders, again", json!([]))).await;
    app.post(&format!("/v1/workflows/{}/publish", workflow.id), &json!({"version": 1})).await.expect(200);
    app.disable(&workflow.id).await;
    app.disable(&workflow.id).await;
    let records = told(&app, &format!("target={}", workflow.id)).await;
    let expected = [
        "workflow.disabled",
        "workflow.published",
        "workflow.changed",
        "workflow.enabled",
        "workflow.created",
    ];
    assert_eq!(actions(&records), expected, "newest first; what changes nothing is not told");
    let changed = &records[2];
    assert_eq!(
        (&changed["before"]["name"], &changed["after"]["name"]),
        (&json!("orders"), &json!("orders, again"))
    );
    assert_eq!((&changed["before"]["live"], &changed["after"]["live"]), (&json!(1), &json!(2)));
    assert_eq!((&changed["actor_name"], &changed["ip"]), (&json!(EMAIL), &json!("127.0.0.1")));
    assert_eq!(changed["target_type"], "workflow");
    let whole = told(&app, "limit=2").await;
    assert_eq!(actions(&whole)[whole.len() - 2..], ["sign_in.succeeded", "org.created"]);
    assert_eq!(told(&app, "action=workflow.&limit=3").await.len(), 5);
    assert_eq!(
        actions(&told(&app, "q=ORDERS, AGAIN&action=workflow.published").await),
        ["workflow.published"]
    );
    let actor = text(&changed["actor"]);
    assert_eq!(told(&app, &format!("actor={actor}&action=org.")).await.len(), 1);
    assert!(told(&app, "actor=usr_00000000000000000000000000").await.is_empty());
    let at = text(&changed["at"]);
    assert!(actions(&told(&app, &format!("to={at}")).await).iter().all(|a| *a != "workflow.disabled"));
    assert!(actions(&told(&app, &format!("from={at}")).await).iter().all(|a| *a != "org.created"));
    for bad in ["from=yesterday", "actor=me", "action=dance", "limit=0", "format=pdf&x=1"] {
        assert_eq!(app.get(&format!("/v1/audit?{bad}")).await.status, 422, "{bad}");
    }
    app.get("/v1/audit?cursor=x").await.refused(422, "invalid_cursor");
}

#[tokio::test]
async fn what_is_done_to_runs_is_told() {
    let app = TestApp::start().await;
    let failing =
        app.publish(&e2e::manual("fails", json!([{"id": "s", "type": "stop", "status": "failed"}]))).await;
    let run = app.start_run(&failing.id, &json!({})).await;
    app.wait_until(&run, "failed").await;
    let redriven = app.post(&format!("/v1/runs/{run}/redrive"), &json!({})).await.expect(202);
    app.post(&format!("/v1/runs/{run}/replay"), &json!({})).await.expect(202);
    let waiting =
        app.publish(&e2e::manual("waits", json!([{"id": "w", "type": "wait", "for": "PT1H"}]))).await;
    let long = app.start_run(&waiting.id, &json!({})).await;
    app.wait_until(&long, "waiting").await;
    app.cancel(&long).await.expect(200);
    app.cancel(&long).await.expect(200);
    assert_eq!(
        actions(&told(&app, &format!("target={run}")).await),
        ["run.replayed", "run.redriven", "run.started"]
    );
    assert_eq!(actions(&told(&app, &format!("target={long}")).await), ["run.cancelled", "run.started"]);
    let record = &told(&app, "action=run.redriven").await[0];
    assert_eq!(record["after"]["run"], redriven["id"]);
    // Many at once are told one by one.
    let many = app.post("/v1/runs/redrive", &json!({"workflow": failing.id})).await.expect(202);
    let done = many["items"].as_array().unwrap().len();
    assert!(done >= 1);
    assert_eq!(told(&app, "action=run.redriven").await.len(), 1 + done);
}

#[tokio::test]
async fn exports_open_in_a_spreadsheet_without_running_anything() {
    let app = TestApp::start().await;
    app.create_workflow(&e2e::manual("=HYPERLINK(\"http://evil.example\")", json!([]))).await;
    let made = app.post("/v1/service-accounts", &json!({"name": "=1+1", "role": "viewer"})).await.expect(201);
    let body = json!({"name": "k", "scopes": ["account.own"], "service_account": made["id"]});
    let key = app.post("/v1/api-keys", &body).await.expect(201);
    app.fork().with_token(text(&key["key"])).get("/v1/me").await.expect(200);
    let file = app.get("/v1/audit/export").await;
    assert_eq!((file.status, file.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert!(file.header("content-disposition").contains("audit.csv"));
    let text_of = file.text();
    let lines: Vec<_> = text_of.split("\r\n").collect();
    assert!(lines[0].starts_with("at,action,actor,actor_name"), "{}", lines[0]);
    assert!(text_of.contains(",'=1+1,"), "{text_of}");
    assert!(!text_of.contains(",=") && !text_of.contains(",\"="), "{text_of}");

    let lines = app.get("/v1/audit/export?format=jsonl").await;
    assert_eq!(lines.header("content-type"), "application/jsonl");
    let records: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(actions(&records).contains(&"audit.exported"), "the exports are told, too");
    app.get("/v1/audit/export?format=pdf").await.refused(422, "invalid_query");
}
