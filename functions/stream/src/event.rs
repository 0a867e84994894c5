//! What Lambda hands over, and is answered.

use aws_lambda_events::dynamodb::EventRecord;
use serde::{Deserialize, Serialize};

/// The patterns of the event source mapping: JSON, as the template has them. A record that none of them matches does not come.
pub const FILTERS: &str = include_str!("filters.json");

/// Some records of a shard, in their order. What else a window has is not looked at.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct StreamEvent {
    #[serde(rename = "Records", default)]
    pub records: Vec<EventRecord>,
    /// Told because the mapping has a window. The last call of a window may have no records.
    #[serde(rename = "shardId", default)]
    pub shard: Option<String>,
}

/// That all of it was dealt with. Lambda takes an answer without a state for a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    state: Empty,
    batch_item_failures: [(); 0],
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Empty {}
