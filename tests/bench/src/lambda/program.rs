//! A function's own program under a Runtime API, as Lambda runs it.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// How long an invocation may take, as in the template.
const TIMEOUT: Duration = Duration::from_mins(2);

pub(crate) struct Program {
    child: Child,
    spawned: Instant,
    polled: UnboundedReceiver<Instant>,
    events: UnboundedSender<Value>,
    answers: UnboundedReceiver<(Instant, Result<Value, Value>)>,
    serving: tokio::task::AbortHandle,
}

struct Api {
    polled: UnboundedSender<Instant>,
    events: Mutex<UnboundedReceiver<Value>>,
    answers: UnboundedSender<(Instant, Result<Value, Value>)>,
}

impl Drop for Program {
    fn drop(&mut self) {
        self.serving.abort();
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Program {
    /// Starts a program with these variables and Lambda's own, and nothing else in its environment.
    pub(crate) async fn start(program: &Path, variables: &[(&str, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (polls, polled) = mpsc::unbounded_channel();
        let (events, waiting) = mpsc::unbounded_channel();
        let (answered, answers) = mpsc::unbounded_channel();
        let api = Arc::new(Api { polled: polls, events: Mutex::new(waiting), answers: answered });
        let serving = tokio::spawn(serve(listener, api)).abort_handle();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_ACCESS_KEY_ID", "bench")
            .env("AWS_SECRET_ACCESS_KEY", "bench")
            .env("AWS_REGION", emulators::REGION)
            .envs(variables.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(if std::env::var_os("BENCH_LOGS").is_some() { Stdio::inherit() } else { Stdio::null() });
        let spawned = Instant::now();
        let child =
            command.spawn().unwrap_or_else(|e| panic!("`{}` cannot be started: {e}", program.display()));
        Self { child, spawned, polled, events, answers, serving }
    }

    /// How long after its start the program asked for its first event.
    pub(crate) async fn first_poll(&mut self) -> Duration {
        let polled = tokio::time::timeout(Duration::from_secs(30), self.polled.recv()).await;
        polled.expect("a function asks for an event").expect("the Runtime API runs") - self.spawned
    }

    /// Hands out an event; gives the answer, and how long after the start of the program it came.
    pub(crate) async fn invoke(&mut self, event: Value) -> (Duration, Value) {
        self.events.send(event).expect("the Runtime API runs");
        let answer = tokio::time::timeout(TIMEOUT, self.answers.recv()).await;
        let (at, answer) = answer.expect("a function answers in time").expect("the Runtime API runs");
        (at - self.spawned, answer.unwrap_or_else(|error| panic!("the function failed: {error}")))
    }

    /// The most memory that the program and its child processes had, in megabytes, and how many processes that are.
    pub(crate) fn peak_mb(&self) -> (f64, usize) {
        let own = self.child.id().to_string();
        // Each thread has the children that it started.
        let threads = std::fs::read_dir(format!("/proc/{own}/task")).into_iter().flatten().flatten();
        let children = threads.filter_map(|t| std::fs::read_to_string(t.path().join("children")).ok());
        let mut all: Vec<String> =
            children.flat_map(|ids| ids.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
        all.push(own);
        (all.iter().map(|id| high_water_mb(id)).sum(), all.len())
    }
}

fn high_water_mb(process: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

async fn serve(listener: TcpListener, api: Arc<Api>) {
    // Connections end with the listener: nothing of one program's is left when the next one starts.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _unimportant = stream.set_nodelay(true);
        let api = api.clone();
        let service = service_fn(move |request| answer(api.clone(), request));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
async fn answer(api: Arc<Api>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    if path.ends_with("/invocation/next") {
        let _the_bench_is_over = api.polled.send(Instant::now());
        let Some(event) = api.events.lock().await.recv().await else {
            // The bench is done with this program.
            return std::future::pending().await;
        };
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970") + TIMEOUT;
        let response = Response::builder()
            .header("lambda-runtime-aws-request-id", "00000000-0000-0000-0000-000000000001")
            .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:us-east-1:000000000000:function:bench",
            )
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(event.to_string())));
        return Ok(response.expect("plain headers"));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let outcome = if path.ends_with("/response") { Ok(value) } else { Err(value) };
    let _the_bench_is_over = api.answers.send((Instant::now(), outcome));
    Ok(Response::builder().status(202).body(Full::default()).expect("a status"))
}
