//! Polls: an app's new records start runs, from the definition to the history.

use e2e::{Options, Reply, Seen, Target, TestApp, step};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const TOKEN: &str = "ghp_canary_51c02f";

/// A repository with so many issues, of which the newest is first; below zero, it is gone.
async fn with_issues(count: &Arc<AtomicI64>) -> (TestApp, Target) {
    let there = count.clone();
    let target = Target::start(move |seen: &Seen, _| {
        if seen.header("authorization") != format!("Bearer {TOKEN}") {
            return Reply::status(401, &json!({"message": "Bad credentials"}));
        }
        let count = there.load(Ordering::SeqCst);
        if !seen.path.starts_with("/repos/acme/shop/issues?") || count < 0 {
            return Reply::status(404, &json!({"message": "Not Found"}));
        }
        let issues: Vec<Value> = (1..=count)
            .rev()
            .map(|n| json!({"id": 100 + n, "number": n, "title": format!("Issue {n}"), "created_at": format!("2026-01-01T00:00:{n:02}Z")}))
            .collect();
        Reply::json(&json!(issues))
    })
    .await;
    let instead = format!("https://api.github.com={}", target.base);
    (TestApp::start_with(Options { instead, ..Options::default() }).await, target)
}

async fn connect(app: &TestApp) -> String {
    let body =
        json!({"name": "Code", "connector": "github", "auth": "token", "credentials": {"token": TOKEN}});
    app.post("/v1/connections", &body).await.expect(201)["id"].as_str().unwrap().to_owned()
}

fn definition(connection: &str) -> Value {
    json!({"name": "New issues", "triggers": [{"id": "new", "type": "poll", "use": "github.new_issue", "connection": connection,
        "input": {"owner": "acme", "repo": "shop"}, "every": "PT1M"}],
        "steps": [{"id": "tell", "type": "map", "output": "{{ trigger.record.number & ': ' & trigger.record.title }}"}]})
}

async fn until_begun(app: &TestApp, poll: &str) -> Value {
    app.wait_for("the first answer is known", async || {
        let state = app.get(poll).await.expect(200);
        (state["begun"] == true).then_some(state)
    })
    .await
}

#[tokio::test]
async fn a_new_record_of_an_app_starts_a_run() {
    let count = Arc::new(AtomicI64::new(2));
    let (app, target) = with_issues(&count).await;
    let connection = connect(&app).await;
    let made = app.post("/v1/workflows", &definition(&connection)).await.expect(201);
    assert_eq!(made["definition"]["connectors"], json!({"github": 1}), "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    let poll = format!("/v1/workflows/{id}/triggers/new/poll");
    let before = app.get(&poll).await.expect(200);
    assert_eq!((&before["begun"], &before["cursor"]), (&json!(false), &Value::Null));
    app.post(&poll, &json!({})).await.refused(409, "workflow_disabled");
    app.enable(&id).await;
    let state = until_begun(&app, &poll).await;
    assert_eq!((&state["known"], &state["cursor"]), (&json!(2), &json!("2026-01-01T00:00:02Z")));

    count.store(4, Ordering::SeqCst);
    app.post(&poll, &json!({})).await.expect(202);
    let runs = app.runs_of(&id, 2).await;
    let mut told = Vec::new();
    for run in &runs {
        let run = app.wait_until(run["id"].as_str().unwrap(), "succeeded").await;
        assert_eq!(run["trigger"], "new");
        told.push(step(&run, "tell")["output"].as_str().unwrap().to_owned());
    }
    told.sort();
    assert_eq!(told, ["3: Issue 3", "4: Issue 4"]);

    // That it fails is seen, and that it does no longer.
    count.store(-1, Ordering::SeqCst);
    app.post(&poll, &json!({})).await.expect(202);
    let failing = app
        .wait_for("the failure is told", async || {
            let state = app.get(&poll).await.expect(200);
            state["failing"].is_object().then_some(state)
        })
        .await;
    assert_eq!(failing["failing"]["code"], "app_error");
    assert!(!failing.to_string().contains("canary"), "{failing}");
    count.store(5, Ordering::SeqCst);
    app.post(&poll, &json!({})).await.expect(202);
    app.runs_of(&id, 3).await;
    app.wait_for("it is well again", async || {
        app.get(&poll).await.expect(200)["failing"].is_null().then_some(())
    })
    .await;
    assert!(target.seen().iter().all(|seen| seen.path.contains("state=all")));
    let ledger = app.get("/v1/audit?action=workflow.polled").await.expect(200);
    assert_eq!(ledger["items"].as_array().map(Vec::len), Some(3), "{ledger}");

    // Off, nobody asks; on again, what came meanwhile starts a run.
    app.disable(&id).await;
    let asked = target.seen().len();
    count.store(6, Ordering::SeqCst);
    app.post(&poll, &json!({})).await.refused(409, "workflow_disabled");
    assert_eq!(target.seen().len(), asked);
    app.enable(&id).await;
    app.runs_of(&id, 4).await;
    app.get(&format!("/v1/workflows/{id}/triggers/other/poll")).await.refused(404, "poll_not_found");
}

#[tokio::test]
async fn polls_go_on_by_themselves_also_when_the_platform_was_killed() {
    let count = Arc::new(AtomicI64::new(1));
    let (mut app, _target) = with_issues(&count).await;
    let connection = connect(&app).await;
    let made = app.post("/v1/workflows", &definition(&connection)).await.expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    app.enable(&id).await;
    until_begun(&app, &format!("/v1/workflows/{id}/triggers/new/poll")).await;
    count.store(2, Ordering::SeqCst);
    app.kill();
    app.restart();
    app.sign_in().await;
    // Within two minutes, and nobody asks for it.
    let mut runs = Vec::new();
    for _ in 0..150 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        runs = app.runs(&format!("workflow={id}")).await;
        if !runs.is_empty() {
            break;
        }
    }
    let run = runs.pop().expect("a poll comes by itself");
    let run = app.wait_until(run["id"].as_str().unwrap(), "succeeded").await;
    assert_eq!(step(&run, "tell")["output"], "2: Issue 2");
}

