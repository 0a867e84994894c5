//! Workflows, across their versions.

use super::lookup::{self, EventRule, Hook};
use super::traffic::Split;
use super::version::{self, WorkflowVersion};
use crate::attr::{self, Item, b, n, s};
use crate::transact::Writes;
use crate::{Store, StoreError, codec};
use domain::audit::Record;
use domain::{HookId, Millis, OrgKey, WorkflowId};
use std::collections::BTreeMap;

/// A workflow across its versions.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowMeta {
    pub id: WorkflowId,
    pub name: String,
    /// The newest version, live or a draft.
    pub version: u32,
    /// The version that new runs take, where no split says otherwise.
    pub live: u32,
    pub enabled: bool,
    /// The address of each webhook trigger of the live version, kept across versions.
    pub hooks: BTreeMap<String, HookId>,
    /// The event triggers that have a rule now.
    pub rules: Vec<String>,
    /// The triggers whose runs are shared out among versions.
    pub splits: BTreeMap<String, Split>,
    pub created_at: Millis,
    pub updated_at: Millis,
    /// Grows with each change; what a change is conditional on.
    pub revision: u32,
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

/// Which workflows a list holds, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkflowFilter {
    pub enabled: Option<bool>,
    /// What the name contains, whatever its case.
    pub name: Option<String>,
    pub newest_first: bool,
}

impl WorkflowFilter {
    fn lets_through(&self, meta: &WorkflowMeta) -> bool {
        self.enabled.is_none_or(|enabled| meta.enabled == enabled)
            && self.name.as_ref().is_none_or(|part| meta.name.to_lowercase().contains(&part.to_lowercase()))
    }
}

/// How many workflows one call of a list looks through.
const LOOKS_THROUGH: usize = 1_000;

impl Store {
    pub async fn workflow(&self, org: &OrgKey, id: &WorkflowId) -> Result<Option<WorkflowMeta>, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), meta_sort(id)).await?;
        item.as_ref().map(read_meta).transpose()
    }

    /// The workflows of an organisation that `filter` lets through, after `after`; at most `limit`, and fewer where many are
    /// not let through: one call looks through so many. With it, where to go on.
    pub async fn list_workflows(
        &self,
        org: &OrgKey,
        filter: &WorkflowFilter,
        after: Option<&WorkflowId>,
        limit: usize,
    ) -> Result<(Vec<WorkflowMeta>, Option<WorkflowId>), StoreError> {
        let pk = s(org.org().as_str());
        let mut start =
            after.map(|id| Item::from([("pk".to_owned(), pk.clone()), ("sk".to_owned(), s(meta_sort(id)))]));
        let (mut found, mut looked_at) = (Vec::new(), 0);
        loop {
            let got = self
                .client
                .query()
                .table_name(&self.tables.control)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", pk.clone())
                .expression_attribute_values(":prefix", s("wf#"))
                .set_exclusive_start_key(start)
                .scan_index_forward(!filter.newest_first)
                .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(|e| StoreError::of("list_workflows", &e))?;
            let items = got.items.unwrap_or_default();
            let last_of_all = got.last_evaluated_key.is_none();
            for (i, item) in items.iter().enumerate() {
                let meta = read_meta(item)?;
                let here = meta.id.clone();
                if filter.lets_through(&meta) {
                    found.push(meta);
                }
                looked_at += 1;
                let more = !last_of_all || i + 1 < items.len();
                if found.len() == limit || looked_at == LOOKS_THROUGH {
                    return Ok((found, more.then_some(here)));
                }
            }
            start = got.last_evaluated_key;
            if start.is_none() {
                return Ok((found, None));
            }
        }
    }

    /// Writes `meta`, all of `change` and the record that tells of it, if nobody changed the workflow since `meta.revision - 1` was read.
    pub async fn save_workflow(
        &self,
        org: &OrgKey,
        meta: &WorkflowMeta,
        change: &WorkflowChange,
        record: &Record,
    ) -> Result<(), StoreError> {
        let table = &self.tables.control;
        let mut writes = Writes::default();
        let item = meta_item(org, meta)?;
        if meta.revision == 1 {
            writes.create(table, item)?;
        } else {
            writes.put_if(table, item, "rv = :rv", Item::from([(":rv".into(), n(meta.revision - 1))]))?;
        }
        if let Some(version) = &change.new_version {
            writes.create(table, version::version_item(org, &meta.id, version)?)?;
        }
        for hook in &change.hooks {
            writes.put(table, lookup::hook_item(hook)?)?;
        }
        for rule in &change.rules {
            writes.put(table, lookup::rule_item(org, rule)?)?;
        }
        for trigger in &change.removed_rules {
            writes.delete(table, lookup::rule_key_item(org, &meta.id, trigger), None)?;
        }
        for hook in &change.removed_hooks {
            writes.delete(table, lookup::hook_key_item(hook), None)?;
        }
        writes.record(&self.tables.ledger, org, record)?;
        if self.transact("save_workflow", writes).await?.held() {
            return Ok(());
        }
        Err(StoreError::Conflict { operation: "save_workflow" })
    }
}

fn meta_item(org: &OrgKey, meta: &WorkflowMeta) -> Result<Item, StoreError> {
    let mut item = Item::from([
        ("pk".into(), s(org.org().as_str())),
        ("sk".into(), s(meta_sort(&meta.id))),
        ("name".into(), s(&meta.name)),
        ("v".into(), n(meta.version)),
        ("lv".into(), n(meta.live)),
        ("on".into(), aws_sdk_dynamodb::types::AttributeValue::Bool(meta.enabled)),
        ("hk".into(), b(codec::pack(&meta.hooks)?)),
        ("ru".into(), b(codec::pack(&meta.rules)?)),
        ("ca".into(), n(meta.created_at.0)),
        ("ua".into(), n(meta.updated_at.0)),
        ("rv".into(), n(meta.revision)),
    ]);
    if !meta.splits.is_empty() {
        item.insert("sps".into(), b(codec::pack(&meta.splits)?));
    }
    Ok(item)
}

fn read_meta(item: &Item) -> Result<WorkflowMeta, StoreError> {
    let id = attr::text(item, "sk")?.strip_prefix("wf#").ok_or(StoreError::Corrupt("sk"))?;
    let version = attr::number(item, "v")?;
    // Before there were drafts, the newest version was live, and nothing was split.
    let live = attr::optional_number(item, "lv").filter(|live| (1..=version).contains(live));
    let splits = attr::optional_bytes(item, "sps").and_then(|bytes| codec::unpack(bytes).ok());
    Ok(WorkflowMeta {
        id: WorkflowId::parse(id).map_err(|_| StoreError::Corrupt("sk"))?,
        name: attr::text(item, "name")?.to_owned(),
        version,
        live: live.unwrap_or(version),
        enabled: attr::flag(item, "on"),
        hooks: codec::unpack(attr::bytes(item, "hk")?)?,
        rules: codec::unpack(attr::bytes(item, "ru")?)?,
        splits: splits.unwrap_or_default(),
        created_at: Millis(attr::number(item, "ca")?),
        updated_at: Millis(attr::number(item, "ua")?),
        revision: attr::number(item, "rv")?,
    })
}

fn meta_sort(id: &WorkflowId) -> String {
    format!("wf#{id}")
}
