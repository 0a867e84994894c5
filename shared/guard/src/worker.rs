//! The parent's end of one child. Dropping it kills the child, so an abandoned request leaves nothing behind.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use expr::codes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::config::GuardConfig;
use crate::protocol::{HELLO, MARKER, MAX_FRAME, Response, TAKEN};

#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    uses: u32,
}

/// Why a child or an answer is missing: code and sentence.
pub(crate) type Loss = (&'static str, String);

/// Why a request got no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The child had died before, idle: the request is not to blame, and may be asked of another.
    DeadBefore,
    /// The request cost the child its life, or its time.
    Lost(Loss),
}

impl Worker {
    /// Starts a child and waits until it has limited itself.
    pub(crate) async fn start(config: &GuardConfig) -> Result<Worker, Loss> {
        let unavailable = |what: &str, error: &dyn std::fmt::Display| {
            tracing::error!(guard.program = %config.program.display(), error = %error, "the guarded child did not start");
            (codes::GUARD_UNAVAILABLE, format!("the guard {what}"))
        };
        let mut child = Command::new(&config.program)
            .arg(MARKER)
            .arg(config.memory_bytes.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| unavailable("cannot start its child", &error))?;
        let (Some(input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unavailable("cannot reach its child", &"no pipes"));
        };
        let mut hello = [0; HELLO.len()];
        match timeout(config.max_start, output.read_exact(&mut hello)).await {
            Ok(Ok(_)) if &hello == HELLO => Ok(Worker { child, input, output, uses: 0 }),
            Ok(Ok(_)) => Err(unavailable("found another program as its child", &"the first bytes are wrong")),
            Ok(Err(error)) => Err(unavailable("lost its child at the start", &error)),
            Err(late) => Err(unavailable("waited too long for its child", &late)),
        }
    }

    /// Whether it can take another request.
    pub(crate) fn is_fit(&mut self, config: &GuardConfig) -> bool {
        self.uses < config.max_uses && matches!(self.child.try_wait(), Ok(None))
    }

    /// One request and its answer. A worker that gave none is to be dropped.
    pub(crate) async fn ask(&mut self, frame: &[u8], config: &GuardConfig) -> Result<Response, Unanswered> {
        let was_idle = self.uses > 0;
        self.uses += 1;
        let mut taken = false;
        match timeout(config.wall, self.exchange(frame, &mut taken)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) if was_idle && !taken => Err(Unanswered::DeadBefore),
            Ok(Err(_)) => Err(Unanswered::Lost(self.autopsy(config).await)),
            Err(_) => {
                // Kill and reap now: the memory is free before the next child starts.
                let _ = self.child.kill().await;
                let waited = config.wall.as_millis();
                let message = format!("the expression did not end within {waited} ms");
                Err(Unanswered::Lost((codes::TIMEOUT, message)))
            }
        }
    }

    /// `taken` is set once the child has read the whole request.
    async fn exchange(&mut self, frame: &[u8], taken: &mut bool) -> io::Result<Response> {
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        self.input.write_all(&length.to_le_bytes()).await?;
        self.input.write_all(frame).await?;
        self.input.flush().await?;
        *taken = self.output.read_u8().await? == TAKEN;
        let length = self.output.read_u32_le().await? as usize;
        if length > MAX_FRAME {
            return Err(io::Error::other("the answer is too long"));
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).await?;
        serde_json::from_slice(&body).map_err(io::Error::other)
    }

    /// What the child died of. It is dead or, having answered nonsense, killed.
    async fn autopsy(&mut self, config: &GuardConfig) -> Loss {
        let status = match timeout(std::time::Duration::from_millis(50), self.child.wait()).await {
            Ok(status) => status.ok(),
            Err(_) => None,
        };
        let _ = self.child.kill().await;
        cause(status, config)
    }
}

/// `SIGABRT` is the allocator giving up, `SIGSEGV` and `SIGBUS` a stack that could not grow, `SIGKILL` the kernel
/// running out of memory, `SIGXCPU` the limit of CPU time.
fn cause(status: Option<ExitStatus>, config: &GuardConfig) -> Loss {
    const SIGXCPU: i32 = 24;
    let signal = status.and_then(|status| status.signal());
    if signal == Some(SIGXCPU) {
        return (codes::TIMEOUT, "the expression used up its CPU time".to_owned());
    }
    let mebibytes = config.memory_bytes / (1024 * 1024);
    (codes::MEMORY, format!("the expression needs more than the {mebibytes} MiB of memory that it may use"))
}
