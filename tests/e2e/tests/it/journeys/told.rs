//! Triggers that an app tells: it is asked when the workflow is enabled, starts runs, and is asked to stop.

use domain::Millis;
use domain::workflow::verify::Scheme;
use e2e::{Answer, Options, Reply, Seen, Target, TestApp, step};
use serde_json::{Value, json};
use signatures::{Message, sign};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const TOKEN: &str = "ghp_canary_77d1e0";

/// The webhooks of a repository, by their numbers.
type Webhooks = Arc<Mutex<BTreeMap<u64, Value>>>;

async fn with_repository() -> (TestApp, Target, Webhooks) {
    let webhooks = Webhooks::default();
    let held = webhooks.clone();
    let target = Target::start(move |seen: &Seen, count| {
        if seen.header("authorization") != format!("Bearer {TOKEN}") {
            return Reply::status(401, &json!({"message": "Bad credentials"}));
        }
        let mut held = held.lock().unwrap();
        let path = seen.path.split('?').next().unwrap_or_default();
        match (seen.method.as_str(), path.strip_prefix("/repos/acme/shop/hooks")) {
            ("POST", Some("")) => {
                let id = 100 + count as u64;
                let mut made = seen.json();
                made["id"] = json!(id);
                held.insert(id, made.clone());
                made["config"]["secret"] = json!("********");
                Reply::status(201, &made)
            }
            ("GET", Some("")) => Reply::json(&held.values().cloned().collect()),
            ("DELETE", Some(id)) => {
                let id = id.trim_start_matches('/').parse().unwrap_or_default();
                let status = if held.remove(&id).is_some() { 204 } else { 404 };
                Reply::status(status, &json!({}))
            }
            _ => Reply::status(404, &json!({"message": "Not Found"})),
        }
    })
    .await;
    let instead = format!("https://api.github.com={}", target.base);
    (TestApp::start_with(Options { instead, ..Options::default() }).await, target, webhooks)
}

fn definition(connection: &str) -> Value {
    json!({"name": "Issues", "triggers": [{"id": "issue", "type": "app", "use": "github.issue_event", "connection": connection,
        "input": {"owner": "acme", "repo": "shop"}}],
        "steps": [{"id": "tell", "type": "map", "output": "{{ trigger.body.action & ': ' & trigger.body.issue.title }}"}]})
}

/// What GitHub sends to the one webhook that it has.
async fn deliver(app: &TestApp, webhooks: &Webhooks, event: &str, id: &str, body: &Value) -> Answer {
    let webhook = webhooks.lock().unwrap().values().next().unwrap().clone();
    let (url, secret) = (&webhook["config"]["url"], &webhook["config"]["secret"]);
    let path = url.as_str().unwrap().strip_prefix(&app.base).expect("it leads here").to_owned();
    let text = body.to_string();
    let message = Message { id: "", at: Millis(0), url: "", form: false, body: text.as_bytes() };
    let mut headers = sign(&Scheme::GitHub, secret.as_str().unwrap(), &message).unwrap();
    headers.push(("x-github-event".to_owned(), event.to_owned()));
    headers.push(("x-github-delivery".to_owned(), id.to_owned()));
    let mut request = app.request(reqwest::Method::POST, &path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    app.send(request.body(text)).await
}

async fn until(app: &TestApp, path: &str, status: &str) -> Value {
    app.wait_for("the subscription stands as it is to", async || {
        let state = app.get(path).await.expect(200);
        (state["status"] == status && state["leaving"] == 0).then_some(state)
    })
    .await
}

#[tokio::test]
async fn an_app_tells_a_workflow_while_that_is_enabled() {
    let (app, _target, webhooks) = with_repository().await;
    let body =
        json!({"name": "Code", "connector": "github", "auth": "token", "credentials": {"token": TOKEN}});
    let connection = app.post("/v1/connections", &body).await.expect(201)["id"].as_str().unwrap().to_owned();
    let made = app.post("/v1/workflows", &definition(&connection)).await.expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/workflows/{id}/triggers/issue/subscription");
    assert_eq!(app.get(&path).await.expect(200)["status"], "none");
    app.post(&path, &json!({})).await.refused(409, "workflow_disabled");
    app.get(&format!("/v1/workflows/{id}/triggers/other/subscription"))
        .await
        .refused(404, "subscription_not_found");

    app.enable(&id).await;
    let state = until(&app, &path, "subscribed").await;
    assert_eq!(state["url"], made["triggers"][0]["url"], "{state} {made}");
    let webhook = webhooks.lock().unwrap().values().next().unwrap().clone();
    let address = webhook["config"]["url"].as_str().unwrap().split('?').next().unwrap();
    assert_eq!((address, &webhook["events"]), (state["url"].as_str().unwrap(), &json!(["issues"])));

    let ping = deliver(&app, &webhooks, "ping", "d0", &json!({"zen": "Keep it logically awesome."})).await;
    assert_eq!(ping.expect(200), json!({"started": false}));
    let opened = json!({"action": "opened", "issue": {"title": "It burns"}});
    let first = deliver(&app, &webhooks, "issues", "d1", &opened).await.expect(202);
    let again = deliver(&app, &webhooks, "issues", "d1", &opened).await.expect(202);
    assert_eq!(first["id"], again["id"], "GitHub delivers it again");
    let run = app.wait_until(first["id"].as_str().unwrap(), "succeeded").await;
    assert_eq!(step(&run, "tell")["output"], "opened: It burns");
    let secret = webhook["config"]["secret"].as_str().unwrap();
    assert!(!run.to_string().contains(secret) && !state.to_string().contains(secret));

    // Somebody deleted it at the app.
    webhooks.lock().unwrap().clear();
    app.post(&path, &json!({})).await.expect(202);
    app.wait_for("it is there again", async || (webhooks.lock().unwrap().len() == 1).then_some(())).await;
    assert_eq!(until(&app, &path, "subscribed").await["failing"], Value::Null);
    deliver(&app, &webhooks, "issues", "d2", &opened).await.expect(202);
    let ledger = app.get("/v1/audit?action=workflow.subscribed").await.expect(200);
    assert_eq!(ledger["items"].as_array().unwrap().len(), 1, "{ledger}");

    app.disable(&id).await;
    app.wait_for("the app was asked to stop", async || webhooks.lock().unwrap().is_empty().then_some(()))
        .await;
    assert_eq!(until(&app, &path, "none").await["leaving"], 0);
    app.assert_undisturbed().await;
}

#[tokio::test]
async fn a_trigger_is_of_the_type_that_it_can_be() {
    let app = TestApp::shared().await;
    let wrong = |kind: &str, uses: &str| json!({"name": "x", "steps": [], "triggers": [{"id": "t", "type": kind, "use": uses, "input": {}}]});
    for (kind, uses) in
        [("app", "github.new_issue"), ("poll", "github.issue_event"), ("app", "github.nothing")]
    {
        let refused = app.post("/v1/workflows", &wrong(kind, uses)).await.expect(422);
        assert!(refused.to_string().contains("trigger_unknown"), "{kind} {uses}: {refused}");
    }
}
