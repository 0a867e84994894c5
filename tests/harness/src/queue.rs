//! A model of the step queue: a standard SQS queue with delays, redelivery and a dead-letter queue.

use crate::ManualClock;
use async_trait::async_trait;
use dispatch::{QueueError, StepMessage, StepQueue, TriggerMessage};
use domain::run::Priority;
use domain::{Millis, limits};
use runtime::Clock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A message in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: u64,
    pub body: String,
    /// When it can be received.
    pub visible_at: Millis,
    /// How often it was received.
    pub receives: u32,
    /// With which delay it was sent.
    pub delay: Duration,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    waiting: Vec<Message>,
    dead: Vec<Message>,
    all: Vec<Message>,
    backlog: u64,
}

/// Keeps messages until they are received, again and again until they are deleted.
#[derive(Debug)]
pub struct ModelQueue {
    clock: Arc<ManualClock>,
    state: Mutex<State>,
}

impl ModelQueue {
    pub fn new(clock: Arc<ManualClock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Puts a body into the queue, whatever it is.
    pub fn put(&self, body: String, delay: Duration) {
        // SQS takes whole seconds up to 15 minutes.
        let delay = delay.min(limits::MAX_QUEUE_DELAY);
        let delay = Duration::from_secs(delay.as_secs() + u64::from(delay.subsec_nanos() > 0));
        let mut state = self.state();
        let message =
            Message { id: state.next, body, visible_at: self.clock.now().plus(delay), receives: 0, delay };
        state.next += 1;
        state.all.push(message.clone());
        state.waiting.push(message);
    }

    /// When the next message can be received.
    pub fn next_at(&self) -> Option<Millis> {
        self.state().waiting.iter().map(|m| m.visible_at).min()
    }

    /// Receives every message that is visible now; each is hidden for the visibility timeout.
    pub fn receive(&self) -> Vec<Message> {
        let now = self.clock.now();
        let mut state = self.state();
        let (poison, waiting) = std::mem::take(&mut state.waiting)
            .into_iter()
            .partition(|m| m.visible_at <= now && m.receives >= limits::MAX_RECEIVE_COUNT);
        state.waiting = waiting;
        state.dead.extend::<Vec<Message>>(poison);
        let mut received = Vec::new();
        for message in state.waiting.iter_mut().filter(|m| m.visible_at <= now) {
            message.receives += 1;
            message.visible_at = now.plus(limits::QUEUE_VISIBILITY);
            received.push(message.clone());
        }
        received
    }

    pub fn delete(&self, id: u64) {
        self.state().waiting.retain(|m| m.id != id);
    }

    /// Every message that was ever sent, in order.
    pub fn sent(&self) -> Vec<Message> {
        self.state().all.clone()
    }

    pub fn waiting(&self) -> Vec<Message> {
        self.state().waiting.clone()
    }

    /// Messages that were received too often.
    pub fn dead(&self) -> Vec<Message> {
        self.state().dead.clone()
    }

    /// Loses every message, as no real queue does.
    pub fn lose_all(&self) {
        self.state().waiting.clear();
    }

    /// Lets the queue tell of this many messages.
    pub fn pretend_backlog(&self, messages: u64) {
        self.state().backlog = messages;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StepQueue for ModelQueue {
    async fn send(&self, message: &StepMessage, delay: Duration) -> Result<(), QueueError> {
        assert!(delay <= limits::MAX_QUEUE_DELAY, "SQS takes no delay of {delay:?}");
        self.put(message.encode(), delay);
        Ok(())
    }

    async fn send_trigger(&self, message: &TriggerMessage, delay: Duration) -> Result<(), QueueError> {
        assert!(delay <= limits::MAX_QUEUE_DELAY, "SQS takes no delay of {delay:?}");
        self.put(message.encode(), delay);
        Ok(())
    }

    async fn backlog(&self, _: Priority) -> Result<u64, QueueError> {
        let state = self.state();
        Ok(state.backlog.max(state.waiting.len() as u64))
    }
}
