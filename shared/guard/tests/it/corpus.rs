//! The corpus of hostile expressions: each fails, or gives something small, within its time and its memory.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use expr::Template;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{SEED, assert_works, config, evaluate, guard};

/// The requirement is one second; the assertion leaves room for a machine that is busy with other things.
const AT_MOST: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
struct Hostile {
    why: String,
    #[serde(default)]
    expression: String,
    #[serde(default)]
    input: String,
    repeat: Option<Repeat>,
}

#[derive(Deserialize)]
struct Repeat {
    open: String,
    times: usize,
    middle: String,
    close: String,
    #[serde(default)]
    quoted: bool,
}

impl Hostile {
    fn source(&self) -> String {
        match &self.repeat {
            None => self.expression.clone(),
            Some(repeat) => {
                let quote = if repeat.quoted { "\"" } else { "" };
                let Repeat { open, times, middle, close, .. } = repeat;
                format!("{quote}{}{middle}{}{quote}", open.repeat(*times), close.repeat(*times))
            }
        }
    }

    fn scope(&self) -> Value {
        match self.input.as_str() {
            "" => json!({}),
            "rows" => {
                json!({"rows": (0..2_000).map(|id| json!({"id": id, "text": "some text of a row"})).collect::<Vec<_>>()})
            }
            "text" => json!({"text": format!("{}!", "a".repeat(20_000))}),
            "keys" => {
                json!({"keys": (0..2_000).map(|n| (format!("k{n}"), json!(n))).collect::<serde_json::Map<_, _>>()})
            }
            other => panic!("no input `{other}`"),
        }
    }
}

fn corpus() -> Vec<Hostile> {
    serde_json::from_str(include_str!("hostile.json")).unwrap()
}

/// Watches this process's children: the highest resident memory that any of them reached.
struct Watch {
    stop: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
}

impl Watch {
    fn start() -> Watch {
        let watch = Watch { stop: Arc::default(), peak: Arc::default() };
        let (stop, peak) = (Arc::clone(&watch.stop), Arc::clone(&watch.peak));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for pid in children() {
                    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
                    let kib = status.lines().find_map(|line| {
                        line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse::<u64>().ok()
                    });
                    peak.fetch_max(kib.unwrap_or(0) * 1024, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        watch
    }

    fn peak(&self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.peak.load(Ordering::Relaxed)
    }
}

fn children() -> HashSet<u32> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hostile_expression_costs_only_itself() {
    let guard = guard();
    let (evil, good) = (guard.lane("evil"), guard.lane("good"));
    let watch = Watch::start();
    let mut slowest = (Duration::ZERO, String::new());
    let mut outcomes: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    let corpus = corpus();
    assert!(corpus.len() >= 90);
    for hostile in &corpus {
        let (source, scope) = (hostile.source(), hostile.scope());
        // As a definition would have it: refused when saved, in place, or guarded.
        let start = Instant::now();
        let text = json!(format!("{{{{ {source} }}}}"));
        let rendered = match Template::parse(&text) {
            Ok(template) => evil.render(&template, &scope, &SEED).await.map_err(|failure| failure.code),
            Err(faults) => Err(faults[0].code),
        };
        let saved = start.elapsed();
        assert_works(&good).await;
        // And straight into a child, whatever was decided, while another caller is at work.
        let start = Instant::now();
        let (direct, ()) = tokio::join!(evaluate(&evil, &source, &scope), assert_works(&good));
        let taken = start.elapsed().max(saved);
        assert_works(&good).await;

        let direct = direct.map_err(|failure| failure.code);
        let small =
            |value: Option<&Value>| value.is_none_or(|value| value.to_string().len() <= 2 * 1024 * 1024);
        assert!(small(rendered.as_ref().ok()), "{}: a large result", hostile.why);
        assert!(small(direct.as_ref().ok().and_then(Option::as_ref)), "{}: a large result", hostile.why);
        assert!(taken < AT_MOST, "{}: {taken:?}", hostile.why);
        let outcome = match (&rendered, &direct) {
            (Ok(value), _) => format!("a small value ({})", value.to_string().len().min(99)),
            (Err(code), _) => (*code).to_owned(),
        };
        println!("{:>8.1?}  {:<28} {}", taken, outcome, hostile.why);
        assert_ne!(rendered.as_ref().err(), Some(&expr::codes::GUARD_UNAVAILABLE), "{}", hostile.why);
        *outcomes.entry(outcome.split(" (").next().unwrap_or_default().to_owned()).or_default() += 1;
        if taken > slowest.0 {
            slowest = (taken, hostile.why.clone());
        }
    }
    let peak = watch.peak();
    println!("slowest: {slowest:?}; peak of a child: {} MiB; outcomes: {outcomes:?}", peak / 1024 / 1024);
    // The cap counts address space beyond the child's image; resident memory can only be less.
    assert!(peak > 1024 * 1024, "the children were not seen");
    assert!(peak < config().memory_bytes + 16 * 1024 * 1024, "a child used {peak} bytes");
    assert!(outcomes.contains_key("expression_memory") && outcomes.contains_key("expression_timeout"));
}
