//! The functions' own programs: how fast they start, how large they are, what memory they take.

mod program;
mod world;

use crate::cost;
use crate::report::Report;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use program::Program;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use world::World;

/// How often each program is started.
const STARTS: usize = 25;
const MEMORY_BATCHES: usize = 30;
static REQUESTS: AtomicU64 = AtomicU64::new(1);
const FUNCTIONS: [&str; 8] =
    ["hooks", "executor", "api", "ingest", "timer", "deadletter", "stream", "eraser"];

pub(crate) async fn measure(programs: &Path, report: &mut Report) {
    for function in FUNCTIONS {
        let goal = ["hooks", "executor"].contains(&function).then_some("≤ 6");
        report.add(&format!("{function}, zipped"), zipped_mb(&programs.join(function)), "MB", goal);
    }
    let address = std::env::var("BENCH_ADDRESS").unwrap_or_else(|_| "127.0.0.1".to_owned());
    let mut world = World::start(programs, &address).await;
    // Whatever else the machine does, each round has one start of everything: the medians stand side by side.
    let names: Vec<&str> = std::iter::once("empty").chain(FUNCTIONS).collect();
    let mut times = vec![(Vec::new(), Vec::new()); names.len()];
    for _ in 0..STARTS {
        for (name, (polls, answers)) in names.iter().zip(&mut times) {
            let event = world.event(name).await;
            let mut program = Program::start(&programs.join(name), &world.variables(name)).await;
            polls.push(program.first_poll().await);
            let (answered, answer) = program.invoke(event).await;
            world::check(name, &answer);
            answers.push(answered);
        }
    }
    let medians: Vec<(f64, f64)> = times.iter_mut().map(|(p, a)| (median_ms(p), median_ms(a))).collect();
    let (poll_of_empty, answer_of_empty) = medians[0];
    report.add("cold start of an empty function, first poll", poll_of_empty, "ms", None);
    report.add("… first answer", answer_of_empty, "ms", None);
    for (name, (poll, answer)) in names.iter().zip(&medians).skip(1) {
        let goals = match *name {
            "hooks" | "executor" => (Some("≤ 3"), Some("≤ 4")),
            "api" => (None, Some("≤ 4")),
            _ => (None, None),
        };
        report.add(
            &format!("cold start of {name}, first poll: {poll:.2} ms, of an empty one's"),
            poll / poll_of_empty,
            "×",
            goals.0,
        );
        report.add(
            &format!("… first answer: {answer:.2} ms, of an empty one's"),
            answer / answer_of_empty,
            "×",
            goals.1,
        );
    }
    idle(programs, &mut world, report).await;
    if address == "127.0.0.1" {
        eprintln!(
            "… the executor's memory is not measured: its HTTP steps reach public addresses only (tests/bench/run gives it one)"
        );
    } else {
        memory(programs, &mut world, report).await;
    }
}

/// What the timer reads and writes each minute when nothing is due, and what an idle month costs.
async fn idle(programs: &Path, world: &mut World, report: &mut Report) {
    const TICKS: u32 = 20;
    let mut timer = Program::start(&programs.join("timer"), &world.variables("timer")).await;
    timer.first_poll().await;
    let (mut reads, mut writes) = (0.0, 0.0);
    for _ in 0..TICKS {
        world.a_minute_later().await;
        timer.invoke(json!({})).await;
        for (name, count) in world.metered() {
            let read = name.starts_with("dynamodb.Query") || name.starts_with("dynamodb.GetItem");
            *(if read { &mut reads } else { &mut writes }) += count.units / f64::from(TICKS);
        }
    }
    let prices = cost::Prices::read(include_str!("../../../../docs/cost.md"));
    let (list, after, lines) = cost::idle(reads, writes, &prices);
    report.add("idle stack, a month, after free allowances", after, "$", Some("≤ 1"));
    report.add("… at list prices", list, "$", None);
    report.detail("an idle month at list prices", lines);
}

/// Many runs of ten steps through one process of the executor, ten messages at a time, with an expression process beside it.
async fn memory(programs: &Path, world: &mut World, report: &mut Report) {
    let mut executor = Program::start(&programs.join("executor"), &world.variables("executor")).await;
    executor.first_poll().await;
    world.forget().await;
    for _ in 0..MEMORY_BATCHES {
        let event = world.messages(10).await;
        let (_, answer) = executor.invoke(event).await;
        assert_eq!(answer["batchItemFailures"], json!([]), "{answer}");
    }
    assert_eq!(world.target.answered(), MEMORY_BATCHES * 10 * 6, "each run calls six times");
    let (peak, processes) = executor.peak_mb();
    assert_eq!(processes, 2, "the executor, and the process for its expressions");
    report.add("executor, highest memory of 300 runs, ten at a time", peak, "MB", Some("≤ 64"));
}

fn median_ms(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn zipped_mb(program: &Path) -> f64 {
    let content = std::fs::read(program).unwrap_or_else(|e| panic!("`{}`: {e}", program.display()));
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&content).expect("memory takes it");
    encoder.finish().expect("memory takes it").len() as f64 / 1e6
}

/// An event as API Gateway sends it to a function.
pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Value {
    let mut headers = json!({"content-type": "application/json", "host": "bench"});
    if let Some(token) = token {
        headers["authorization"] = json!(format!("Bearer {token}"));
    }
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": headers,
        "requestContext": {
            "accountId": "000000000000", "apiId": "bench", "domainName": "bench", "domainPrefix": "bench",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench"},
            // What makes a webhook another one than the last.
            "requestId": REQUESTS.fetch_add(1, Ordering::Relaxed).to_string(), "routeKey": "$default", "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 0
        },
        "body": body, "isBase64Encoded": false
    })
}
