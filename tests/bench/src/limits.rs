//! What an app that takes only so many requests sees of many runs at a time, and what its limit costs.

use crate::client::read_message;
use crate::load;
use crate::report::Report;
use crate::stack::{Hook, Stack};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// What Airtable takes in a second.
const TAKES: usize = 5;
/// How many runs call it at the same time, and how often each.
const RUNS: usize = 20;
const CALLS: usize = 5;

/// An app that refuses what is too much within any second.
#[derive(Default)]
struct Seen {
    lately: VecDeque<Instant>,
    first: Option<Instant>,
    last: Option<Instant>,
    all: usize,
    refused: usize,
}

impl Seen {
    fn takes(&mut self) -> bool {
        let now = Instant::now();
        while self.lately.front().is_some_and(|at| now - *at >= Duration::from_secs(1)) {
            self.lately.pop_front();
        }
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.all += 1;
        let takes = self.lately.len() < TAKES;
        if takes {
            self.lately.push_back(now);
        } else {
            self.refused += 1;
        }
        takes
    }
}

async fn app() -> (String, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let base = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
    let seen = Arc::new(Mutex::new(Seen::default()));
    let count = seen.clone();
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let count = count.clone();
            tokio::spawn(async move {
                let mut buffer = Vec::new();
                while read_message(&mut stream, &mut buffer, |_| Some(())).await.is_some() {
                    let takes = count.lock().unwrap_or_else(PoisonError::into_inner).takes();
                    let status = if takes { "200 OK" } else { "429 Too Many Requests" };
                    let body = r#"{"id": "usr0123456789"}"#;
                    let answer = format!(
                        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (base, seen)
}

pub(crate) async fn measure(binary: &Path, report: &mut Report) {
    let (base, seen) = app().await;
    let instead = format!("https://api.airtable.com={base},https://api.openai.com={base}");
    let data = tempfile::tempdir().expect("a folder can be made");
    let vars = [("PATCHBAY_INSTEAD", instead.as_str())];
    let mut stack = Stack::start(binary, data.path(), &vars).await;
    let hook = calling(&mut stack, "airtable.whoami", CALLS).await;
    load::fire(&hook, "{}", RUNS, RUNS).await;
    stack.drained(RUNS).await;
    {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = seen.last.zip(seen.first).map_or(0.0, |(last, first)| (last - first).as_secs_f64());
        let rate = (seen.all - 1) as f64 / seconds / TAKES as f64;
        report.add("20 runs at an app that takes 5 a second, refused", seen.refused as f64, "", Some("≤ 0"));
        report.add("… of what it takes, used", 100.0 * rate, "%", Some("≥ 90"));
    }
    drop(stack);
    let without = app().await.0;
    let instead = format!("https://api.airtable.com={without},https://api.openai.com={without}");
    let calls = calls_of(binary, "openai.list_models", &instead).await;
    report.add("AWS calls a call of an app, one without limits", calls, "", None);
    let limited = calls_of(binary, "airtable.whoami", &instead).await;
    report.add("… more with limits", limited - calls, "", Some("≤ 1"));
}

/// A webhook whose runs call an app so often, one call after the other.
async fn calling(stack: &mut Stack, uses: &str, calls: usize) -> Hook {
    let token = stack.set_up().await;
    assert!(!token.is_empty(), "the owner is signed in");
    let (connector, auth, field) = match uses.split_once('.') {
        Some(("airtable", _)) => ("airtable", "token", "token"),
        _ => ("openai", "key", "token"),
    };
    let connection = json!({"name": "an app", "connector": connector, "auth": auth,
        "credentials": {field: "pat0123456789"}});
    let connection = stack.call("POST", "/v1/connections", &connection.to_string()).await;
    let steps: Vec<Value> = (0..calls)
        .map(|n| {
            json!({"id": format!("call{n}"), "type": "action", "use": uses, "connection": connection["id"], "input": {}})
        })
        .collect();
    let definition = json!({"name": "calls", "triggers": [{"id": "in", "type": "webhook"}], "steps": steps});
    stack.publish(&definition.to_string()).await
}

/// How many calls of AWS one more call of an app makes.
async fn calls_of(binary: &Path, uses: &str, instead: &str) -> f64 {
    const MORE: usize = 10;
    let mut made = Vec::new();
    for calls in [1, 1 + MORE] {
        let data = tempfile::tempdir().expect("a folder can be made");
        let vars = [("PATCHBAY_INSTEAD", instead), ("PATCHBAY_METER", "1")];
        let mut stack = Stack::start(binary, data.path(), &vars).await;
        let hook = calling(&mut stack, uses, calls).await;
        // What is read once is read before.
        load::fire(&hook, "{}", 1, 1).await;
        stack.drained(1).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        stack.meter().await;
        load::fire(&hook, "{}", 1, 1).await;
        // Looked at seldom: each look counts, too.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let metered = stack.meter().await;
        let all = metered.as_object().into_iter().flatten();
        let ours = all.filter(|(name, _)| name.starts_with("dynamodb") || name.starts_with("sqs"));
        made.push(ours.map(|(_, count)| count["calls"].as_f64().unwrap_or(0.0)).sum::<f64>());
        stack.drained(2).await;
    }
    (made[1] - made[0]) / MORE as f64
}