#[tokio::test]
async fn a_definition_is_held_to_what_a_trigger_asks_for() {
    let app = TestApp::shared().await;
    let codes = async |trigger: Value| {
        let definition =
            json!({"name": "bad", "triggers": [trigger], "steps": [{"id": "a", "type": "map", "output": 1}]});
        let refused = app.post("/v1/workflows/validate", &definition).await.expect(200);
        let errors = refused["errors"].as_array().cloned().unwrap_or_default();
        let told = |e: &Value| format!("{} {}", e["code"].as_str().unwrap(), e["pointer"].as_str().unwrap());
        errors.iter().map(told).collect::<Vec<_>>()
    };
    let poll = |more: Value| {
        let mut trigger = json!({"id": "new", "type": "poll", "use": "github.new_issue", "input": {"owner": "a", "repo": "b"},
            "connection": "conn_00000000000000000000000000"});
        trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        trigger
    };
    assert_eq!(codes(poll(json!({}))).await, ["connection_missing /triggers/0/connection"]);
    let connection = connect(&app).await;
    let good = poll(json!({"connection": connection}));
    assert!(codes(good.clone()).await.is_empty());
    for (more, code) in [
        (json!({"use": "github.nothing"}), "trigger_unknown /triggers/0/use"),
        (json!({"use": "nobody.new"}), "connector_unknown /triggers/0/use"),
        (json!({"use": "http"}), "trigger_unknown /triggers/0/use"),
        (json!({"input": {"owner": "a"}}), "missing_field /triggers/0/input"),
        (json!({"input": {"owner": "a", "repo": 7}}), "type_mismatch /triggers/0/input/repo"),
        (
            json!({"input": {"owner": "{{ vars.owner }}", "repo": "b"}}),
            "expression_not_simple /triggers/0/input",
        ),
        (json!({"every": "PT10S"}), "type_mismatch /triggers/0/every"),
        (json!({"first": "some"}), "type_mismatch /triggers/0/first"),
        (json!({"id": "x", "pattern": {}}), "unknown_field /triggers/0/pattern"),
    ] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let found = codes(bad).await;
        assert!(found.iter().any(|found| found == code), "{more}: {found:?}");
    }
    let read = json!({"name": "reads", "triggers": [good], "steps": [{"id": "a", "type": "map", "output": "{{ trigger.body }}"}]});
    let refused = app.post("/v1/workflows/validate", &read).await.expect(200);
    assert!(refused.to_string().contains("unknown_member"), "a poll has no body: {refused}");
}
