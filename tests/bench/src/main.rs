#![doc = include_str!("../README.md")]
#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures from outside, with its own clock and connections"
)]

mod api;
mod client;
mod connectors;
mod cost;
mod lambda;
mod limits;
mod load;
mod report;
mod stack;
mod target;

use report::Report;
use serde_json::Value;
use stack::Stack;
use std::path::{Path, PathBuf};
use std::time::Instant;
use target::Target;

/// webhook → map → branch → http.request
const LEAD: &str = include_str!("../workflows/lead.json");
/// 3 maps, 1 branch, 6 HTTP calls of which 3 are not idempotent.
const REFERENCE: &str = include_str!("../workflows/reference.json");

#[tokio::main]
async fn main() {
    let binary = binary();
    let target = Target::start().await;
    let mut report = Report::default();
    // `bench functions` measures these only.
    let only = std::env::args().nth(1);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if wanted("stack") {
        start_up(&binary, &mut report).await;
        throughput(&binary, &target, &mut report).await;
        latency(&binary, &target, &mut report).await;
    }
    if wanted("api") {
        api::measure(&binary, &mut report).await;
    }
    if wanted("costs") {
        costs(&binary, &target, &mut report).await;
    }
    if wanted("loops") {
        loops(&binary, &target, &mut report).await;
        largest_loop(&binary, &target, &mut report).await;
        waits(&binary, &target, &mut report).await;
    }
    if wanted("connectors") {
        connectors::measure(&mut report).await;
    }
    if wanted("limits") {
        limits::measure(&binary, &mut report).await;
    }
    if wanted("functions") {
        lambda::measure(binary.parent().expect("a file is in a folder"), &mut report).await;
    }
    report.print();
    report.write(&binary.parent().expect("a file is in a folder").join("../bench.json"));
}

/// `patchbay-local` beside this program.
fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("this program has a path");
    let binary = own.with_file_name("patchbay-local");
    assert!(binary.exists(), "build it first: cargo build --release --workspace --bins");
    binary
}

const LOOP: &str = include_str!("../workflows/loop.json");
const LARGEST_LOOP: &str = include_str!("../workflows/largest_loop.json");
const WAIT: &str = include_str!("../workflows/wait.json");

async fn start_up(binary: &Path, report: &mut Report) {
    let data = tempfile::tempdir().expect("a folder can be made");
    let first = Instant::now();
    drop(Stack::start(binary, data.path(), &[]).await);
    report.add("ready, first start", first.elapsed().as_secs_f64() * 1000.0, "ms", Some("≤ 2000"));
    let second = Instant::now();
    let stack = Stack::start(binary, data.path(), &[]).await;
    report.add("ready, second start", second.elapsed().as_secs_f64() * 1000.0, "ms", Some("≤ 2000"));
    report.add("memory, idle", stack.memory_mb("VmRSS"), "MB", None);
    let bytes = std::fs::metadata(binary).map_or(0, |m| m.len());
    report.add("binary", bytes as f64 / 1_048_576.0, "MB", None);
}

async fn throughput(binary: &Path, target: &Target, report: &mut Report) {
    const RUNS: usize = 10_000;
    let data = tempfile::tempdir().expect("a folder can be made");
    let mut stack = Stack::start(binary, data.path(), &[]).await;
    let hook = stack.workflow(LEAD, target).await;
    load::fire(&hook, &lead_body(), 500, 8).await;
    stack.drained(500).await;
    let before = stack.data_bytes();
    let began = stack::now_ms();
    let sent = load::fire(&hook, &lead_body(), RUNS, 32).await;
    let last = stack.drained(RUNS + 500).await;
    let seconds = (last - began) as f64 / 1000.0;
    report.add(
        "runs per second (webhook → map → branch → http.request)",
        RUNS as f64 / seconds,
        "1/s",
        Some("≥ 500"),
    );
    report.add("of which accepted per second", RUNS as f64 / sent.as_secs_f64(), "1/s", None);
    report.add("memory, highest under that load", stack.memory_mb("VmHWM"), "MB", Some("≤ 150"));
    report.add("kept per run", (stack.data_bytes() - before) as f64 / RUNS as f64, "bytes", None);
}

