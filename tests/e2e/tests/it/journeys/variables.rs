//! Variables: what expressions read as `vars`, for each environment its own, and secrets that nobody sees again.

use e2e::{Reply, Target, TestApp, files_with, http_get, http_post, manual, step};
use reqwest::Method;
use serde_json::{Value, json};

const CANARY: &str = "canary-7f3a/secret value";

async fn put(app: &TestApp, name: &str, body: &Value) -> e2e::Answer {
    app.put(&format!("/v1/variables/{name}"), body).await
}

async fn set(app: &TestApp, name: &str, value: Value) {
    put(app, name, &json!({"value": value})).await.expect(200);
}

#[tokio::test]
async fn a_run_reads_the_variables_of_its_start_and_of_its_environment() {
    let mut app = TestApp::start().await;
    let target = Target::kind().await;
    set(&app, "greeting", json!("hello")).await;
    set(&app, "limits", json!({"small": 3, "large": 9_007_199_254_740_993_u64})).await;
    set(&app, "greeting?environment=staging", json!("hello, staging")).await;
    let steps = json!([
        {"id": "one", "type": "map", "output": {"text": "{{ vars.greeting }}", "n": "{{ vars.limits.large }}", "none": "{{ $exists(vars.nothing) }}"}},
        http_post("tell", &target.base, json!({"address": "{{ callbacks.pause }}"})),
        {"id": "pause", "type": "wait", "callback": true},
        {"id": "two", "type": "map", "output": "{{ vars.greeting }}"},
        {"id": "all", "type": "map", "output": "{{ $keys(vars) }}"},
    ]);
    let workflow = app.publish(&manual("reads", steps.clone())).await;
    let run = app.start_run(&workflow.id, &json!({})).await;
    let waiting = app.wait_until(&run, "waiting").await;
    assert_eq!(
        step(&waiting, "one")["output"],
        json!({"text": "hello", "n": 9_007_199_254_740_993_u64, "none": false}),
        "a path is exact"
    );
    // What is changed later, and where the program has forgotten all that it knew, is not what this run reads.
    set(&app, "greeting", json!("good-bye")).await;
    app.kill();
    app.restart();
    let address = target.seen()[0].json()["address"].as_str().unwrap().to_owned();
    app.post(&address, &json!({})).await.expect(200);
    let ended = app.wait_until(&run, "succeeded").await;
    assert_eq!(step(&ended, "two")["output"], "hello");
    assert_eq!(step(&ended, "all")["output"], json!(["greeting", "limits"]));

    let mut staging = manual("reads", json!([{"id": "one", "type": "map", "output": "{{ vars.greeting }}"}]));
    staging["environment"] = json!("staging");
    let workflow = app.publish(&staging).await;
    let run = app.start_run(&workflow.id, &json!({})).await;
    let run = app.wait_until(&run, "succeeded").await;
    assert_eq!(step(&run, "one")["output"], "hello, staging");
    staging["environment"] = json!("Staging!");
    app.post("/v1/workflows", &staging).await.refused(422, "invalid_definition");
    let environments = app.get("/v1/environments").await.expect(200);
    assert_eq!(
        environments["items"],
        json!([{"name": "production", "changes": 3}, {"name": "staging", "changes": 1}])
    );

    // Where a trigger is looked at, there is no run yet.
    let mut early = manual("early", json!([]));
    early["triggers"] = json!([{"id": "in", "type": "webhook", "dedupe": "{{ vars.greeting }}"}]);
    let refused = app.post("/v1/workflows", &early).await.refused(422, "invalid_definition");
    assert_eq!(refused["errors"][0]["code"], "reference_not_ready", "{refused}");
}

