//! What the functions find around them: tables, queues, a bus and a secret, and an organisation with workflows.

use super::program::Program;
use super::request;
use crate::target::Target;
use emulators::{Cloud, Metered, Queue, QueueSettings, Received};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::{DueStore, LowWater, SHARDS, Store, TableNames};
use tokio::net::TcpListener;
use vault::Keyring;

const KEYRING: &str = "keyring";
const REFERENCE: &str = include_str!("../../workflows/reference.json");
/// An expression whose cost nobody can bound, so that a second process computes it.
const GUARDED: &str = "{{ ($f := function($n) { $n < 2 ? 1 : $n * $f($n - 1) }; $f(9)) }}";

pub(crate) struct World {
    variables: Vec<(&'static str, String)>,
    steps: Arc<Queue>,
    events: Arc<Queue>,
    /// Workflows' webhooks, as paths: one that only maps, and the reference workflow.
    simple: String,
    reference: String,
    /// The owner's.
    token: String,
    /// Makes runs of the reference workflow.
    hooks: Program,
    pub(crate) target: Target,
    store: Store,
    cloud: Cloud,
}

/// Whose run the stream tells of.
const ORGANIZATION: &str = "org_00000000000000000000000000";

impl World {
    pub(crate) async fn start(programs: &Path, address: &str) -> Self {
        let cloud = Cloud::memory().expect("emulators start");
        let settings = || QueueSettings { visibility: Duration::from_mins(12), redrive: None, kept: false };
        let steps = cloud.create_queue("steps", settings()).expect("a queue");
        let events = cloud.create_queue("events", settings()).expect("a queue");
        cloud.deliver_events_to(&events);
        let sdk = cloud.sdk_config();
        let store = Store::new(aws_sdk_dynamodb::Client::new(&sdk), TableNames::with_prefix("bench-"));
        store.create_tables().await.expect("tables");
        let secrets = aws_sdk_secretsmanager::Client::new(&sdk);
        Keyring::create_if_missing(&secrets, KEYRING, Some("bench"), crate::stack::now_ms() / 1000)
            .await
            .expect("a keyring");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        tokio::spawn(cloud.clone().serve(listener));
        let names = TableNames::with_prefix("bench-");
        let variables = vec![
            ("AWS_ENDPOINT_URL", endpoint),
            ("TABLE_CONTROL", names.control),
            ("TABLE_RUNS", names.runs),
            ("TABLE_DUE", names.due),
            ("TABLE_LEDGER", names.ledger),
            ("TABLE_TOKENS", names.tokens),
            ("STEP_QUEUE_URL", steps.url().to_owned()),
            ("BULK_QUEUE_URL", steps.url().to_owned()),
            ("BUCKET_FILES", emulators::BUCKET.to_owned()),
            ("EVENT_BUS", "bench".to_owned()),
            ("KEYRING_SECRET", KEYRING.to_owned()),
            ("CREDENTIALS_PREFIX", "bench/credentials".to_owned()),
            ("PUBLIC_URL", "http://bench".to_owned()),
            ("PATCHBAY_LOG", "info".to_owned()),
        ];
        let target = Target::start_on(address).await;
        let mut api = Program::start(&programs.join("api"), &variables).await;
        let owner = json!({"token": "bench", "email": "bench@example.com", "password": "correct horse battery",
            "organization": "Bench"});
        let owner = called(&mut api, "/v1/setup", None, &owner).await;
        let token = owner["access_token"].as_str().expect("a token").to_owned();
        let mut hooks = Vec::new();
        let mut reference: Value =
            serde_json::from_str(&REFERENCE.replace("TARGET", &format!("http://{}", target.addr)))
                .expect("JSON");
        reference["steps"]
            .as_array_mut()
            .expect("steps")
            .push(json!({"id": "guarded", "type": "map", "output": GUARDED}));
        let simple = json!({"name": "Simple", "triggers": [{"id": "in", "type": "webhook"}],
            "steps": [{"id": "person", "type": "map", "output": "{{ $lowercase(trigger.body.customer.email) }}"}]});
        for definition in [simple, reference] {
            let workflow = called(&mut api, "/v1/workflows", Some(&token), &definition).await;
            let id = workflow["id"].as_str().expect("an id");
            called(&mut api, &format!("/v1/workflows/{id}/enable"), Some(&token), &json!({})).await;
            let url = workflow["triggers"][0]["url"].as_str().expect("a webhook has a URL");
            hooks.push(url.trim_start_matches("http://bench").to_owned());
        }
        let reference = hooks.pop().expect("two workflows");
        let simple = hooks.pop().expect("two workflows");
        let hooks = Program::start(&programs.join("hooks"), &variables).await;
        Self { variables, steps, events, simple, reference, token, hooks, target, store, cloud }
    }