async fn latency(binary: &Path, target: &Target, report: &mut Report) {
    let data = tempfile::tempdir().expect("a folder can be made");
    let mut stack = Stack::start(binary, data.path(), &[]).await;
    let hook = stack.workflow(LEAD, target).await;
    for _ in 0..20 {
        stack.one_run(&hook, &lead_body()).await;
    }
    let mut times = Vec::new();
    for _ in 0..300 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        times.push(stack.one_run(&hook, &lead_body()).await.as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    report.add("one run when idle, p50", times[150], "ms", Some("≤ 15"));
    report.add("one run when idle, p95", times[285], "ms", Some("≤ 40"));
}

async fn costs(binary: &Path, target: &Target, report: &mut Report) {
    let prices = cost::Prices::read(include_str!("../../../docs/cost.md"));
    for (name, bytes, budget, goal) in [
        ("reference workflow", 1024, None, Some("≤ 1.50")),
        ("… with 4 KB bodies", 4096, None, Some("≤ 2.50")),
        ("… with ChainBudget 1", 1024, Some("1"), Some("≤ 2.50")),
    ] {
        const RUNS: usize = 200;
        let data = tempfile::tempdir().expect("a folder can be made");
        let mut vars = vec![("PATCHBAY_METER", "1")];
        vars.extend(budget.map(|steps| ("CHAIN_BUDGET_STEPS", steps)));
        let mut stack = Stack::start(binary, data.path(), &vars).await;
        let hook = stack.workflow(REFERENCE, target).await;
        load::fire(&hook, &reference_body(bytes), 5, 1).await;
        stack.drained(5).await;
        stack.meter().await;
        load::fire(&hook, &reference_body(bytes), RUNS, 1).await;
        stack.drained(RUNS + 5).await;
        let metered = stack.meter().await;
        let bill = cost::bill(&metered, RUNS, &prices);
        report.add(&format!("cost per million steps, {name}"), bill.per_million_steps, "$", goal);
        report.detail(&format!("cost per million steps, {name},"), bill.lines);
    }
}

/// What a loop over a thousand items writes: each calls somebody once.
async fn loops(binary: &Path, target: &Target, report: &mut Report) {
    const ITEMS: usize = 1000;
    let data = tempfile::tempdir().expect("a folder can be made");
    let mut stack = Stack::start(binary, data.path(), &[("PATCHBAY_METER", "1")]).await;
    let hook = stack.workflow(LOOP, target).await;
    stack.meter().await;
    let items: Vec<usize> = (0..ITEMS).collect();
    stack.one_run(&hook, &serde_json::json!({"items": items}).to_string()).await;
    let writes = cost::write_units(&stack.meter().await);
    report.add("write units an item, a loop over 1,000", writes / ITEMS as f64, "", Some("≤ 2.2"));
}

/// How much memory the largest loop takes: of the executor, and of everything else that the local stack is.
async fn largest_loop(binary: &Path, target: &Target, report: &mut Report) {
    const ITEMS: usize = 10_000;
    let data = tempfile::tempdir().expect("a folder can be made");
    let mut stack = Stack::start(binary, data.path(), &[]).await;
    let hook = stack.workflow(LARGEST_LOOP, target).await;
    let items: Vec<usize> = (0..ITEMS).collect();
    let began = stack::now_ms();
    load::fire(&hook, &serde_json::json!({"items": items}).to_string(), 1, 1).await;
    let ended = stack.drained(1).await;
    report.add("memory, highest in a loop over 10,000", stack.memory_mb("VmHWM"), "MB", Some("≤ 64"));
    report.add("… which takes", (ended - began) as f64 / 1000.0, "s", None);
}

/// How long after its time a wait is over.
async fn waits(binary: &Path, target: &Target, report: &mut Report) {
    let data = tempfile::tempdir().expect("a folder can be made");
    let mut stack = Stack::start(binary, data.path(), &[]).await;
    let hook = stack.workflow(WAIT, target).await;
    let mut late = 0.0_f64;
    for _ in 0..5 {
        late = late.max(stack.lateness(&hook, "pause", "after").await);
    }
    report.add("a wait is over after its time, at most", late, "s", Some("≤ 1.5"));
}

fn lead_body() -> String {
    serde_json::json!({"email": "ADA@EXAMPLE.COM", "first": "Ada", "last": "Lovelace", "score": 91})
        .to_string()
}

/// A body of about `bytes` bytes, of texts as orders have them.
fn reference_body(bytes: usize) -> String {
    let mut lines: Vec<Value> = Vec::new();
    let mut body = Value::Null;
    let mut n: u64 = 0x9E37_79B9;
    while body.to_string().len() < bytes {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let i = lines.len();
        lines.push(serde_json::json!({"sku": format!("{:012x}", n >> 16), "quantity": (n >> 40) % 9 + 1, "price": (n >> 30) % 9999, "note": WORDS[i % WORDS.len()]}));
        body = serde_json::json!({"order": format!("{:016x}", n), "customer": {"email": "grace@example.com", "name": "Grace Hopper", "city": "Arlington"}, "lines": lines});
    }
    body.to_string()
}

const WORDS: [&str; 5] =
    ["deliver to the back door", "gift wrap", "leave with a neighbour", "call before delivery", "fragile"];
