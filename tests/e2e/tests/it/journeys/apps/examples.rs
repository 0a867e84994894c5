//! The examples with apps do what they say, once and when they are fired again.

use super::Apps;
use domain::Millis;
use domain::workflow::verify::Scheme;
use e2e::{Answer, Workflow, file, step, text};
use reqwest::Method;
use serde_json::{Value, json};
use signatures::{Message, sign};

const NAMES: [&str; 4] = ["sheets_to_notion", "slack_notification", "transform_orders", "github_issue_to_oz"];

fn read(name: &str) -> Value {
    serde_json::from_str(&file(&format!("docs/examples/apps/{name}.json"))).unwrap()
}

/// An example that is set up: its connections, variables, rows and the workflow.
struct Example {
    apps: Apps,
    described: Value,
    workflow: Workflow,
}

impl Example {
    async fn start(name: &str) -> Self {
        let apps = Apps::start().await;
        let example = read(name);
        let mut definition = example["definition"].to_string();
        for (placeholder, of) in example["connections"].as_object().into_iter().flatten() {
            let id = apps.connect(text(&of["connector"])).await;
            definition = definition.replace(&format!("\"{placeholder}\""), &format!("\"{id}\""));
        }
        for (secret, group) in [(false, "variables"), (true, "secrets")] {
            for (name, value) in example[group].as_object().into_iter().flatten() {
                let body = json!({"value": value, "secret": secret});
                apps.app.put(&format!("/v1/variables/{name}"), &body).await.expect(200);
            }
        }
        // Only the test starts it.
        let definition: Value =
            serde_json::from_str(&definition.replace("rate(5 minutes)", "@yearly")).unwrap();
        let workflow = apps.app.publish(&definition).await;
        let started = Self { apps, described: example, workflow };
        started.put_rows(&started.described["rows"]).await;
        started
    }

    /// Writes rows into the spreadsheet, as a person does.
    async fn put_rows(&self, rows: &Value) {
        if rows.is_null() {
            return;
        }
        let url = self.apps.fakes.url("google").unwrap();
        let sheet = text(&self.described["variables"]["spreadsheet"]);
        let url =
            format!("{url}/v4/spreadsheets/{sheet}/values/{}?valueInputOption=RAW", text(&rows["range"]));
        let person = self.apps.app.fork().with_token(&self.apps.token("google").await);
        person.put(&url, &json!({"values": rows["values"]})).await.expect(200);
    }

    /// Sends what starts it.
    async fn fire(&self, fire: &Value) -> Answer {
        if let Some(input) = fire.get("input") {
            let path = format!("/v1/workflows/{}/runs", self.workflow.id);
            return self.apps.app.post(&path, &json!({"input": input})).await;
        }
        let sender = self.apps.app.fork().with_token("");
        let body = fire["body"].to_string();
        let mut request = sender.request(Method::POST, &self.workflow.hook);
        request = request.header("content-type", "application/json");
        for (name, value) in fire["headers"].as_object().into_iter().flatten() {
            request = request.header(name, text(value));
        }
        if let Some(secret) = fire["signed_with"].as_str() {
            let secret = text(&self.described["secrets"][secret]);
            let message = Message { id: "", at: Millis(0), url: "", form: false, body: body.as_bytes() };
            for (name, value) in sign(&Scheme::GitHub, secret, &message).unwrap() {
                if fire["headers"].get(&name).is_none() {
                    request = request.header(name, value);
                }
            }
        }
        sender.send(request.body(body)).await
    }

    /// Fires it and waits for the run that comes of it.
    async fn run(&self, fire: &Value) -> Value {
        let started = self.fire(fire).await.expect(202);
        self.apps.app.wait_until(text(&started["id"]), text(&self.described["expect"]["status"])).await
    }

    /// How often an app was asked this, and the body of the last time.
    async fn asked(&self, what: &Value) -> (usize, Value) {
        let asked = self.apps.asked(text(&what["fake"]), text(&what["path"])).await;
        let asked: Vec<&Value> = asked.iter().filter(|request| request["method"] == what["method"]).collect();
        (asked.len(), asked.last().map(|request| request["body"].clone()).unwrap_or_default())
    }

    /// Holds what the fakes were asked against what the example says.
    async fn check_asked(&self) {
        for what in self.described["expect"]["asked"].as_array().unwrap() {
            let (times, last) = self.asked(what).await;
            assert_eq!(json!(times), what["times"], "{what}");
            if let Some(expected) = what.get("last") {
                assert!(has(&last, expected), "{last:#}\nhas not\n{expected:#}");
            }
        }
    }
}

