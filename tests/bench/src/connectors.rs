//! What it costs to call an app by its connector, and to have connectors at all.

use crate::report::Report;
use crate::target::Target;
use calls::http_request::{self, Prepared};
use calls::{Secrets, Sender, carry};
use connectors::{Access, Call, Manifest, built_in, names, read};
use domain::run::StepError;
use egress::{Egress, EgressConfig, HttpPort, Instead};
use runtime::{Clock, SystemClock};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many calls of each kind, one after the other by turns.
const CALLS: usize = 4_000;
/// The number that a deployment is to bear.
const MANY: f64 = 500.0;

pub(crate) async fn measure(report: &mut Report) {
    catalogue(report);
    calls(report).await;
}

/// What a program has to do for connectors when it starts, and for each when it is first used.
fn catalogue(report: &mut Report) {
    let before = resident();
    let begun = Instant::now();
    let all = names();
    let start = begun.elapsed();
    let at_start = resident() - before;
    let times: Vec<f64> = all
        .iter()
        .map(|(name, version)| {
            let begun = Instant::now();
            let manifest = built_in(name, Some(*version));
            assert!(manifest.is_some(), "{name} can be read");
            ms(begun.elapsed())
        })
        .collect();
    let scale = MANY / all.len() as f64;
    report.add(
        "500 connectors at a cold start (this catalogue's, scaled)",
        ms(start) * scale,
        "ms",
        Some("≤ 5"),
    );
    report.add("… memory", at_start * scale, "MB", Some("≤ 8"));
    report.add("first use of a connector, median", median(times.clone()), "ms", None);
    report.add("… the largest", times.iter().copied().fold(0.0, f64::max), "ms", None);
    report.add("… memory of one, mean", (resident() - before) / all.len() as f64, "MB", None);
}

/// A call by a connector beside a plain request, to the same server.
async fn calls(report: &mut Report) {
    let target = Target::start().await;
    let instead = format!("https://api.bench.example=http://{}", target.addr);
    let instead = Instead::parse_all(&instead).expect("an origin and an address");
    let egress = Egress::new(EgressConfig { allow_loopback: true, instead, ..EgressConfig::default() });
    let egress = egress.expect("a client");
    let plain = reqwest::Client::builder().no_proxy().build().expect("a plain client");
    let url = format!("http://{}/things/7?kind=a", target.addr);
    let manifest = Arc::new(manifest());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for n in 0..CALLS {
        let begun = Instant::now();
        by_connector(&manifest, &egress).await;
        let first = ms(begun.elapsed());
        let begun = Instant::now();
        let answer = plain.get(&url).bearer_auth("token").send().await.expect("an answer");
        let answer: Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON");
        assert_eq!(answer["object"], "contact");
        // What is set up once is not what a call costs.
        if n >= CALLS / 10 {
            ours.push(first);
            theirs.push(ms(begun.elapsed()));
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    report.add("a plain reqwest call, median", theirs, "ms", None);
    report.add("a call by a connector adds", ours - theirs, "ms", Some("≤ 0.3"));
}

async fn by_connector(manifest: &Arc<Manifest>, egress: &Egress) {
    let access = Access {
        auth: Some("token".to_owned()),
        credentials: serde_json::Map::from_iter([("token".to_owned(), "token".into())]),
        fields: json!({}),
    };
    let input = json!({"id": "7", "kind": "a"});
    let now = SystemClock.now();
    let mut call = Call::begin(manifest.clone(), "get_thing", input, &access, now.0).expect("a call");
    let sender = Plain { egress };
    let limit = Duration::from_secs(10);
    let Ok(answer) = carry(&mut call, &sender, "key", &Secrets::default(), &SystemClock, limit).await;
    assert_eq!(answer.expect("an answer")["object"], "contact");
}

struct Plain<'a> {
    egress: &'a Egress,
}

impl Sender for Plain<'_> {
    type Broken = Infallible;

    async fn send(
        &self,
        prepared: Prepared,
        secrets: &Secrets,
    ) -> Result<Result<Value, StepError>, Infallible> {
        let sent = self.egress.send(prepared.request).await;
        Ok(http_request::outcome(sent, true, SystemClock.now(), secrets))
    }
}

fn manifest() -> Manifest {
    let document = json!({"name": "bench", "title": "Bench", "base_url": "https://api.bench.example",
        "auth": [{"id": "token", "type": "bearer", "title": "Token"}],
        "actions": {"get_thing": {"title": "Get a thing",
            "input": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "kind": {"type": "string"}}},
            "request": {"method": "GET", "path": "/things/{id}", "query": ["kind"]}}}});
    read(&document).expect("a manifest without faults")
}

/// What this process holds in memory, in MB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: f64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0);
    kilobytes / 1024.0
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