    pub(crate) fn variables(&self, function: &str) -> Vec<(&'static str, String)> {
        if function == "empty" { Vec::new() } else { self.variables.clone() }
    }

    /// An ordinary event for the first invocation of a function.
    pub(crate) async fn event(&mut self, function: &str) -> Value {
        match function {
            "hooks" => request("POST", &self.simple, None, &crate::reference_body(1024)),
            "executor" => {
                let hook = self.simple.clone();
                self.run(&hook).await;
                self.taken(1).await
            }
            "api" => request("GET", "/v1/runs", Some(&self.token), ""),
            "ingest" => {
                let event = json!({"id": "1", "source": "shop", "detail-type": "Order placed", "detail": {"order": 1}});
                self.events.send(event.to_string(), None, Duration::ZERO).expect("a queue takes it");
                records(&self.events, 1).await
            }
            "deadletter" => {
                let hook = self.simple.clone();
                self.run(&hook).await;
                self.taken(1).await
            }
            "stream" => {
                let keys = json!({"pk": {"S": format!("{ORGANIZATION}#run_00000000000000000000000000")}, "sk": {"S": "h"}});
                let mut image = keys.clone();
                image["ts"] = json!({"N": crate::stack::now_ms().to_string()});
                let change =
                    json!({"Keys": keys, "NewImage": image, "SequenceNumber": "100", "SizeBytes": 100});
                json!({"shardId": "shardId-1", "Records": [
                    {"eventID": "1", "eventName": "INSERT", "awsRegion": "us-east-1", "dynamodb": change}]})
            }
            // One that is not to be erased.
            "eraser" => json!({"detail": {"organization": "org_00000000000000000000000000"}}),
            _ => json!({}),
        }
    }

    /// As the tick of the minute before left it. What was metered up to now is forgotten.
    pub(crate) async fn a_minute_later(&mut self) {
        let minute = crate::stack::now_ms() / 60_000;
        let low = LowWater {
            over: [Some(minute - 1); SHARDS as usize],
            ahead: [Some(minute + 2); SHARDS as usize],
        };
        self.store.set_low_water(&low).await.expect("the table takes it");
        self.cloud.meter().switch(true);
        self.cloud.meter().take();
    }

    pub(crate) fn metered(&self) -> BTreeMap<String, Metered> {
        self.cloud.meter().switch(false);
        self.cloud.meter().take()
    }

    /// Takes away what nobody wanted.
    pub(crate) async fn forget(&mut self) {
        self.taken(self.steps.visible()).await;
    }

    /// The messages of so many new runs of the reference workflow.
    pub(crate) async fn messages(&mut self, count: usize) -> Value {
        let hook = self.reference.clone();
        for _ in 0..count {
            self.run(&hook).await;
        }
        self.taken(count).await
    }

    async fn run(&mut self, hook: &str) {
        let (_, answer) = self.hooks.invoke(request("POST", hook, None, &crate::reference_body(4096))).await;
        assert_eq!(answer["statusCode"], 202, "{answer}");
    }

    async fn taken(&self, count: usize) -> Value {
        records(&self.steps, count).await
    }
}

async fn records(queue: &Queue, count: usize) -> Value {
    let mut all = Vec::new();
    while all.len() < count {
        for Received { handle, record } in queue.receive(count - all.len()).await {
            queue.delete(&handle);
            all.push(record);
        }
    }
    json!({"Records": all})
}

async fn called(api: &mut Program, path: &str, token: Option<&str>, body: &Value) -> Value {
    let (_, answer) = api.invoke(request("POST", path, token, &body.to_string())).await;
    let status = answer["statusCode"].as_u64().unwrap_or_default();
    assert!((200..300).contains(&status), "{path}: {answer}");
    serde_json::from_str(answer["body"].as_str().unwrap_or("null")).expect("answers are JSON")
}

/// Whether an answer is what that event must be answered.
pub(crate) fn check(function: &str, answer: &Value) {
    let expected = match function {
        "hooks" => answer["statusCode"] == 202,
        "api" => answer["statusCode"] == 200,
        "executor" | "ingest" | "deadletter" | "stream" => answer["batchItemFailures"] == json!([]),
        _ => answer.is_null(),
    };
    assert!(expected, "{function} answered {answer}");
}
