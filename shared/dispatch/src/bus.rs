//! The event bus.

use async_trait::async_trait;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::DisplayErrorContext;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_types::SdkConfig;
use domain::OrgId;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

/// The `source` of events that Patchbay itself puts on the bus.
pub const SOURCE: &str = "patchbay";
/// An event says whose it is by a resource with this prefix and an organisation's id.
pub const ORG_RESOURCE: &str = "patchbay:org/";
/// An event that a step emitted names itself by a resource with this prefix: a repetition has the same.
pub const KEY_RESOURCE: &str = "patchbay:key/";
/// And how many runs led to it, by this one.
pub const DEPTH_RESOURCE: &str = "patchbay:depth/";
/// The `detail-type` of the event that says that an organisation is being erased. It is told to `eraser`, which believes the
/// organisation's item only.
pub const ERASING: &str = "Organization erasing";
/// `PutEvents` takes this many at once.
const BATCH: usize = 10;

/// One event to put on the bus.
#[derive(Debug, Clone, PartialEq)]
pub struct BusEvent {
    pub org: OrgId,
    pub source: String,
    pub detail_type: String,
    pub detail: Value,
    /// For an event that a workflow's own step emits.
    pub chain: Option<Chain>,
}

/// What makes a repeated event the same one, and how many runs led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub key: String,
    pub depth: u16,
}

impl BusEvent {
    /// Tells that an organisation is being erased.
    pub fn erasing(org: &OrgId) -> Self {
        Self {
            org: org.clone(),
            source: SOURCE.to_owned(),
            detail_type: ERASING.to_owned(),
            detail: json!({"organization": org.as_str()}),
            chain: None,
        }
    }

    /// The event's resources: whose it is, and what it follows from.
    pub fn resources(&self) -> Vec<String> {
        let mut resources = vec![format!("{ORG_RESOURCE}{}", self.org)];
        if let Some(chain) = &self.chain {
            resources.push(format!("{KEY_RESOURCE}{}", chain.key));
            resources.push(format!("{DEPTH_RESOURCE}{}", chain.depth));
        }
        resources
    }
}

/// Events that did not get onto the bus.
#[derive(Debug, thiserror::Error)]
#[error("{failed} events were not taken by the bus: {reason}")]
pub struct BusError {
    failed: usize,
    reason: String,
}

impl BusError {
    /// A failure of a bus that is not ours, such as a simulation's.
    pub fn new(failed: usize, reason: impl Into<String>) -> Self {
        Self { failed, reason: reason.into() }
    }
}

/// Where events go.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Puts events on the bus; gives their ids, in order. An error means that some may not have been taken.
    async fn put(&self, events: &[BusEvent]) -> Result<Vec<String>, BusError>;
}

/// The bus on EventBridge. Its client is made when it is first used: most invocations put nothing.
#[derive(Debug, Clone)]
pub struct EventBridge {
    client: OnceLock<Client>,
    sdk: Arc<SdkConfig>,
    bus: String,
}

impl EventBridge {
    pub fn new(sdk: &SdkConfig, bus: impl Into<String>) -> Self {
        Self { client: OnceLock::new(), sdk: Arc::new(sdk.clone()), bus: bus.into() }
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| Client::new(&self.sdk))
    }
}

#[async_trait]
impl EventBus for EventBridge {
    async fn put(&self, events: &[BusEvent]) -> Result<Vec<String>, BusError> {
        let mut ids = Vec::with_capacity(events.len());
        for batch in events.chunks(BATCH) {
            let entries = batch.iter().map(|event| {
                PutEventsRequestEntry::builder()
                    .event_bus_name(&self.bus)
                    .source(&event.source)
                    .detail_type(&event.detail_type)
                    .detail(event.detail.to_string())
                    .set_resources(Some(event.resources()))
                    .build()
            });
            let sent =
                self.client().put_events().set_entries(Some(entries.collect())).send().await.map_err(
                    |e| BusError { failed: batch.len(), reason: DisplayErrorContext(&e).to_string() },
                )?;
            for entry in sent.entries() {
                if let Some(id) = entry.event_id() {
                    ids.push(id.to_owned());
                } else {
                    let reason = entry.error_message().or(entry.error_code()).unwrap_or("no reason given");
                    let failed = usize::try_from(sent.failed_entry_count()).unwrap_or(1);
                    return Err(BusError { failed, reason: reason.to_owned() });
                }
            }
        }
        Ok(ids)
    }
}
