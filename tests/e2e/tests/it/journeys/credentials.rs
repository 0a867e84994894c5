//! Credentials by either driver, through everything that happens to them.

use blobs::{Bucket, S3Blobs};
use e2e::{
    EMAIL, Options, PASSWORD, Reply, SETUP_TOKEN, Target, TestApp, assert_failed, files_with, manual, text,
};
use emulators::{BUCKET, Cloud, REGION};
use eraser::Outcome;
use harness::{ManualClock, secrets_of};
use reqwest::Method;
use runtime::{Clock, SystemClock};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::{Store, TableNames};

const DRIVERS: [&str; 2] = ["secrets-manager", "sealed"];
const FIRST: &str = "xoxb-canary-first-7f3a91c2e5";
const SECOND: &str = "xoxb-canary-second-7f3a91c2e5";

/// A stack by this driver, and what answers in the place of Slack.
async fn start(driver: &'static str) -> (TestApp, Target) {
    let target = Target::start(|_, _| Reply::json(&json!({"ok": true, "ts": "1"}))).await;
    let instead = format!("https://slack.com={}", target.base);
    let app = TestApp::start_with(Options { instead, storage: driver, ..Options::default() }).await;
    (app, target)
}

async fn connect(app: &TestApp, token: &str) -> String {
    let body = json!({"name": "Sales", "connector": "slack", "auth": "bot", "credentials": {"token": token}});
    text(&app.post("/v1/connections", &body).await.expect(201)["id"]).to_owned()
}

/// A workflow that calls Slack by this connection.
async fn caller(app: &TestApp, connection: &str) -> String {
    let steps = json!([{"id": "tell", "type": "action", "use": "slack.post_message", "connection": connection,
        "input": {"channel": "C1", "text": "hello"}}]);
    app.publish(&manual("calls", steps)).await.id
}

/// Runs it; gives what Slack was shown.
async fn shown(app: &TestApp, target: &Target, workflow: &str) -> String {
    let run = app.start_run(workflow, &Value::Null).await;
    app.wait_until(&run, "succeeded").await;
    target.seen().last().expect("it was called").header("authorization").to_owned()
}

#[tokio::test]
async fn they_are_used_changed_kept_over_restarts_and_deleted() {
    for driver in DRIVERS {
        // How many secrets so many kept texts are.
        let secrets = |texts: usize| if driver == "sealed" { 0 } else { texts };
        let (mut app, target) = start(driver).await;
        let connection = connect(&app, FIRST).await;
        let path = format!("/v1/connections/{connection}");
        let before = app.credential_secrets();
        assert_eq!(before.len(), secrets(1), "{driver}: {before:?}");
        let workflow = caller(&app, &connection).await;
        assert_eq!(shown(&app, &target, &workflow).await, format!("Bearer {FIRST}"), "{driver}");

        // Steps use new ones at once, and those of before are gone.
        app.patch(&path, &json!({"credentials": {"token": SECOND}})).await.expect(200);
        assert_eq!(shown(&app, &target, &workflow).await, format!("Bearer {SECOND}"), "{driver}");
        let after = app.credential_secrets();
        assert_eq!(after.len(), secrets(1), "{driver}: {after:?}");
        assert!(driver == "sealed" || before != after, "a name is never used again");
        assert_eq!(files_with(&app.data(), FIRST).len(), 0, "{driver}");
        // A change of something else, and one that is refused, leave them alone.
        app.patch(&path, &json!({"name": "Another"})).await.expect(200);
        app.patch(&path, &json!({"credentials": {"tokens": FIRST}})).await.refused(422, "invalid_connection");
        assert_eq!(app.credential_secrets(), after, "{driver}");
        let shows = [app.get(&path).await.text(), app.get("/v1/audit").await.text()].concat();
        assert!(!shows.contains("canary"), "{driver}: {shows}");

        // The secret of an OAuth client, likewise.
        let client = "/v1/connectors/slack/oauth-client";
        for secret in [FIRST, SECOND] {
            app.put(client, &json!({"client_id": "id", "client_secret": secret})).await.expect(200);
            assert_eq!(app.credential_secrets().len(), secrets(2), "{driver}");
        }
        app.put(client, &json!({"client_id": "public"})).await.expect(200);
        assert_eq!(app.credential_secrets().len(), secrets(1), "{driver}");
        app.put(client, &json!({"client_id": "id", "client_secret": FIRST})).await.expect(200);
        assert_eq!(app.delete(client).await.status, 204);
        assert_eq!(app.credential_secrets(), after, "{driver}");

        app.kill();
        app.restart();
        assert_eq!(shown(&app, &target, &workflow).await, format!("Bearer {SECOND}"), "{driver}");
        // By the other driver, what is there opens still; only new ones are kept otherwise.
        let other = if driver == "sealed" { DRIVERS[0] } else { DRIVERS[1] };
        assert!(app.interrupt().success());
        app.restart_storing(other);
        assert_eq!(shown(&app, &target, &workflow).await, format!("Bearer {SECOND}"), "{driver}");
        app.patch(&path, &json!({"credentials": {"token": FIRST}})).await.expect(200);
        assert_eq!(shown(&app, &target, &workflow).await, format!("Bearer {FIRST}"), "{driver}");
        assert_eq!(app.credential_secrets().len(), 1 - secrets(1), "{driver}");

        assert_eq!(app.delete(&path).await.status, 204);
        assert!(app.credential_secrets().is_empty(), "{driver}");
        let run = app.start_run(&workflow, &Value::Null).await;
        assert_failed(&app.wait_until(&run, "failed").await, "tell", "connection_missing");
        assert!(app.interrupt().success());
        assert_eq!(files_with(&app.data(), "canary").len(), 0, "{driver}: nothing of them is left anywhere");
    }
}

