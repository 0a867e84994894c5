#![doc = include_str!("../README.md")]

mod attr;
mod codec;
mod control;
mod due;
mod erase;
mod error;
mod ledger;
mod ports;
mod runs;
mod tables;
mod tokens;
mod transact;
mod usage;

pub use control::{
    ADDRESSES, ApiKey, Invitation, KeptConnection, KeptOAuthClient, Lease, Linked, MAX_MEMBERSHIPS, Member,
    MemberChange, Refresh, Rotation, ServiceAccount, Session, TokenChange, USE_NOTED, UsedKey,
};
pub use control::{EventRule, Hook, InvalidSplit, Organization, Share, Split, User, VersionEntry};
pub use control::{WorkflowChange, WorkflowFilter, WorkflowMeta, WorkflowVersion};
pub use due::{DueEntry, DueKind, LowWater, Reading, SHARDS};
pub use erase::{EraseStage, Erased, Erasure};
pub use error::StoreError;
pub use ledger::LedgerPage;
pub use ports::{Attempt, ConnectionStore, Current, DueStore, Gather, RunStore, WorkflowStore};
pub use runs::{Appended, Claim, ClaimView, Counted, Created, Held, Journal, Pulse, RunFilter, RunPage};
pub use tables::TableNames;
pub use tokens::{ANSWERS_KEPT, KeptAnswer, MAX_KEPT_BYTES, Repeatable, Window, rate_name};
pub use usage::{QuotaStore, Sequence, UsageStanding, UsageStore};

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

/// Does once what the first call to DynamoDB would pay for: the SDK parses its list of AWS's partitions to find the endpoint. A
/// program calls this on another thread while it waits for its first work.
pub fn warm_up() {
    use aws_sdk_dynamodb::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
    if let Ok(params) = Params::builder().region("us-east-1".to_owned()).build() {
        drop(DefaultResolver::new().resolve_endpoint(&params));
    }
}