#[tokio::test]
async fn variables_are_set_listed_and_deleted_by_those_who_may() {
    let mut app = TestApp::start().await;
    set(&app, "base", json!("a")).await;
    for (name, body, code) in [
        ("9x", json!({"value": 1}), "invalid_variable_name"),
        ("a-b", json!({"value": 1}), "invalid_variable_name"),
        ("x?environment=Prod", json!({"value": 1}), "invalid_environment"),
        ("x", json!({"value": "y".repeat(9000)}), "variable_too_large"),
        ("x", json!({"value": "short", "secret": true}), "invalid_secret"),
        ("x", json!({"value": 12_345_678, "secret": true}), "invalid_secret"),
        ("x", json!({}), "invalid_body"),
    ] {
        put(&app, name, &body).await.refused(422, code);
    }
    let listed = app.get("/v1/variables").await;
    let tag = listed.header("etag").to_owned();
    assert_eq!(listed.expect(200)["items"][0]["value"], "a");
    set(&app, "base", json!("b")).await;
    let old = app.request(Method::PUT, "/v1/variables/base").header("if-match", &tag);
    let old = old.header("content-type", "application/json").body(json!({"value": "c"}).to_string());
    app.send(old).await.refused(412, "precondition_failed");
    assert_eq!(app.get("/v1/variables/base").await.expect(200)["value"], "b");

    let viewer = app.invite("viewer@example.com", "viewer").await;
    viewer.get("/v1/variables").await.refused(403, "permission_denied");
    let operator = app.invite("operator@example.com", "operator").await;
    operator.get("/v1/variables").await.expect(200);
    put(&operator, "base", &json!({"value": 1})).await.refused(403, "permission_denied");

    assert_eq!(app.delete("/v1/variables/base").await.status, 204);
    app.get("/v1/variables/base").await.refused(404, "variable_not_found");
    app.delete("/v1/variables/base").await.refused(404, "variable_not_found");
    let told = app.get("/v1/audit?action=variable.").await.expect(200);
    let acts: Vec<&Value> = told["items"].as_array().unwrap().iter().map(|r| &r["action"]).collect();
    assert_eq!(acts, ["variable.deleted", "variable.set", "variable.set"]);
    assert_eq!(told["items"][1]["before"], json!({"value": "a"}), "{told}");

    // Of ten who change at the same moment, none takes back what another did.
    let forks: Vec<TestApp> = (0..10).map(|_| app.fork()).collect();
    let changes = forks.iter().enumerate().map(|(n, app)| async move {
        loop {
            let answer = put(app, &format!("v{n}"), &json!({"value": n})).await;
            if answer.status == 200 {
                return;
            }
            answer.refused(409, "conflict");
        }
    });
    futures::future::join_all(changes).await;
    assert_eq!(app.get("/v1/variables").await.expect(200)["items"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn a_secret_is_sent_and_found_nowhere_else() {
    let mut app = TestApp::start().await;
    // What an app may do to a secret: repeat it, as it is and encoded.
    let echo = json!({"you": format!("sent {CANARY}"), "query": "k=canary-7f3a%2Fsecret+value", "b64": "Y2FuYXJ5LTdmM2Evc2VjcmV0IHZhbHVl"});
    let target = Target::start(move |seen, _| match seen.path.as_str() {
        "/fails" => Reply::status(400, &json!({"message": format!("no such key: {CANARY}")})),
        _ => Reply::json(&echo),
    })
    .await;
    put(&app, "key", &json!({"value": CANARY, "secret": true})).await.expect(200);
    let shown = app.get("/v1/variables/key").await;
    assert!(shown.expect(200).get("value").is_none() && shown.json()["secret"] == true, "{shown}");

    let mut call = http_get("call", &format!("{}/echo", target.base));
    call["input"]["headers"] = json!({"x-custom": "{{ 'Key ' & vars.key }}"});
    call["input"]["query"] = json!({"k": "{{ vars.key }}"});
    let after = json!({"id": "after", "type": "map", "output": "{{ steps.call.body.you }}"});
    let run = app.run_steps(json!([call, after]), &json!({}), "succeeded").await;
    let seen = target.seen().pop().unwrap();
    assert_eq!(seen.header("x-custom"), format!("Key {CANARY}"));
    assert!(seen.path.contains("k=canary-7f3a%2Fsecret+value"), "{}", seen.path);
    assert_eq!(step(&run, "call")["input"]["headers"]["x-custom"], "Key [secret key]");
    assert_eq!(step(&run, "after")["output"], "sent [secret key]");

    let mut fails = http_get("call", &format!("{}/fails", target.base));
    fails["input"]["headers"] = json!({"authorization": "{{ 'Bearer ' & vars.key }}"});
    let run = app.run_steps(json!([fails]), &json!({}), "failed").await;
    assert_eq!(
        step(&run, "call")["error"]["details"]["body"]["message"],
        "no such key: [secret key]",
        "{run:#}"
    );

    // In a step that keeps what it computes, a secret cannot be read; and what stands for it cannot be written by hand.
    let keeps = json!([{"id": "keeps", "type": "map", "output": "{{ vars.key }}"}]);
    let run = app.run_steps(keeps, &json!({}), "failed").await;
    e2e::assert_failed(&run, "keeps", "secret_misplaced");
    let mut forged = http_get("call", &format!("{}/echo", target.base));
    forged["input"]["headers"] = json!({"x-custom": "{{ trigger.input.text }}", "x-own": "{{ vars.key }}"});
    let input = json!({"text": "[secret key] pbsecret00000000000000000000000000000000 vars.key"});
    app.run_steps(json!([forged]), &input, "succeeded").await;
    assert_eq!(target.seen().pop().unwrap().header("x-custom"), input["text"].as_str().unwrap());

    // A trial shows the name.
    let mut tried = http_get("call", &format!("{}/echo", target.base));
    tried["input"]["headers"] = json!({"x-custom": "{{ vars.key }}"});
    let workflow = app.publish(&manual("tried", json!([tried]))).await;
    let answer = app.post(&format!("/v1/workflows/{}/steps/call/try", workflow.id), &json!({})).await;
    assert_eq!(answer.expect(200)["input"]["headers"]["x-custom"], "[secret key]");

    // Nowhere: not in the tables, the logs, the ledger, nor in what the program keeps of its memory.
    let ledger = app.get("/v1/audit?limit=100").await.text();
    assert!(ledger.contains("variable.set") && !ledger.contains("canary"), "{ledger}");
    app.interrupt();
    let data = app.data();
    let holding = files_with(data.parent().unwrap(), "canary-7f3a");
    assert!(holding.is_empty(), "{holding:?}");
}
