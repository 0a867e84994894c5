#![doc = include_str!("../README.md")]

mod attr;
mod codec;
mod control;
mod due;
mod error;
mod ports;
mod runs;
mod tables;

pub use control::{EventRule, Hook, Organization, User, WorkflowChange, WorkflowMeta, WorkflowVersion};
pub use due::{DueEntry, DueKind, LowWater, Reading, SHARDS};
pub use error::StoreError;
pub use ports::{DueStore, RunStore, WorkflowStore};
pub use runs::{Appended, Claim, ClaimView, Created, Held, Journal, RunFilter, RunPage};
pub use tables::TableNames;

use aws_sdk_dynamodb::Client;
use std::sync::Arc;

/// Patchbay's tables.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    tables: Arc<TableNames>,
}

impl Store {
    pub fn new(client: Client, tables: TableNames) -> Self {
        Self { client, tables: Arc::new(tables) }
    }
}
