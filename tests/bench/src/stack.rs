//! The local stack, driven from outside.

use crate::client::Client;
use crate::target::Target;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) struct Stack {
    child: Child,
    addr: SocketAddr,
    client: Client,
    token: String,
    data: PathBuf,
}

/// Where webhooks go.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) addr: SocketAddr,
    pub(crate) path: String,
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Stack {
    /// Starts the process and waits until it says that it is ready.
    pub(crate) async fn start(binary: &Path, data: &Path, vars: &[(&str, &str)]) -> Self {
        let mut child = Command::new(binary)
            .args(["--addr", "127.0.0.1:0", "--data"])
            .arg(data)
            .env("PATCHBAY_SETUP_TOKEN", "bench")
            .env("PATCHBAY_ALLOW_LOOPBACK", "1")
            // One caller does what many would.
            .env("RATE_LIMIT_CALLER", "100000000")
            .env("RATE_LIMIT_ORGANIZATION", "100000000")
            .envs(vars.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the stack starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        let addr = lines
            .find_map(|line| line.ok()?.strip_prefix("ready http://")?.parse().ok())
            .expect("it says where it listens");
        Self { child, addr, client: Client::connect(addr).await, token: String::new(), data: data.to_owned() }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Makes the owner; gives an access token.
    pub(crate) async fn set_up(&mut self) -> String {
        let owner = serde_json::json!({"token": "bench", "email": "bench@example.com", "password": "correct horse battery",
            "organization": "Bench"});
        self.token = text(&self.call("POST", "/v1/setup", &owner.to_string()).await["access_token"]);
        self.token.clone()
    }

    /// Makes the owner, and a workflow of `definition` whose HTTP steps call `target`; gives its webhook.
    pub(crate) async fn workflow(&mut self, definition: &str, target: &Target) -> Hook {
        self.set_up().await;
        self.publish(&definition.replace("TARGET", &format!("http://{}", target.addr))).await
    }

    /// Makes a workflow, and gives its webhook.
    pub(crate) async fn publish(&mut self, definition: &str) -> Hook {
        let workflow = self.call("POST", "/v1/workflows", definition).await;
        let id = text(&workflow["id"]);
        self.call("POST", &format!("/v1/workflows/{id}/enable"), "").await;
        let url = text(&workflow["triggers"][0]["url"]);
        let path =
            url.split_once("/hooks/").map(|(_, id)| format!("/hooks/{id}")).expect("a webhook has a URL");
        Hook { addr: self.addr, path }
    }

    /// Sends one webhook and waits for the end of its run.
    pub(crate) async fn one_run(&mut self, hook: &Hook, body: &str) -> Duration {
        let began = Instant::now();
        let run = text(&self.call("POST", &hook.path, body).await["id"]);
        loop {
            let shown = self.call("GET", &format!("/v1/runs/{run}"), "").await;
            match shown["status"].as_str() {
                Some("succeeded") => return began.elapsed(),
                Some("queued" | "running") => tokio::time::sleep(Duration::from_millis(1)).await,
                _ => panic!("the run ended badly: {}", shown["error"]),
            }
        }
    }

    /// Runs a workflow with a wait, and gives how many seconds after its time the next step began.
    pub(crate) async fn lateness(&mut self, hook: &Hook, wait: &str, next: &str) -> f64 {
        let run = text(&self.call("POST", &hook.path, "{}").await["id"]);
        loop {
            let shown = self.call("GET", &format!("/v1/runs/{run}"), "").await;
            if shown["status"] == "succeeded" {
                let step = |path: &str| {
                    let mut steps = shown["steps"].as_array().into_iter().flatten();
                    steps.find(|step| step["path"] == path).cloned().unwrap_or_default()
                };
                let until = millis(step(wait)["output"]["until"].as_str().unwrap_or_default());
                let began = millis(step(next)["started_at"].as_str().unwrap_or_default());
                return (began - until) as f64 / 1000.0;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until `count` runs have succeeded, and checks that all of them are in the history; gives when the last one ended.
    pub(crate) async fn drained(&mut self, count: usize) -> i64 {
        let deadline = Instant::now() + Duration::from_mins(5);
        loop {
            let unfinished = self.newest_unfinished().await;
            if !unfinished {
                let (succeeded, last) = self.count().await;
                if succeeded == count {
                    return last;
                }
            }
            assert!(Instant::now() < deadline, "the runs did not all succeed");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn newest_unfinished(&mut self) -> bool {
        let page = self.call("GET", "/v1/runs?limit=1", "").await;
        page["items"][0]["status"] != "succeeded"
    }

    async fn count(&mut self) -> (usize, i64) {
        let (mut succeeded, mut last, mut cursor) = (0, 0, String::new());
        loop {
            let page = self.call("GET", &format!("/v1/runs?limit=100{cursor}"), "").await;
            for run in page["items"].as_array().into_iter().flatten() {
                assert!(run["status"] != "failed", "{run}");
                succeeded += usize::from(run["status"] == "succeeded");
                last = last.max(millis(run["finished_at"].as_str().unwrap_or_default()));
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return (succeeded, last),
            }
        }
    }

    /// Connects anew: the stack closes what was silent for half a minute.
    pub(crate) async fn reconnect(&mut self) {
        self.client = Client::connect(self.addr).await;
    }

    /// What AWS would have billed since the last time this was asked.
    pub(crate) async fn meter(&mut self) -> Value {
        self.call("GET", "/_local/meter", "").await
    }

    /// A line of the process's status, in megabytes.
    pub(crate) fn memory_mb(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with(field)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }

    /// How large the data folder is.
    pub(crate) fn data_bytes(&self) -> u64 {
        let files = std::fs::read_dir(&self.data).expect("the folder is there");
        files.filter_map(|f| Some(f.ok()?.metadata().ok()?.len())).sum()
    }

    pub(crate) async fn call(&mut self, method: &str, path: &str, body: &str) -> Value {
        // A load may have taken longer than the stack keeps a silent connection.
        self.reconnect().await;
        let token = Some(self.token.as_str()).filter(|t| !t.is_empty());
        let (status, answer) = self.client.send(method, path, token, body).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {}",
            String::from_utf8_lossy(&answer)
        );
        serde_json::from_slice(&answer).expect("answers are JSON")
    }
}

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// `2026-11-21T21:32:48.871Z` as milliseconds since the epoch.
fn millis(text: &str) -> i64 {
    let number =
        |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse::<i64>().ok()).unwrap_or(0);
    let (y, m, d) = (number(0..4), number(5..7), number(8..10));
    // Days from the civil date, after Howard Hinnant's `days_from_civil`.
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
    ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60_000 + number(17..19) * 1000 + number(20..23)
}