#[tokio::test]
async fn a_secret_that_somebody_deleted_is_told_and_given_again() {
    let (mut app, target) = start(DRIVERS[0]).await;
    let connection = connect(&app, FIRST).await;
    let workflow = caller(&app, &connection).await;
    assert!(app.interrupt().success());
    let cloud = Cloud::open(&app.data()).await.expect("the folder is free");
    let secrets = aws_sdk_secretsmanager::Client::new(&cloud.sdk_config());
    for name in app.credential_secrets() {
        secrets
            .delete_secret()
            .secret_id(name)
            .force_delete_without_recovery(true)
            .send()
            .await
            .expect("it is there");
    }
    drop((cloud, secrets));
    app.restart();
    let run = app.start_run(&workflow, &Value::Null).await;
    assert_failed(&app.wait_until(&run, "failed").await, "tell", "secret_broken");
    let change = json!({"credentials": {"token": SECOND}});
    app.patch(&format!("/v1/connections/{connection}"), &change).await.expect(200);
    assert_eq!(shown(&app, &target, &workflow).await, format!("Bearer {SECOND}"));
}

#[tokio::test]
async fn an_erased_organisation_leaves_none() {
    for driver in DRIVERS {
        let (mut app, _target) = start(driver).await;
        let elsewhere = json!({"token": SETUP_TOKEN, "name": "Elsewhere"});
        let elsewhere = app.post("/v1/organizations", &elsewhere).await.expect(201);
        let body = json!({"email": EMAIL, "password": PASSWORD, "organization": elsewhere["id"]});
        let signed_in = app.fork().with_token("").post("/v1/auth/login", &body).await.expect(200);
        let there = app.fork().with_token(text(&signed_in["access_token"]));
        connect(&there, SECOND).await;
        for _ in 0..3 {
            connect(&app, FIRST).await;
        }
        let client = json!({"client_id": "id", "client_secret": FIRST});
        app.put("/v1/connectors/slack/oauth-client", &client).await.expect(200);
        assert_eq!(app.credential_secrets().len(), if driver == "sealed" { 0 } else { 5 });
        let body = json!({"name": "Analytical Engines", "password": PASSWORD}).to_string();
        let request =
            app.request(Method::DELETE, "/v1/organization").header("content-type", "application/json");
        let erased = app.send(request.body(body)).await.expect(202);
        let org = text(&erased["organization"]).to_owned();
        assert!(app.interrupt().success());

        // What the function does each minute, without anybody waiting for it.
        let cloud = Cloud::open(&app.data()).await.expect("the folder is free");
        let bucket =
            Bucket { name: BUCKET.into(), region: REGION.into(), endpoint: Some("http://s3.test".into()) };
        let dynamodb = aws_sdk_dynamodb::Client::new(&cloud.sdk_config());
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let function = eraser::App {
            store: Arc::new(Store::new(dynamodb, TableNames::with_prefix("patchbay"))),
            blobs: Arc::new(S3Blobs::new(
                cloud.connector(),
                Cloud::credentials(),
                bucket,
                Arc::new(SystemClock),
            )),
            secrets: secrets_of(&cloud),
            clock: clock.clone(),
        };
        let event = json!({"detail": {"organization": org}});
        let mut minutes = 0;
        while eraser::erase(&function, &event, clock.now().plus(eraser::ENOUGH)).await.expect("it goes on")
            != Outcome::Done
        {
            clock.advance(Duration::from_mins(1));
            minutes += 1;
            assert!(minutes < 60, "{driver}: it was not erased in an hour");
        }
        drop((function, cloud));
        let left = app.credential_secrets();
        assert_eq!(left.len(), usize::from(driver != "sealed"), "{driver}: {left:?}");
        assert!(left.iter().all(|name| name.contains(text(&elsewhere["id"]))), "{driver}: {left:?}");
        assert_eq!(files_with(&app.data(), FIRST).len(), 0, "{driver}");
        // The other organisation's are what they were.
        app.restart();
        let tested = there.get("/v1/connections").await.expect(200);
        assert_eq!(tested["items"].as_array().map(Vec::len), Some(1), "{driver}");
    }
}
