//! The other side of HTTP, by script.

use crate::ManualClock;
use async_trait::async_trait;
use bytes::Bytes;
use domain::Millis;
use egress::{EgressError, HttpPort, HttpRequest, HttpResponse, Piece, Spooled};
use http::{HeaderMap, HeaderValue, StatusCode};
use runtime::Clock;
use serde_json::Value;
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// What the other side does with one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status and a JSON body.
    Json(u16, Value),
    /// 429 with `Retry-After` in seconds.
    RetryAfter(u64),
    /// No connection: the request was not sent.
    Refused,
    /// The request was sent; no answer came.
    Lost,
    /// An answer that takes this long, by the world's clock.
    Slow(Duration, Box<Reply>),
    /// An answer that the test lets go.
    Held(Arc<Notify>, Box<Reply>),
    /// The worker dies while it sends.
    Panic,
}

impl Reply {
    pub fn ok(body: Value) -> Self {
        Self::Json(200, body)
    }
}

/// A request as the other side saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct SentRequest {
    pub method: String,
    pub url: String,
    pub key: String,
    pub body: Bytes,
    pub at: Millis,
}

/// Answers by the address, with its query or else without: its replies in order, the last one for ever; 200 and `{}` where there is no script.
#[derive(Debug)]
pub struct ScriptedHttp {
    clock: Arc<ManualClock>,
    scripts: Mutex<HashMap<String, Vec<Reply>>>,
    sent: Mutex<Vec<SentRequest>>,
}

impl ScriptedHttp {
    pub fn new(clock: Arc<ManualClock>) -> Self {
        Self { clock, scripts: Mutex::default(), sent: Mutex::default() }
    }

    /// Says how requests to `url` are answered.
    pub fn script(&self, url: &str, replies: impl IntoIterator<Item = Reply>) {
        let replies = replies.into_iter().collect();
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner).insert(url.to_owned(), replies);
    }

    /// Every request that reached the other side.
    pub fn sent(&self) -> Vec<SentRequest> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn sent_to(&self, url: &str) -> Vec<SentRequest> {
        self.sent().into_iter().filter(|r| r.url == url).collect()
    }

    fn next(&self, url: &str) -> Reply {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        let path = url.split('?').next().unwrap_or_default();
        let known = if scripts.contains_key(url) { url } else { path };
        match scripts.get_mut(known) {
            Some(replies) if replies.len() > 1 => replies.remove(0),
            Some(replies) if replies.len() == 1 => replies[0].clone(),
            _ => Reply::ok(serde_json::json!({})),
        }
    }
}

#[async_trait]
impl HttpPort for ScriptedHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, EgressError> {
        let mut reply = self.next(&request.url);
        if matches!(reply, Reply::Refused) {
            return Err(EgressError::ConnectFailed { host: "example.com".into(), reason: "refused".into() });
        }
        let key = request.headers.get("idempotency-key").and_then(|v| v.to_str().ok()).unwrap_or_default();
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(SentRequest {
            method: request.method.to_string(),
            url: request.url.clone(),
            key: key.to_owned(),
            body: whole(&request),
            at: self.clock.now(),
        });
        loop {
            reply = match reply {
                Reply::Slow(time, then) => {
                    self.clock.advance(time);
                    *then
                }
                Reply::Held(go, then) => {
                    go.notified().await;
                    *then
                }
                Reply::Json(status, body) => {
                    let mut response = response(status, HeaderMap::new(), &body, request.url);
                    (response.body, response.file) = spooled(response.body, request.max_bytes_in_memory);
                    return Ok(response);
                }
                Reply::RetryAfter(seconds) => {
                    let headers =
                        HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from(seconds))]);
                    return Ok(response(429, headers, &Value::Null, request.url));
                }
                Reply::Refused | Reply::Lost => {
                    let host = "example.com".to_owned();
                    return Err(EgressError::ConnectionLost { host, reason: "reset".into() });
                }
                Reply::Panic => crate::faults::die(),
            };
        }
    }
}

/// A body with all that is attached to it.
fn whole(request: &HttpRequest) -> Bytes {
    let mut body = request.body.to_vec();
    for piece in &request.attached {
        match piece {
            Piece::Bytes(bytes) => body.extend_from_slice(bytes),
            Piece::File(file, bytes) => {
                let mut read = vec![0; usize::try_from(*bytes).expect("tests send what memory holds")];
                file.read_exact_at(&mut read, 0).expect("a file that is sent is there");
                body.extend(read);
            }
        }
    }
    body.into()
}

/// A body as the real client gives it: in a file, if it has more bytes than memory is to hold.
pub fn spooled(body: Bytes, in_memory: usize) -> (Bytes, Option<Spooled>) {
    if body.len() <= in_memory {
        return (body, None);
    }
    let mut file = tempfile::tempfile().expect("there is room for a file");
    file.write_all(&body).expect("there is room for a body");
    (Bytes::new(), Some(Spooled::of(file, body.len() as u64)))
}

fn response(status: u16, mut headers: HeaderMap, body: &Value, url: String) -> HttpResponse {
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    HttpResponse {
        status: StatusCode::from_u16(status).expect("scripts give valid statuses"),
        headers,
        body: Bytes::from(body.to_string()),
        url,
        file: None,
        redirects: 0,
    }
}
