//! The program under test.

use crate::PATIENCE;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

/// One running `patchbay-local`. It dies with the value, and with the test process, however that ends.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Waits for the end of this process, then kills the child: a static is never dropped, and an abort drops nothing.
    watch: Child,
    /// What it said before it was ready.
    pub said: Vec<String>,
    /// `http://127.0.0.1:…`
    pub base: String,
}

impl Process {
    /// Starts the program and waits until it says that it is ready.
    pub fn start(data: &Path, addr: &str, variables: &[(String, String)]) -> Self {
        let program = program();
        let log = File::options()
            .create(true)
            .append(true)
            .open(data.with_extension("log"))
            .expect("the log can be made");
        let mut child = Command::new(&program)
            .args(["--addr", addr, "--data"])
            .arg(data)
            .env_clear()
            .envs(
                std::env::vars()
                    .filter(|(name, _)| !name.starts_with("PATCHBAY_") && !name.starts_with("CHAIN_")),
            )
            .envs(variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("`{}` cannot be started: {e}", program.display()));
        let watch = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$1\" 2>/dev/null; rm -rf \"$2\"", "watch"])
            .arg(child.id().to_string())
            .arg(data.parent().expect("the data folder is in a temporary one"))
            .stdin(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut said = Vec::new();
        let base = loop {
            let Some(Ok(line)) = lines.next() else {
                let log = std::fs::read_to_string(data.with_extension("log")).unwrap_or_default();
                panic!("the stack ended before it was ready: {said:?}\n{log}");
            };
            if let Some(base) = line.strip_prefix("ready ") {
                break base.to_owned();
            }
            said.push(line);
        };
        Self { child, watch, said, base }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.release();
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }

    /// Ctrl-C; gives what the program ended with.
    pub fn interrupt(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id")).expect("not zero");
        kill_process(pid, Signal::INT).expect("it can be interrupted");
        let asked = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                self.release();
                return status;
            }
            assert!(asked.elapsed() < PATIENCE, "the stack did not stop");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Ends the watch before the child's id can become another's.
    fn release(&mut self) {
        let _gone = self.watch.kill();
        let _gone = self.watch.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.release();
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// `PATCHBAY_LOCAL_BIN`, or the program beside the test's own folder.
fn program() -> PathBuf {
    let program = std::env::var_os("PATCHBAY_LOCAL_BIN").map_or_else(
        || {
            let test = std::env::current_exe().expect("a test has a path");
            let profile = test.parent().and_then(Path::parent).expect("a test is in `target/<profile>/deps`");
            profile.join("patchbay-local")
        },
        PathBuf::from,
    );
    assert!(
        program.is_file(),
        "`{}` is missing: build it with `cargo build --release --workspace --bin patchbay-local`, as `make test` does",
        program.display()
    );
    program
}
