//! The step queue.

use crate::{StepMessage, TriggerMessage};
use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::QueueAttributeName;
use domain::limits;
use domain::run::Priority;
use std::time::Duration;

/// A failed call of the queue; whether a message was sent is not known.
#[derive(Debug, thiserror::Error)]
#[error("the step queue could not be reached during {operation}: {reason}")]
pub struct QueueError {
    operation: &'static str,
    reason: String,
}

impl QueueError {
    /// A failure of a queue that is not ours, such as a simulation's.
    pub fn new(operation: &'static str, reason: impl Into<String>) -> Self {
        Self { operation, reason: reason.into() }
    }
}

/// Where step messages go.
#[async_trait]
pub trait StepQueue: Send + Sync {
    /// Sends a message that is delivered after `delay` (at most 15 minutes; whole seconds, rounded up).
    async fn send(&self, message: &StepMessage, delay: Duration) -> Result<(), QueueError>;
    /// Sends word that a trigger is to be looked after, after `delay` as above. Nobody waits for those: they go behind the runs that
    /// somebody waits for.
    async fn send_trigger(&self, message: &TriggerMessage, delay: Duration) -> Result<(), QueueError>;
    /// How many messages of this priority wait to be taken. Approximate.
    async fn backlog(&self, priority: Priority) -> Result<u64, QueueError>;
}

/// The addresses of the step queues.
#[derive(Debug, Clone)]
pub struct QueueUrls {
    pub interactive: String,
    pub bulk: String,
}

impl QueueUrls {
    /// The addresses that a function's variables give.
    pub fn read<'a, E>(variable: impl Fn(&'static str) -> Result<&'a str, E>) -> Result<Self, E> {
        Ok(Self {
            interactive: variable("STEP_QUEUE_URL")?.to_owned(),
            bulk: variable("BULK_QUEUE_URL")?.to_owned(),
        })
    }

    fn of(&self, priority: Priority) -> &str {
        match priority {
            Priority::Interactive => &self.interactive,
            Priority::Bulk => &self.bulk,
        }
    }
}

/// The step queues on SQS, one for each priority. Messages carry the organisation as their group: standard queues share fairly between groups.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    urls: QueueUrls,
}

impl SqsQueue {
    pub fn new(client: Client, urls: QueueUrls) -> Self {
        Self { client, urls }
    }
}

impl SqsQueue {
    async fn put(
        &self,
        priority: Priority,
        (body, group): (String, &str),
        delay: Duration,
    ) -> Result<(), QueueError> {
        let delay = delay.min(limits::MAX_QUEUE_DELAY);
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        self.client
            .send_message()
            .queue_url(self.urls.of(priority))
            .message_body(body)
            .message_group_id(group)
            .set_delay_seconds((seconds > 0).then(|| i32::try_from(seconds).unwrap_or(900)))
            .send()
            .await
            .map(|_| ())
            .map_err(|e| QueueError { operation: "send", reason: DisplayErrorContext(&e).to_string() })
    }
}

#[async_trait]
impl StepQueue for SqsQueue {
    async fn send(&self, message: &StepMessage, delay: Duration) -> Result<(), QueueError> {
        self.put(message.priority, (message.encode(), message.org.as_str()), delay).await
    }

    async fn send_trigger(&self, message: &TriggerMessage, delay: Duration) -> Result<(), QueueError> {
        self.put(Priority::Bulk, (message.encode(), message.org.as_str()), delay).await
    }

    async fn backlog(&self, priority: Priority) -> Result<u64, QueueError> {
        let got = self
            .client
            .get_queue_attributes()
            .queue_url(self.urls.of(priority))
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .send()
            .await
            .map_err(|e| QueueError { operation: "backlog", reason: DisplayErrorContext(&e).to_string() })?;
        let count = got.attributes().and_then(|a| a.get(&QueueAttributeName::ApproximateNumberOfMessages));
        Ok(count.and_then(|n| n.parse().ok()).unwrap_or(0))
    }
}
