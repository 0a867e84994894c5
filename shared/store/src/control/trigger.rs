//! What is known of triggers that an app has a part in: how far polls have come, and what apps were asked to tell.

use crate::attr::{self, Item, b, n, s};
use crate::ports::TriggerStore;
use crate::runs::condition_held;
use crate::{Store, StoreError, codec};
use async_trait::async_trait;
use domain::poll::PollState;
use domain::subscription::SubscriptionState;
use domain::{OrgKey, WorkflowId};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A state as it is kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kept<T> {
    /// Raised by each change; 0 is the one before the first.
    pub revision: u32,
    pub state: T,
}

pub type KeptPoll = Kept<PollState>;
pub type KeptSubscription = Kept<SubscriptionState>;

#[async_trait]
impl TriggerStore for Store {
    async fn poll_state(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
    ) -> Result<Option<KeptPoll>, StoreError> {
        self.trigger_state(org, sort("poll", workflow, trigger)).await
    }

    async fn keep_poll_state(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
        kept: &KeptPoll,
    ) -> Result<bool, StoreError> {
        self.keep_trigger_state("keep_poll_state", org, sort("poll", workflow, trigger), kept).await
    }

    async fn subscription(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
    ) -> Result<Option<KeptSubscription>, StoreError> {
        self.trigger_state(org, sort("subscription", workflow, trigger)).await
    }

    async fn keep_subscription(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
        kept: &KeptSubscription,
    ) -> Result<bool, StoreError> {
        self.keep_trigger_state("keep_subscription", org, sort("subscription", workflow, trigger), kept).await
    }
}

impl Store {
    async fn trigger_state<T: DeserializeOwned>(
        &self,
        org: &OrgKey,
        sort: String,
    ) -> Result<Option<Kept<T>>, StoreError> {
        // In the organisation's own partition, where its erasure finds it.
        let item = self.get_control(org.org().as_str().to_owned(), sort).await?;
        item.map(|item| {
            Ok(Kept {
                revision: attr::number(&item, "rv")?,
                state: codec::unpack(attr::bytes(&item, "ps")?)?,
            })
        })
        .transpose()
    }

    async fn keep_trigger_state<T: Serialize + Sync>(
        &self,
        operation: &'static str,
        org: &OrgKey,
        sort: String,
        kept: &Kept<T>,
    ) -> Result<bool, StoreError> {
        let mut values = Item::from([
            (":next".into(), n(kept.revision.saturating_add(1))),
            (":state".into(), b(codec::pack(&kept.state)?)),
        ]);
        let condition = if kept.revision == 0 {
            "attribute_not_exists(rv)"
        } else {
            values.insert(":revision".into(), n(kept.revision));
            "rv = :revision"
        };
        let changed = self
            .client
            .update_item()
            .table_name(&self.tables.control)
            .key("pk", s(org.org().as_str()))
            .key("sk", s(sort))
            .update_expression("SET rv = :next, ps = :state")
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .send()
            .await;
        condition_held(operation, changed)
    }
}

fn sort(kind: &str, workflow: &WorkflowId, trigger: &str) -> String {
    format!("{kind}#{workflow}#{trigger}")
}
