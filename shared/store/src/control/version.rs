//! The versions of a workflow. They never change.

use crate::attr::{self, Item, b, n, s};
use crate::{Current, Store, StoreError, WorkflowStore, codec};
use async_trait::async_trait;
use domain::variables::Variables;
use domain::{HookId, Millis, OrgKey, WorkflowId};
use serde_json::Value;
use std::collections::BTreeMap;

/// One immutable version.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowVersion {
    pub version: u32,
    pub document: Value,
    pub created_at: Millis,
    /// The addresses that its webhooks had when it was saved: what a return to it gives back.
    pub hooks: BTreeMap<String, HookId>,
}

/// A version as a list shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionEntry {
    pub version: u32,
    pub created_at: Millis,
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
        let hooks = attr::optional_bytes(&item, "hk").and_then(|bytes| codec::unpack(bytes).ok());
        Ok(Some(WorkflowVersion {
            version,
            document: codec::unpack(attr::bytes(&item, "d")?)?,
            created_at: Millis(attr::number(&item, "ca")?),
            hooks: hooks.unwrap_or_default(),
        }))
    }

    async fn current(&self, org: &OrgKey, workflow: &WorkflowId) -> Result<Option<Current>, StoreError> {
        let meta = self.workflow(org, workflow).await?;
        Ok(meta.map(|meta| Current {
            version: meta.live,
            enabled: meta.enabled,
            splits: meta.splits,
            hooks: meta.hooks,
        }))
    }

    async fn variables_now(&self, org: &OrgKey, environment: &str) -> Result<u32, StoreError> {
        self.variables_revision(org, environment).await
    }

    async fn variables(
        &self,
        org: &OrgKey,
        environment: &str,
        revision: u32,
    ) -> Result<Variables, StoreError> {
        self.read_variables(org, environment, revision).await
    }
}

impl Store {
    /// The versions of a workflow before `before`, newest first; at most `limit`.
    pub async fn list_versions(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Vec<VersionEntry>, StoreError> {
        let last = before.map_or_else(|| "v#~".to_owned(), |version| version_sort(version.saturating_sub(1)));
        let mut pages = self
            .client
            .query()
            .table_name(&self.tables.control)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", s(version_key(org, workflow)))
            .expression_attribute_values(":first", s(version_sort(0)))
            .expression_attribute_values(":last", s(last))
            .projection_expression("sk, ca")
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .into_paginator()
            .items()
            .send();
        let mut entries = Vec::new();
        // A page of DynamoDB may be shorter: it ends after 1 MB of definitions.
        while entries.len() < limit {
            let Some(item) = pages.next().await else { break };
            let item = item.map_err(|e| StoreError::of("list_versions", &e))?;
            let version = attr::text(&item, "sk")?.strip_prefix("v#").and_then(|text| text.parse().ok());
            entries.push(VersionEntry {
                version: version.ok_or(StoreError::Corrupt("sk"))?,
                created_at: Millis(attr::number(&item, "ca")?),
            });
        }
        Ok(entries)
    }
}

pub(super) fn version_item(
    org: &OrgKey,
    workflow: &WorkflowId,
    version: &WorkflowVersion,
) -> Result<Item, StoreError> {
    let mut item = Item::from([
        ("pk".into(), s(version_key(org, workflow))),
        ("sk".into(), s(version_sort(version.version))),
        ("d".into(), b(codec::pack(&version.document)?)),
        ("ca".into(), n(version.created_at.0)),
    ]);
    if !version.hooks.is_empty() {
        item.insert("hk".into(), b(codec::pack(&version.hooks)?));
    }
    Ok(item)
}

pub(crate) fn version_key(org: &OrgKey, id: &WorkflowId) -> String {
    format!("{}#{id}", org.org())
}

fn version_sort(version: u32) -> String {
    format!("v#{version:08}")
}