/// Whether a value has all that is expected; objects may have more.
fn has(value: &Value, expected: &Value) -> bool {
    match (value, expected) {
        (Value::Object(value), Value::Object(expected)) => {
            expected.iter().all(|(name, expected)| value.get(name).is_some_and(|value| has(value, expected)))
        }
        (Value::Array(value), Value::Array(expected)) => {
            value.len() == expected.len() && value.iter().zip(expected).all(|(value, it)| has(value, it))
        }
        _ => value == expected,
    }
}

#[tokio::test]
async fn the_examples_do_what_they_say() {
    let folder = e2e::root().join("docs/examples/apps");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut names = NAMES.map(str::to_owned);
    names.sort();
    assert_eq!(files, names, "every example is run");
    for name in NAMES {
        let it = Example::start(name).await;
        let expect = &it.described["expect"];
        let tests = format!("/v1/workflows/{}/test", it.workflow.id);
        let report = it.apps.app.post(&tests, &json!({})).await.expect(200);
        assert_eq!(report["passed"], true, "{name}: {report:#}");
        assert!(!report["tests"].as_array().unwrap().is_empty(), "{name} has tests");
        if let Some(answer) = expect.get("answer") {
            assert_eq!(it.fire(&it.described["fire"]).await.expect(200), *answer, "{name}");
            continue;
        }
        let run = it.run(&it.described["fire"]).await;
        if let Some(output) = expect.get("output") {
            assert_eq!(run["output"], *output, "{name}: {run:#}");
        }
        for (path, output) in expect["steps"].as_object().into_iter().flatten() {
            assert_eq!(step(&run, path)["output"], *output, "{name}: {path}");
        }
        it.check_asked().await;
        // What a sender repeats does nothing more.
        if it.described["fire"].get("body").is_some() {
            let again = it.fire(&it.described["fire"]).await.expect(202);
            assert_eq!(again["id"], run["id"], "{name}");
            it.check_asked().await;
        }
    }
}

#[tokio::test]
async fn a_row_gets_one_page_however_often_the_sheet_is_read() {
    let it = Example::start("sheets_to_notion").await;
    let made = json!({"fake": "notion", "method": "POST", "path": "/v1/pages"});
    it.run(&it.described["fire"]).await;
    let again = it.run(&it.described["fire"]).await;
    assert_eq!(again["output"], json!({"made": []}));
    assert_eq!(it.asked(&made).await.0, 2);
    // One more row, alone on a page of its own; and one that Notion does not take the first time.
    it.put_rows(&json!({"range": "Sheet1!A5:C5", "values": [["Order 1003", "Alan", 3]]})).await;
    it.apps.ask("notion", "faults", &json!({"fault": "503", "path": "/v1/pages", "method": "POST"})).await;
    let refused = it.run(&it.described["fire"]).await;
    assert!(refused["output"]["made"][0]["error"]["code"].is_string(), "{refused:#}");
    assert_eq!(it.asked(&made).await.0, 3, "a page is asked for once in a run");
    // The next run makes up for it.
    let healed = it.run(&it.described["fire"]).await;
    assert_eq!(healed["output"], json!({"made": ["Order 1003"]}));
    // An answer that is lost: the page is there, and no second one is made.
    it.put_rows(&json!({"range": "Sheet1!A6:C6", "values": [["Order 1004", "Ada", 4]]})).await;
    let lost = json!({"fault": "reset_after_commit", "path": "/v1/pages", "method": "POST"});
    it.apps.ask("notion", "faults", &lost).await;
    it.run(&it.described["fire"]).await;
    let after = it.run(&it.described["fire"]).await;
    assert_eq!(after["output"], json!({"made": []}));
    assert_eq!(it.asked(&made).await.0, 5);
}

#[tokio::test]
async fn an_issue_that_nobody_signed_starts_no_agent_and_a_failure_is_told() {
    let it = Example::start("github_issue_to_oz").await;
    let mut forged = it.described["fire"].clone();
    forged.as_object_mut().unwrap().remove("signed_with");
    it.fire(&forged).await.refused(401, "signature_invalid");
    assert_eq!(it.apps.asked("oz", "/agent/runs").await.len(), 0);
    it.apps.ask("oz", "faults", &json!({"fault": "insufficient_credits", "path": "/agent/runs"})).await;
    let started = it.fire(&it.described["fire"]).await.expect(202);
    let run = it.apps.app.wait_until(text(&started["id"]), "failed").await;
    assert_eq!(step(&run, "start")["error"]["details"]["app_code"], "insufficient_credits", "{run:#}");
    let told = it.apps.asked("slack", "/api/chat.postMessage").await;
    assert!(text(&told[0]["body"]["text"]).starts_with("acme/shop#42: no agent could be had"), "{told:?}");
}
