//! Children: started when needed, kept, replaced, and gone with their parent.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use expr::codes;
use guard::{Guard, GuardConfig};
use serde_json::json;

use crate::{assert_works, config, evaluate};

/// Children of this test alone: others run beside it, so each test gives its guard a cap of its own.
fn pids(memory_bytes: u64) -> Vec<u32> {
    let mark = memory_bytes.to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            let arguments = std::fs::read(process.path().join("cmdline")).ok()?;
            let mut arguments = arguments.split(|byte| *byte == 0).skip(1);
            let ours = arguments.next()? == b"--expression-guard" && arguments.next()? == mark.as_bytes();
            // A child that is dead but not yet reaped has no memory map.
            let alive = std::fs::read_to_string(process.path().join("statm"))
                .is_ok_and(|statm| !statm.starts_with("0 "));
            (ours && alive).then_some(pid)
        })
        .collect()
}

async fn eventually(what: &str, mut test: impl FnMut() -> bool) {
    let start = Instant::now();
    while !test() {
        assert!(start.elapsed() < Duration::from_secs(5), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_child_starts_when_needed_and_is_kept() {
    let config = GuardConfig { memory_bytes: 100_000_001, ..config() };
    let guard = Guard::new(config.clone());
    assert!(pids(config.memory_bytes).is_empty());
    assert_works(&guard).await;
    let first = pids(config.memory_bytes);
    assert_eq!(first.len(), 1);
    for _ in 0..20 {
        assert_works(&guard).await;
    }
    assert_eq!(pids(config.memory_bytes), first);
    drop(guard);
    eventually("the children go with the guard", || pids(config.memory_bytes).is_empty()).await;
}

#[tokio::test]
async fn a_child_is_replaced_after_its_uses() {
    let config = GuardConfig { memory_bytes: 100_000_002, max_uses: 3, ..config() };
    let guard = Guard::new(config.clone());
    let mut seen = std::collections::HashSet::new();
    for _ in 0..12 {
        assert_works(&guard).await;
        seen.extend(pids(config.memory_bytes));
    }
    assert!((3..=4).contains(&seen.len()), "{seen:?}");
}

#[tokio::test]
async fn a_child_that_kept_memory_is_replaced() {
    let config = GuardConfig { memory_bytes: 100_000_003, ..config() };
    let guard = Guard::new(config.clone());
    for _ in 0..10 {
        let length = evaluate(&guard, "$length($join([1..200000].('xxxxxxxxxx')))", &json!({})).await;
        assert_eq!(length, Ok(Some(json!(2_000_000))), "earlier requests leave the later ones their room");
    }
}

#[tokio::test]
async fn a_child_killed_while_idle_is_not_missed() {
    let config = GuardConfig { memory_bytes: 100_000_004, ..config() };
    let guard = Guard::new(config.clone());
    assert_works(&guard).await;
    let killed = pids(config.memory_bytes);
    assert!(
        Command::new("kill").arg("-9").args(killed.iter().map(u32::to_string)).status().unwrap().success()
    );
    eventually("it is dead", || pids(config.memory_bytes).is_empty()).await;
    assert_works(&guard).await;
}

#[tokio::test]
async fn an_abandoned_request_takes_its_child_along() {
    let config = GuardConfig { memory_bytes: 100_000_005, wall: Duration::from_mins(1), ..config() };
    let guard = Guard::new(config.clone());
    let scope = json!({});
    let bomb = evaluate(&guard, "$distinct([1..900000])", &scope);
    assert!(tokio::time::timeout(Duration::from_millis(300), bomb).await.is_err());
    eventually("the child is gone", || pids(config.memory_bytes).is_empty()).await;
    assert_works(&guard).await;
}

#[tokio::test]
async fn cpu_time_is_limited_even_if_the_parent_cannot_kill() {
    let config = GuardConfig { memory_bytes: 100_000_006, wall: Duration::from_mins(1), ..config() };
    let guard = Guard::new(config.clone());
    let start = Instant::now();
    let failure = evaluate(&guard, "$distinct([1..900000])", &json!({})).await.unwrap_err();
    assert_eq!(failure.code, codes::TIMEOUT);
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_works(&guard).await;
}

#[tokio::test]
async fn a_program_that_is_no_guard_is_noticed() {
    for program in ["/bin/cat", "/bin/true", "/nowhere/at/all"] {
        let guard = Guard::new(GuardConfig {
            program: program.into(),
            max_start: Duration::from_millis(300),
            ..config()
        });
        let failure = evaluate(&guard, "1", &json!({})).await.unwrap_err();
        assert_eq!(failure.code, codes::GUARD_UNAVAILABLE, "{program}");
    }
}

#[test]
fn a_child_ends_with_its_input_and_sees_no_environment() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_guard-child"))
        .args(["--expression-guard", "50000000"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let environment = std::fs::read(format!("/proc/{}/environ", child.id())).unwrap();
    assert!(environment.is_empty());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn without_the_marker_the_program_goes_on() {
    let status = Command::new(env!("CARGO_BIN_EXE_guard-child")).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_child_limits_itself() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_guard-child"))
        .args(["--expression-guard", "50000000"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut hello = [0; 8];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut hello).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let soft = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(soft("Max core file size"), "0");
    assert_eq!(soft("Max file size"), "0");
    assert_eq!(soft("Max open files"), "16");
    let space: u64 = soft("Max address space").parse().unwrap();
    assert!((50_000_000..150_000_000).contains(&space), "{space}");
    drop(child.stdin.take());
    child.wait().unwrap();
}
