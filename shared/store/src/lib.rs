#![doc = include_str!("../README.md")]

mod attr;
mod clock;
mod codec;
mod control;
mod due;
mod erase;
mod error;
mod ledger;
mod limits;
mod ports;
mod runs;
mod tables;
mod tokens;
mod transact;
mod usage;

pub use control::{
    ADDRESSES, ApiKey, ConnectorKept, ConnectorName, HeldName, Invitation, Kept, KeptConnection,
    KeptConnector, KeptOAuthClient, KeptPoll, KeptSubscription, Lease, Linked, MAX_MEMBERSHIPS, Member,
    MemberChange, Refresh, Rotation, ServiceAccount, Session, TokenChange, USE_NOTED, UsedKey,
};
pub use control::{EventRule, Hook, InvalidSplit, Organization, Share, Split, User, VersionEntry};
pub use control::{WorkflowChange, WorkflowFilter, WorkflowMeta, WorkflowVersion};
pub use due::{DueEntry, DueKind, LowWater, Reading, SHARDS};
pub use erase::{EraseStage, Erased, Erasure};
pub use error::StoreError;
pub use ledger::LedgerPage;
pub use limits::{AppLimit, Turn};
pub use ports::{
    Attempt, ConnectionStore, ConnectorStore, Current, DueStore, Gather, LimitStore, RunStore, TriggerStore,
    WorkflowStore,
};
pub use runs::{Appended, Claim, ClaimView, Counted, Created, Held, Journal, Pulse, RunFilter, RunPage};
pub use tables::TableNames;
pub use tokens::{ANSWERS_KEPT, KeptAnswer, MAX_KEPT_BYTES, Repeatable, Window, rate_name};
pub use usage::{QuotaStore, Sequence, UsageStanding, UsageStore};

use aws_sdk_dynamodb::Client;
use domain::Millis;
use std::sync::Arc;

/// Patchbay's tables.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    tables: Arc<TableNames>,
    /// What was last seen of apps' limits.
    seen: Arc<limits::Seen>,
    clock: Option<clock::TableClock>,
}

impl Store {
    pub fn new(client: Client, tables: TableNames) -> Self {
        Self { client, tables: Arc::new(tables), seen: Arc::default(), clock: None }
    }

    /// Goes by the tables' clock, where workers must agree on the time; `now` is ours, and counts until the tables have answered.
    pub fn by_their_clock(self, now: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        let clock = clock::TableClock::new(now);
        let config = self.client.config().to_builder().interceptor(clock.clone()).build();
        Self { client: Client::from_conf(config), clock: Some(clock), ..self }
    }

    /// The time by the tables' clock, when it is `now` for us.
    fn table_time(&self, now: Millis) -> Millis {
        self.clock.as_ref().map_or(now, |clock| clock.at(now))
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
