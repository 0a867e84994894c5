//! Senders that ask an address before they send to it.

use e2e::TestApp;
use reqwest::Method;
use serde_json::{Value, json};

async fn hook(app: &TestApp, challenge: Value) -> (String, String) {
    let mut trigger = json!({"id": "in", "type": "webhook"});
    if !challenge.is_null() {
        trigger["challenge"] = challenge;
    }
    let definition =
        json!({"name": "asked", "triggers": [trigger], "steps": [{"id": "m", "type": "map", "output": 1}]});
    let workflow = app.publish(&definition).await;
    (workflow.id, workflow.hook)
}

#[tokio::test]
async fn each_sender_is_answered_as_it_asks_and_no_run_is_started() {
    let app = TestApp::shared().await;
    let stranger = app.fork().with_token("");
    let slack = json!({"type": "url_verification", "token": "t", "challenge": "3eZbrw1a"});

    let (id, hook_of_slack) = hook(&app, json!("slack")).await;
    assert_eq!(stranger.hook(&hook_of_slack, &slack).await.expect(200), json!({"challenge": "3eZbrw1a"}));
    assert_eq!(stranger.get(&hook_of_slack).await.status, 405);
    assert_eq!(app.runs(&format!("workflow={id}")).await.len(), 0, "a question is no event");
    app.hook_run(&hook_of_slack, &json!({"type": "event_callback"})).await;

    let (id, hook_of_graph) = hook(&app, json!("microsoft")).await;
    let answer = stranger
        .send(stranger.request(Method::POST, &format!("{hook_of_graph}?validationToken=a%20b%3Cscript%3E")))
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "a b<script>"));
    assert!(answer.header("content-type").starts_with("text/plain"), "never a page");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(app.runs(&format!("workflow={id}")).await.len(), 0);

    let (_, hook_of_dropbox) = hook(&app, json!("dropbox")).await;
    let answer = stranger.get(&format!("{hook_of_dropbox}?challenge=abc")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "abc"));
    assert_eq!(stranger.get(&hook_of_dropbox).await.status, 405, "without a challenge it is no question");
    let long = "x".repeat(3000);
    assert_eq!(stranger.get(&format!("{hook_of_dropbox}?challenge={long}")).await.status, 405);

    let (_, hook_of_meta) = hook(&app, json!("meta")).await;
    let token = hook_of_meta.rsplit('/').next().unwrap();
    let question = |token: &str| {
        format!("{hook_of_meta}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}")
    };
    let answer = stranger.get(&question(token)).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "1158201444"));
    let refused = stranger.get(&question("guessed")).await;
    assert_eq!((refused.status, refused.text().contains("1158201444")), (403, false));
    app.hook_run(&hook_of_meta, &json!({"object": "page", "entry": []})).await;

    // Whoever did not ask for it gets runs, as ever.
    let (id, plain) = hook(&app, Value::Null).await;
    stranger.hook(&plain, &slack).await.expect(202);
    assert_eq!(stranger.get(&format!("{plain}?challenge=abc")).await.status, 405);
    assert_eq!(app.runs_of(&id, 1).await.len(), 1);
}
