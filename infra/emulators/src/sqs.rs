//! SQS: standard queues in memory; on disk too where that is asked for.
//!
//! Functions send through the SDK; the local stack's event source mappings, which in AWS are no code of ours, take messages
//! through [`Queue::receive`] and [`Queue::delete`].

use crate::cloud::{ACCOUNT, Answer, REGION};
use crate::kept::{Kept, KeptMessage};
use crate::meter::Meter;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

/// AWS takes messages up to this size since August 2025.
const LARGEST: usize = 1024 * 1024;
const BILLED_UNIT: usize = 64 * 1024;

/// How a queue behaves.
#[derive(Debug, Clone)]
pub struct QueueSettings {
    pub visibility: Duration,
    /// Where a message goes that was handed out this often, and how often that is.
    pub redrive: Option<(Arc<Queue>, u32)>,
    /// Keeps its messages over a restart.
    pub kept: bool,
}

/// A standard queue.
#[derive(Debug)]
pub struct Queue {
    name: String,
    url: String,
    settings: QueueSettings,
    kept: Option<Kept>,
    state: Mutex<State>,
    arrival: Notify,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    messages: HashMap<u64, Message>,
    ready: VecDeque<u64>,
    /// Messages that become visible later: after their delay, or when their receiver did not delete them.
    later: BinaryHeap<Reverse<(Instant, u64, u32)>>,
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    body: String,
    group: Option<String>,
    sent: i64,
    first_received: Option<i64>,
    receives: u32,
}

/// A message as it is handed out.
#[derive(Debug, Clone)]
pub struct Received {
    pub handle: String,
    /// The record of a Lambda event.
    pub record: Value,
}

impl Queue {
    /// A queue; with a folder, it holds what was kept there.
    pub(crate) fn open(name: &str, settings: QueueSettings, folder: Option<&Path>) -> io::Result<Self> {
        let kept = folder.map(|folder| Kept::open(&folder.join(name))).transpose()?;
        let before = kept.as_ref().map(Kept::all).transpose()?.unwrap_or_default();
        let queue = Self {
            name: name.to_owned(),
            url: format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"),
            settings,
            kept,
            state: Mutex::default(),
            arrival: Notify::new(),
        };
        for KeptMessage { id, body, group, sent } in before {
            queue
                .insert(Message { id, body, group, sent, first_received: None, receives: 0 }, Duration::ZERO);
        }
        Ok(queue)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn arn(&self) -> String {
        format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}", self.name)
    }

    /// How many messages can be received now.
    pub fn visible(&self) -> usize {
        let mut state = self.state();
        state.promote(Instant::now());
        state.ready.len()
    }

    /// How many messages there are, visible or not.
    pub fn len(&self) -> usize {
        self.state().messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a message into the queue; gives its id. An error means that it is not there.
    pub fn send(&self, body: String, group: Option<String>, delay: Duration) -> io::Result<String> {
        let message = Message {
            id: Uuid::new_v4().to_string(),
            body,
            group,
            sent: now_ms(),
            first_received: None,
            receives: 0,
        };
        let id = message.id.clone();
        self.keep(&message)?;
        self.insert(message, delay);
        Ok(id)
    }

    fn keep(&self, message: &Message) -> io::Result<()> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let Message { id, body, group, sent, .. } = message.clone();
        kept.put(&KeptMessage { id, body, group, sent })
    }

    fn forget(&self, id: &str) {
        if let Some(Err(error)) = self.kept.as_ref().map(|kept| kept.remove(id)) {
            tracing::error!(message.id = id, %error, "a message that was dealt with is still kept; it will come again");
        }
    }

    fn insert(&self, message: Message, delay: Duration) {
        let mut state = self.state();
        let key = state.next;
        state.next += 1;
        state.messages.insert(key, message);
        if delay.is_zero() {
            state.ready.push_back(key);
        } else {
            state.later.push(Reverse((Instant::now() + delay, key, 0)));
        }
        drop(state);
        self.arrival.notify_one();
    }

