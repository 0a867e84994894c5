//! How far polls have come.

use crate::attr::{self, Item, b, n, s};
use crate::ports::PollStore;
use crate::runs::condition_held;
use crate::{Store, StoreError, codec};
use async_trait::async_trait;
use domain::poll::PollState;
use domain::{OrgKey, WorkflowId};

/// A state as it is kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KeptPoll {
    /// Raised by each change; 0 is the one before the first.
    pub revision: u32,
    pub state: PollState,
}

#[async_trait]
impl PollStore for Store {
    async fn poll_state(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
    ) -> Result<Option<KeptPoll>, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), sort(workflow, trigger)).await?;
        item.map(|item| {
            Ok(KeptPoll {
                revision: attr::number(&item, "rv")?,
                state: codec::unpack(attr::bytes(&item, "ps")?)?,
            })
        })
        .transpose()
    }

    async fn keep_poll_state(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
        kept: &KeptPoll,
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
            // In the organisation's own partition, where its erasure finds it.
            .key("pk", s(org.org().as_str()))
            .key("sk", s(sort(workflow, trigger)))
            .update_expression("SET rv = :next, ps = :state")
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .send()
            .await;
        condition_held("keep_poll_state", changed)
    }
}

fn sort(workflow: &WorkflowId, trigger: &str) -> String {
    format!("poll#{workflow}#{trigger}")
}
