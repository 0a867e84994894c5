//! The control table: organisations, users, workflows, and what leads to them from outside.

mod account;
mod api_key;
mod connection;
mod connector;
mod identity;
mod invitation;
mod lookup;
mod member;
mod oauth_client;
mod session;
mod traffic;
mod trigger;
mod variables;
mod version;
mod workflow;

pub use account::{Organization, User};
pub use api_key::{ADDRESSES, ApiKey, ServiceAccount, USE_NOTED, UsedKey};
pub use connection::{KeptConnection, Lease, TokenChange};
pub use connector::{ConnectorKept, ConnectorName, HeldName, KeptConnector};
pub use identity::Linked;
pub use invitation::Invitation;
pub use lookup::{EventRule, Hook};
pub use member::{MAX_MEMBERSHIPS, Member, MemberChange};
pub use oauth_client::KeptOAuthClient;
pub use session::{Refresh, Rotation, Session};
pub use traffic::{InvalidSplit, Share, Split};
pub use trigger::{Kept, KeptPoll, KeptSubscription};
pub use version::{VersionEntry, WorkflowVersion};
pub use workflow::{WorkflowChange, WorkflowFilter, WorkflowMeta};

pub(crate) use account::{THERE, email_key_item, org_key_item, user_key};
pub(crate) use identity::identity_item;
pub(crate) use lookup::hook_key_item;
pub(crate) use member::membership_key;
pub(crate) use variables::partition as variables_partition;
pub(crate) use version::version_key as version_partition;

use crate::attr::{Item, s};
use crate::{Store, StoreError};

impl Store {
    /// The items of a partition whose sort keys begin with `prefix`, in their order, after `after`; at most `limit`. Strongly read.
    /// An empty prefix is all of them: DynamoDB takes no empty text for a key, not even to begin with.
    pub(crate) async fn list_control(
        &self,
        pk: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start = after.map(|sk| Item::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))]));
        let (condition, begins) = if prefix.is_empty() {
            ("pk = :pk", None)
        } else {
            ("pk = :pk AND begins_with(sk, :prefix)", Some((":prefix".to_owned(), s(prefix))))
        };
        let values: Item = [(":pk".to_owned(), s(pk))].into_iter().chain(begins).collect();
        loop {
            let got = self
                .client
                .query()
                .table_name(&self.tables.control)
                .key_condition_expression(condition)
                .set_expression_attribute_values(Some(values.clone()))
                .set_exclusive_start_key(start)
                .limit(i32::try_from(limit - items.len()).unwrap_or(i32::MAX))
                .consistent_read(true)
                .send()
                .await
                .map_err(|e| StoreError::of("list_control", &e))?;
            items.extend(got.items.unwrap_or_default());
            start = got.last_evaluated_key;
            if start.is_none() || items.len() >= limit {
                return Ok(items);
            }
        }
    }
}
