//! A bus that remembers.

use async_trait::async_trait;
use dispatch::{BusError, BusEvent, EventBus, ORG_RESOURCE};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// Takes every event and keeps it.
#[derive(Debug, Default)]
pub struct RecordingBus {
    events: Mutex<Vec<BusEvent>>,
}

impl RecordingBus {
    pub fn events(&self) -> Vec<BusEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The `n`-th event as EventBridge would deliver it to a queue.
    pub fn delivered(&self, n: usize) -> Value {
        let event = &self.events()[n];
        json!({
            "version": "0", "id": format!("event-{n}"), "detail-type": event.detail_type, "source": event.source,
            "resources": [format!("{ORG_RESOURCE}{}", event.org)], "detail": event.detail,
        })
    }
}

#[async_trait]
impl EventBus for RecordingBus {
    async fn put(&self, events: &[BusEvent]) -> Result<Vec<String>, BusError> {
        let mut kept = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(events);
        Ok((0..events.len()).map(|n| format!("event-{n}")).collect())
    }
}
