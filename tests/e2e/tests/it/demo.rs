//! `make demo`: what it says, what it did, and that it leaves nothing behind.

use e2e::{EMAIL, TestApp, root};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The folder of the programs under test.
fn programs() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

/// So many ports in a row that nobody listens at just now.
fn free_ports(count: u16) -> u16 {
    let fits = |first: u16| {
        (first..first.checked_add(count)?)
            .map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
            .collect::<Option<Vec<_>>>()
    };
    let begin = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    (0..200).map(|at| 20_000 + (begin + at * count) % 12_000).find(|first| fits(*first).is_some()).unwrap()
}

/// Whether somebody listens at a port of this machine.
#[expect(clippy::disallowed_methods, reason = "a port is looked at from outside")]
fn is_taken(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

struct Demo {
    child: Child,
    said: Vec<String>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Demo {
    /// Starts the demo and reads what it says until it is ready.
    fn start(platform: u16, fakes: u16, data: &Path) -> Self {
        let mut child = Command::new("python3")
            .arg(root().join("infra/demo/demo.py"))
            .arg("--bin")
            .arg(programs())
            .args(["--addr", &format!("127.0.0.1:{platform}"), "--fakes", &format!("127.0.0.1:{fakes}")])
            .arg("--data")
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while let Some(line) = lines.next() {
            let line = line.unwrap();
            let ready = line.contains("The demo is ready");
            said.push(line);
            if ready {
                return Self { child, said, lines };
            }
        }
        panic!("the demo ended before it was ready: {said:#?}, {:?}", child.wait());
    }

    /// Ctrl-C.
    fn stop(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let last: Vec<String> = self.lines.by_ref().map(Result::unwrap).collect();
        assert!(last.iter().any(|line| line == "The demo is over."), "{last:?}");
        assert!(self.child.wait().unwrap().success());
    }

    /// What stands behind a word in what it said.
    fn after(&self, word: &str) -> &str {
        let line = self.said.iter().find_map(|line| line.trim().strip_prefix(word));
        line.unwrap_or_else(|| panic!("`{word}` is not in {:#?}", self.said)).trim()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It ends what it started when it is asked to, also by a test that failed.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
            && matches!(self.child.try_wait(), Ok(None))
        {
            let _gone = kill_process(pid, Signal::INT);
            let _gone = self.child.wait();
        }
    }
}

#[tokio::test]
async fn it_works_twice_in_a_row_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let first = free_ports(8);
    let (platform, fakes) = (first + 7, first);
    for _ in 0..2 {
        let demo = Demo::start(platform, fakes, &data);
        let base = format!("http://127.0.0.1:{platform}");
        assert_eq!(demo.after("The API"), format!("{base}/v1/docs"));
        let (email, password) = (demo.after("e-mail"), demo.after("password"));
        assert_ne!(email, EMAIL);
        let app = TestApp::remote(&base);
        let signed_in = app.log_in(email, password).await.expect(200);
        let app = app.with_token(signed_in["access_token"].as_str().unwrap());
        assert_eq!(app.get("/v1/docs").await.status, 200);
        // What the clock starts meanwhile is not of the demo's own.
        let mut runs = app.runs("").await;
        runs.retain(|run| run["trigger"] != "often");
        assert!(runs.len() >= 7, "{runs:#?}");
        assert!(runs.iter().all(|run| run["status"] == "succeeded"), "{runs:#?}");
        // The apps were really asked.
        let asked = async |fake: &str, path: &str| {
            let page = format!("{}/requests", demo.after(fake));
            let all = app.fork().with_token("").get(&page).await.expect(200);
            let all = all["requests"].as_array().unwrap().clone();
            all.into_iter().filter(|it| it["path"] == path && it["method"] == "POST").collect::<Vec<Value>>()
        };
        let told = asked("slack", "/api/chat.postMessage").await;
        assert_eq!(told.len(), 2, "{told:#?}");
        assert!(told.iter().all(|message| message["status"] == 200), "{told:#?}");
        assert_eq!(asked("notion", "/v1/pages").await.len(), 2);
        assert_eq!(asked("oz", "/api/v1/agent/runs").await.len(), 1);
        demo.stop();
        for port in fakes..=platform {
            assert!(!is_taken(port), "port {port} is listened at still");
        }
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_and_nothing_stays() {
    let folder = tempfile::tempdir().unwrap();
    let first = free_ports(8);
    let taken = TcpListener::bind(("127.0.0.1", first + 7)).unwrap();
    let ran = Command::new("python3")
        .arg(root().join("infra/demo/demo.py"))
        .arg("--bin")
        .arg(programs())
        .args(["--addr", &taken.local_addr().unwrap().to_string(), "--fakes", &format!("127.0.0.1:{first}")])
        .arg("--data")
        .arg(folder.path().join("demo"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(!ran.status.success() && said.contains("is its address taken?"), "{said}");
    assert!(!is_taken(first), "the fakes run still");
}
