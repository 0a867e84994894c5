//! Workflows and their immutable versions.

use super::lookup::{self, EventRule, Hook};
use crate::attr::{self, Item, b, n, s};
use crate::{Current, Store, StoreError, WorkflowStore, codec};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use domain::{HookId, Millis, OrgKey, WorkflowId};
use serde_json::Value;
use std::collections::BTreeMap;

/// A workflow across its versions.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowMeta {
    pub id: WorkflowId,
    pub name: String,
    /// The newest version; new runs take it.
    pub version: u32,
    pub enabled: bool,
    /// The address of each webhook trigger, kept across versions.
    pub hooks: BTreeMap<String, HookId>,
    /// The event triggers that have a rule now.
    pub rules: Vec<String>,
    pub created_at: Millis,
    pub updated_at: Millis,
    /// Grows with each change; what a change is conditional on.
    pub revision: u32,
}

/// One immutable version.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowVersion {
    pub version: u32,
    pub document: Value,
    pub created_at: Millis,
}

/// A change of a workflow: written whole or not at all.
#[derive(Debug, Clone, Default)]
pub struct WorkflowChange {
    pub new_version: Option<WorkflowVersion>,
    pub hooks: Vec<Hook>,
    pub rules: Vec<EventRule>,
    pub removed_rules: Vec<String>,
    pub removed_hooks: Vec<HookId>,
}

#[async_trait]
impl WorkflowStore for Store {
    async fn version(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        version: u32,
    ) -> Result<Option<WorkflowVersion>, StoreError> {
        let Some(item) = self.get_control(version_key(org, workflow), version_sort(version)).await? else {
            return Ok(None);
        };
        Ok(Some(WorkflowVersion {
            version,
            document: codec::unpack(attr::bytes(&item, "d")?)?,
            created_at: Millis(attr::number(&item, "ca")?),
        }))
    }

    async fn current(&self, org: &OrgKey, workflow: &WorkflowId) -> Result<Option<Current>, StoreError> {
        let meta = self.workflow(org, workflow).await?;
        Ok(meta.map(|meta| Current { version: meta.version, enabled: meta.enabled }))
    }
}

impl Store {
    pub async fn workflow(&self, org: &OrgKey, id: &WorkflowId) -> Result<Option<WorkflowMeta>, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), meta_sort(id)).await?;
        item.as_ref().map(read_meta).transpose()
    }

    /// The workflows of an organisation, by id, after `after`; at most `limit`.
    pub async fn list_workflows(
        &self,
        org: &OrgKey,
        after: Option<&WorkflowId>,
        limit: usize,
    ) -> Result<Vec<WorkflowMeta>, StoreError> {
        let start = after.map(|id| {
            Item::from([("pk".to_owned(), s(org.org().as_str())), ("sk".to_owned(), s(meta_sort(id)))])
        });
        let got = self
            .client
            .query()
            .table_name(&self.tables.control)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", s(org.org().as_str()))
            .expression_attribute_values(":prefix", s("wf#"))
            .set_exclusive_start_key(start)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|e| StoreError::of("list_workflows", &e))?;
        got.items.unwrap_or_default().iter().map(read_meta).collect()
    }

    /// Writes `meta` and all of `change`, if nobody changed the workflow since `meta.revision - 1` was read.
    pub async fn save_workflow(
        &self,
        org: &OrgKey,
        meta: &WorkflowMeta,
        change: &WorkflowChange,
    ) -> Result<(), StoreError> {
        let table = &self.tables.control;
        let mut meta_put = Put::builder().table_name(table).set_item(Some(meta_item(org, meta)?));
        meta_put = if meta.revision == 1 {
            meta_put.condition_expression("attribute_not_exists(pk)")
        } else {
            meta_put.condition_expression("rv = :rv").expression_attribute_values(":rv", n(meta.revision - 1))
        };
        let mut puts = vec![meta_put];
        if let Some(version) = &change.new_version {
            let item = Item::from([
                ("pk".into(), s(version_key(org, &meta.id))),
                ("sk".into(), s(version_sort(version.version))),
                ("d".into(), b(codec::pack(&version.document)?)),
                ("ca".into(), n(version.created_at.0)),
            ]);
            puts.push(
                Put::builder()
                    .table_name(table)
                    .set_item(Some(item))
                    .condition_expression("attribute_not_exists(pk)"),
            );
        }
        for hook in &change.hooks {
            puts.push(Put::builder().table_name(table).set_item(Some(lookup::hook_item(hook))));
        }
        for rule in &change.rules {
            puts.push(Put::builder().table_name(table).set_item(Some(lookup::rule_item(org, rule)?)));
        }
        let mut writes = Vec::with_capacity(puts.len());
        for put in puts {
            let put = put.build().map_err(|_| StoreError::Corrupt("put"))?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        let removed = change
            .removed_rules
            .iter()
            .map(|trigger| lookup::rule_key_item(org, &meta.id, trigger))
            .chain(change.removed_hooks.iter().map(lookup::hook_key_item));
        for key in removed {
            let delete = Delete::builder()
                .table_name(table)
                .set_key(Some(key))
                .build()
                .map_err(|_| StoreError::Corrupt("delete"))?;
            writes.push(TransactWriteItem::builder().delete(delete).build());
        }
        match self.client.transact_write_items().set_transact_items(Some(writes)).send().await {
            Ok(_) => Ok(()),
            Err(e) if e.as_service_error().is_some_and(aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::is_transaction_canceled_exception) => {
                Err(StoreError::Conflict { operation: "save_workflow" })
            }
            Err(e) => Err(StoreError::of("save_workflow", &e)),
        }
    }
}

fn meta_item(org: &OrgKey, meta: &WorkflowMeta) -> Result<Item, StoreError> {
    Ok(Item::from([
        ("pk".into(), s(org.org().as_str())),
        ("sk".into(), s(meta_sort(&meta.id))),
        ("name".into(), s(&meta.name)),
        ("v".into(), n(meta.version)),
        ("on".into(), aws_sdk_dynamodb::types::AttributeValue::Bool(meta.enabled)),
        ("hk".into(), b(codec::pack(&meta.hooks)?)),
        ("ru".into(), b(codec::pack(&meta.rules)?)),
        ("ca".into(), n(meta.created_at.0)),
        ("ua".into(), n(meta.updated_at.0)),
        ("rv".into(), n(meta.revision)),
    ]))
}

fn read_meta(item: &Item) -> Result<WorkflowMeta, StoreError> {
    let id = attr::text(item, "sk")?.strip_prefix("wf#").ok_or(StoreError::Corrupt("sk"))?;
    Ok(WorkflowMeta {
        id: WorkflowId::parse(id).map_err(|_| StoreError::Corrupt("sk"))?,
        name: attr::text(item, "name")?.to_owned(),
        version: attr::number(item, "v")?,
        enabled: attr::flag(item, "on"),
        hooks: codec::unpack(attr::bytes(item, "hk")?)?,
        rules: codec::unpack(attr::bytes(item, "ru")?)?,
        created_at: Millis(attr::number(item, "ca")?),
        updated_at: Millis(attr::number(item, "ua")?),
        revision: attr::number(item, "rv")?,
    })
}

fn meta_sort(id: &WorkflowId) -> String {
    format!("wf#{id}")
}

fn version_key(org: &OrgKey, id: &WorkflowId) -> String {
    format!("{}#{id}", org.org())
}

fn version_sort(version: u32) -> String {
    format!("v#{version:08}")
}