    /// Takes up to `max` messages, waiting for the first.
    pub async fn receive(&self, max: usize) -> Vec<Received> {
        loop {
            let arrival = self.arrival.notified();
            let (taken, next) = self.take(max);
            if !taken.is_empty() {
                return taken;
            }
            match next {
                Some(at) => {
                    tokio::select! {
                        () = arrival => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                None => arrival.await,
            }
        }
    }

    /// Deletes a message, whichever of its handles is given.
    pub fn delete(&self, handle: &str) {
        if let Some(key) = handle.split('.').next().and_then(|k| k.parse().ok()) {
            let removed = self.state().messages.remove(&key);
            if let Some(message) = removed {
                self.forget(&message.id);
            }
        }
    }

    /// Makes a message visible again at once: what a Lambda mapping does not do, but a test may.
    pub fn release(&self, handle: &str) {
        let Some(key) = handle.split('.').next().and_then(|k| k.parse().ok()) else { return };
        let mut state = self.state();
        if state.messages.contains_key(&key) {
            state.ready.push_back(key);
        }
        drop(state);
        self.arrival.notify_one();
    }

    fn take(&self, max: usize) -> (Vec<Received>, Option<Instant>) {
        let now = Instant::now();
        let mut state = self.state();
        state.promote(now);
        let mut taken = Vec::new();
        let mut dead = Vec::new();
        while taken.len() < max {
            let Some(key) = state.ready.pop_front() else { break };
            let Some(message) = state.messages.get_mut(&key) else { continue };
            if self.settings.redrive.as_ref().is_some_and(|(_, most)| message.receives >= *most) {
                dead.extend(state.messages.remove(&key));
                continue;
            }
            message.receives += 1;
            message.first_received.get_or_insert_with(now_ms);
            let receives = message.receives;
            let handle = format!("{key}.{receives}");
            taken.push(Received { record: self.record(message, &handle), handle });
            state.later.push(Reverse((now + self.settings.visibility, key, receives)));
        }
        let next = state.later.peek().map(|Reverse((at, _, _))| *at);
        let more = !state.ready.is_empty();
        drop(state);
        if let Some((queue, _)) = &self.settings.redrive {
            for message in dead {
                let id = message.id.clone();
                let moved = Message { receives: 0, first_received: None, ..message };
                if let Err(error) = queue.keep(&moved) {
                    tracing::error!(message.id = %id, %error, "a dead letter could not be kept");
                }
                queue.insert(moved, Duration::ZERO);
                self.forget(&id);
            }
        }
        if more {
            self.arrival.notify_one();
        }
        (taken, next)
    }

    fn record(&self, message: &Message, handle: &str) -> Value {
        let mut attributes = json!({
            "ApproximateReceiveCount": message.receives.to_string(),
            "SentTimestamp": message.sent.to_string(),
            "SenderId": "AIDALOCAL",
            "ApproximateFirstReceiveTimestamp": message.first_received.unwrap_or(message.sent).to_string(),
        });
        if let Some(group) = &message.group {
            attributes["MessageGroupId"] = group.as_str().into();
        }
        json!({
            "messageId": message.id,
            "receiptHandle": handle,
            "body": message.body,
            "attributes": attributes,
            "messageAttributes": {},
            "md5OfBody": md5_hex(&message.body),
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn(),
            "awsRegion": REGION,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes visible what has waited long enough.
    fn promote(&mut self, now: Instant) {
        while let Some(Reverse((at, key, receives))) = self.later.peek().copied() {
            if at > now {
                break;
            }
            self.later.pop();
            // A message that was received again since waits under a later entry.
            if self.messages.get(&key).is_some_and(|m| m.receives == receives) {
                self.ready.push_back(key);
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessage {
    queue_url: String,
    message_body: String,
    #[serde(default)]
    delay_seconds: u64,
    message_group_id: Option<String>,
}

/// The operations that functions call.
pub(crate) fn answer(
    queues: &Mutex<HashMap<String, Arc<Queue>>>,
    operation: &str,
    body: &[u8],
    meter: &Meter,
) -> Answer {
    let request: Value = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(e) => return Answer::error(400, "InvalidInput", &e.to_string()),
    };
    let url = request["QueueUrl"].as_str().unwrap_or_default();
    let queue = queues.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
    let Some(queue) = queue else {
        let code = "com.amazonaws.sqs#QueueDoesNotExist";
        return Answer::error(400, code, "The specified queue does not exist.");
    };
    match operation {
        "SendMessage" => {
            let send: SendMessage = match serde_json::from_value(request) {
                Ok(send) => send,
                Err(e) => return Answer::error(400, "InvalidInput", &e.to_string()),
            };
            debug_assert_eq!(send.queue_url, queue.url);
            if send.message_body.is_empty() || send.message_body.len() > LARGEST || send.delay_seconds > 900 {
                return Answer::error(
                    400,
                    "InvalidParameterValue",
                    "the message or its delay is out of bounds",
                );
            }
            meter.add("sqs.SendMessage", send.message_body.len().div_ceil(BILLED_UNIT) as f64);
            let md5 = md5_hex(&send.message_body);
            let delay = Duration::from_secs(send.delay_seconds);
            let id = match queue.send(send.message_body, send.message_group_id, delay) {
                Ok(id) => id,
                Err(e) => {
                    return Answer::error(500, "InternalFailure", &format!("the message was not kept: {e}"));
                }
            };
            Answer::ok(json!({"MessageId": id, "MD5OfMessageBody": md5}).to_string())
        }
        "GetQueueAttributes" => {
            meter.add("sqs.GetQueueAttributes", 1.0);
            let (visible, all) = (queue.visible(), queue.len());
            let attributes = json!({
                "ApproximateNumberOfMessages": visible.to_string(),
                "ApproximateNumberOfMessagesNotVisible": (all - visible).to_string(),
                "QueueArn": queue.arn(),
            });
            Answer::ok(json!({"Attributes": attributes}).to_string())
        }
        _ => Answer::error(400, "UnsupportedOperation", &format!("`{operation}` is not emulated")),
    }
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut out, byte| {
        use std::fmt::Write;
        let _infallible = write!(out, "{byte:02x}");
        out
    })
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISIBILITY: Duration = Duration::from_millis(50);

    fn queue(visibility: Duration, redrive: Option<(Arc<Queue>, u32)>) -> Queue {
        let settings = QueueSettings { visibility, redrive, kept: false };
        Queue::open("q", settings, None).unwrap()
    }

    #[tokio::test]
    async fn a_message_that_is_not_deleted_comes_again_and_dies_in_the_end() {
        let dead = Arc::new(queue(VISIBILITY, None));
        let q = queue(VISIBILITY, Some((dead.clone(), 2)));
        q.send("hello".into(), Some("org".into()), Duration::ZERO).unwrap();
        let first = q.receive(10).await;
        assert_eq!(first[0].record["attributes"]["ApproximateReceiveCount"], "1");
        let second = q.receive(10).await;
        assert_eq!(second[0].record["attributes"]["ApproximateReceiveCount"], "2");
        assert_eq!(second[0].record["attributes"]["MessageGroupId"], "org");
        tokio::time::sleep(VISIBILITY * 2).await;
        assert!(q.take(10).0.is_empty());
        assert_eq!((q.len(), dead.len()), (0, 1));
    }

    #[tokio::test]
    async fn a_delay_is_kept() {
        const DELAY: Duration = Duration::from_secs(1);
        let q = queue(DELAY * 30, None);
        let sent = Instant::now();
        q.send("later".into(), None, DELAY).unwrap();
        assert_eq!(q.visible(), 0);
        let got = q.receive(1).await;
        assert!(sent.elapsed() >= DELAY);
        q.delete(&got[0].handle);
        assert!(q.is_empty());
    }

    #[tokio::test]
    async fn what_is_kept_is_there_again_until_it_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let open = |redrive| {
            let settings = QueueSettings { visibility: VISIBILITY, redrive, kept: true };
            Arc::new(
                Queue::open(
                    if settings.redrive.is_some() { "q" } else { "dead" },
                    settings,
                    Some(folder.path()),
                )
                .unwrap(),
            )
        };
        let q = open(Some((open(None), 1)));
        q.send("one".into(), None, Duration::ZERO).unwrap();
        q.send("two".into(), Some("org".into()), Duration::ZERO).unwrap();
        let first = q.receive(1).await;
        q.delete(&first[0].handle);
        drop(q);

        let q = open(Some((open(None), 1)));
        assert_eq!(q.len(), 1);
        let again = q.receive(10).await;
        assert_eq!(
            (again[0].record["body"].as_str(), again[0].record["attributes"]["MessageGroupId"].as_str()),
            (Some("two"), Some("org"))
        );
        tokio::time::sleep(VISIBILITY * 2).await;
        assert!(q.take(10).0.is_empty(), "it was handed out once and is a dead letter now");
        drop(q);
        assert_eq!((open(Some((open(None), 1))).len(), open(None).len()), (0, 1));
    }

    #[tokio::test]
    async fn many_receivers_share_many_messages() {
        let q = Arc::new(queue(Duration::from_secs(30), None));
        let mut receivers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let q = q.clone();
            receivers.spawn(async move {
                let mut n = 0;
                while let Ok(got) = tokio::time::timeout(Duration::from_millis(300), q.receive(7)).await {
                    n += got.len();
                    for message in &got {
                        q.delete(&message.handle);
                    }
                }
                n
            });
        }
        for i in 0..1000 {
            q.send(i.to_string(), None, Duration::ZERO).unwrap();
            if i % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(receivers.join_all().await.iter().sum::<usize>(), 1000);
        assert!(q.is_empty());
    }
}
