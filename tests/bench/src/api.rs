//! The API: how fast it answers many, what a sign-in takes, and what it costs to find out who asks.

use crate::client::Client;
use crate::report::Report;
use crate::stack::Stack;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

const EMAIL: &str = "bench@example.com";
const PASSWORD: &str = "correct horse battery";

pub(crate) async fn measure(binary: &Path, report: &mut Report) {
    let data = tempfile::tempdir().expect("a folder can be made");
    let mut stack = Stack::start(binary, data.path(), &[("PATCHBAY_METER", "1")]).await;
    let token = stack.set_up().await;
    for n in 0..50 {
        let definition =
            json!({"name": format!("w{n}"), "triggers": [{"id": "m", "type": "manual"}], "steps": []});
        stack.call("POST", "/v1/workflows", &definition.to_string()).await;
    }
    let key = json!({"name": "bench", "scopes": ["workflows.read", "org.read"]}).to_string();
    let key = stack.call("POST", "/v1/api-keys", &key).await["key"].as_str().expect("a key").to_owned();

    let list = Ask { addr: stack.addr(), path: "/v1/workflows", token: Some(&token), body: "" };
    let (half, most) = percentiles(list.many(50, 100).await);
    report.add("API, 50 clients list 50 workflows, p50", half, "ms", None);
    report.add("… p95", most, "ms", Some("≤ 50"));

    let one = Ask { path: "/v1/organization", ..list };
    let (half, most) = percentiles(one.many(50, 100).await);
    report.add("API, 50 clients read one thing, p50", half, "ms", None);
    report.add("… p95", most, "ms", Some("≤ 50"));

    let body = json!({"email": EMAIL, "password": PASSWORD}).to_string();
    let login = Ask { addr: stack.addr(), path: "/v1/auth/login", token: None, body: &body };
    let (half, most) = percentiles(login.many(4, 25).await);
    report.add("sign-in, 4 clients, p50", half, "ms", None);
    report.add("… p95", most, "ms", Some("≤ 150"));

    // The same answer, of the same handler but for who asks: by turns, so that whatever else the machine does is on all sides.
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let open = Ask { addr: stack.addr(), path: "/v1/health", token: None, body: "" };
    let roles = "/v1/roles";
    let known = Ask { addr: stack.addr(), path: roles, token: Some(&token), body: "" };
    let keyed = Ask { addr: stack.addr(), path: roles, token: Some(&key), body: "" };
    let mut client = Client::connect(stack.addr()).await;
    for round in 0..1100 {
        for (ask, times) in [&open, &known, &keyed].into_iter().zip(&mut times) {
            let took = ask.once(&mut client).await;
            if round >= 100 {
                times.push(took);
            }
        }
    }
    let [open, token_p50, key_p50] = times.map(|times| percentiles(times).0);
    report.add("authentication adds, by access token, p50", token_p50 - open, "ms", Some("≤ 1"));
    report.add("… by API key, p50", key_p50 - open, "ms", Some("≤ 1"));
    stack.reconnect().await;
    for (name, ask) in [("access token", &known), ("API key", &keyed)] {
        stack.meter().await;
        for _ in 0..200 {
            ask.once(&mut client).await;
        }
        let reads =
            calls(&stack.meter().await, &["dynamodb.GetItem", "dynamodb.Query", "dynamodb.BatchGetItem"]);
        report.add(&format!("reads to know who asks, by {name}"), reads / 200.0, "", Some("≤ 1"));
    }
}

/// All calls whose names begin so.
fn calls(meter: &Value, names: &[&str]) -> f64 {
    let all = meter.as_object().into_iter().flatten();
    let wanted = all.filter(|(name, _)| names.iter().any(|begin| name.starts_with(begin)));
    wanted.filter_map(|(_, count)| count["calls"].as_f64()).sum()
}

/// One kind of request.
#[derive(Clone, Copy)]
struct Ask<'a> {
    addr: SocketAddr,
    path: &'a str,
    token: Option<&'a str>,
    body: &'a str,
}

impl Ask<'_> {
    async fn once(&self, client: &mut Client) -> Duration {
        let method = if self.body.is_empty() { "GET" } else { "POST" };
        let began = Instant::now();
        let (status, answer) = client.send(method, self.path, self.token, self.body).await;
        let took = began.elapsed();
        assert_eq!(status, 200, "{}: {}", self.path, String::from_utf8_lossy(&answer));
        took
    }

    /// So many clients at once, each so often; the first tenth of each warms up.
    async fn many(&self, clients: usize, times: usize) -> Vec<Duration> {
        let one = async || {
            let mut client = Client::connect(self.addr).await;
            let mut all = Vec::with_capacity(times);
            for n in 0..times + times / 10 {
                let took = self.once(&mut client).await;
                if n >= times / 10 {
                    all.push(took);
                }
            }
            all
        };
        futures::future::join_all((0..clients).map(|_| one())).await.concat()
    }
}

/// The median and the 95th percentile, in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1000.0;
    (at(50), at(95))
}
