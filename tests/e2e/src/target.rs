//! The other side of HTTP steps.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    /// What all attempts of one effect are sent under.
    pub fn key(&self) -> &str {
        self.header("idempotency-key")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// What a request is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// The same, later.
    After(Duration, Box<Reply>),
    /// These bytes, whatever they are; then the connection is closed.
    Raw(Vec<u8>),
    /// A body without an end.
    Endless,
    /// A body that comes a byte at a time, and never ends.
    Drip,
    /// Nothing, ever.
    Silence,
}

impl Reply {
    pub fn json(body: &Value) -> Self {
        Self::status(200, body)
    }

    pub fn status(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self::Answer { status, headers, body: body.to_string().into_bytes() }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    pub fn redirect(status: u16, to: &str) -> Self {
        Self::status(status, &Value::Null).header("location", to)
    }
}

type Script = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

/// A server that records every request and answers by a script. It ends with the value.
pub struct Target {
    pub base: String,
    inner: Arc<Inner>,
    serving: tokio::task::AbortHandle,
}

struct Inner {
    script: Box<Script>,
    seen: Mutex<Vec<Seen>>,
    count: AtomicUsize,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("base", &self.base)
            .field("seen", &self.count())
            .finish_non_exhaustive()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Target {
    /// Answers everything with `{"ok": true}`.
    pub async fn kind() -> Self {
        Self::start(|_, _| Reply::json(&json!({"ok": true}))).await
    }

    /// Answers by `script`, which is told how often the same path was asked before.
    pub async fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1", script).await
    }

    /// The same on another address of this machine.
    pub async fn start_on(ip: &str, script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.expect("there is a free port");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let inner =
            Arc::new(Inner { script: Box::new(script), seen: Mutex::default(), count: AtomicUsize::new(0) });
        let served = inner.clone();
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let _unimportant = stream.set_nodelay(true);
                connections.spawn(connection(stream, served.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { base, inner, serving: serving.abort_handle() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.inner.count.load(Ordering::Relaxed)
    }

    /// Every request, in the order in which they came.
    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen().clone()
    }

    /// The requests to a path.
    pub fn seen_at(&self, path: &str) -> Vec<Seen> {
        self.inner.seen().iter().filter(|s| s.path == path).cloned().collect()
    }
}

impl Inner {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply_to(&self, request: Seen) -> Reply {
        let mut seen = self.seen();
        let before = seen.iter().filter(|s| s.path == request.path).count();
        seen.push(request.clone());
        drop(seen);
        self.count.fetch_add(1, Ordering::Relaxed);
        (self.script)(&request, before)
    }
}

/// One connection, kept alive until either side ends it.
async fn connection(mut stream: TcpStream, inner: Arc<Inner>) {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await {
        let mut reply = inner.reply_to(request);
        while let Reply::After(pause, then) = reply {
            tokio::time::sleep(pause).await;
            reply = *then;
        }
        if !write(&mut stream, reply).await {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let end = head_end + 4 + length;
    while buffer.len() < end {
        more(stream, buffer).await?;
    }
    let body = buffer[head_end + 4..end].to_vec();
    buffer.drain(..end);
    Some(Seen { method, path, headers, body })
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(buffer).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(()),
    }
}

/// Answers; whether the connection goes on.
async fn write(stream: &mut TcpStream, reply: Reply) -> bool {
    const OPEN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
    match reply {
        Reply::Answer { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                head.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
            }
            head += "\r\n";
            let mut bytes = head.into_bytes();
            bytes.extend(body);
            stream.write_all(&bytes).await.is_ok()
        }
        Reply::After(..) => false,
        Reply::Raw(bytes) => {
            let _they_may_be_gone = stream.write_all(&bytes).await;
            let _they_may_be_gone = stream.shutdown().await;
            false
        }
        Reply::Endless => {
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            let mut sent = stream.write_all(OPEN).await;
            while sent.is_ok() {
                sent = stream.write_all(chunk.as_bytes()).await;
            }
            false
        }
        Reply::Drip => {
            let mut sent = stream.write_all(OPEN).await;
            while sent.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
                sent = stream.write_all(b"1\r\nx\r\n").await;
            }
            false
        }
        Reply::Silence => {
            // Until they give up.
            let mut rest = [0; 64];
            while matches!(stream.read(&mut rest).await, Ok(n) if n > 0) {}
            false
        }
    }
}
