//! What leads from outside to a workflow: webhook ids, and the event triggers of an organisation.

use super::traffic::{self, Split};
use crate::attr::{self, Item, n, s};
use crate::{Store, StoreError, codec};
use domain::{HookId, OrgId, OrgKey, Provenance, WorkflowId};
use serde_json::Value;

/// Where a webhook leads.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    pub id: HookId,
    pub org: OrgKey,
    pub workflow: WorkflowId,
    pub trigger: String,
    /// The live version: its trigger says what a request's key is, and its steps run where no split says otherwise.
    pub version: u32,
    pub split: Split,
    pub enabled: bool,
}

impl Hook {
    /// The version that the run of an idempotency key takes.
    pub fn version_for(&self, key: &str) -> u32 {
        self.split.choose(self.version, &self.workflow, &self.trigger, key)
    }
}

/// An event trigger of an enabled workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRule {
    pub workflow: WorkflowId,
    pub trigger: String,
    /// The live version: its pattern decides, and its steps run where no split says otherwise.
    pub version: u32,
    pub split: Split,
    pub pattern: Value,
}

impl EventRule {
    /// The version that the run of an idempotency key takes.
    pub fn version_for(&self, key: &str) -> u32 {
        self.split.choose(self.version, &self.workflow, &self.trigger, key)
    }
}

impl Store {
    /// Resolves a webhook's id: one of the few keys that do not begin with an organisation.
    pub async fn hook(&self, id: &HookId) -> Result<Option<Hook>, StoreError> {
        let Some(item) = self.get_control(hook_key(id), "h".to_owned()).await? else { return Ok(None) };
        Ok(Some(Hook {
            id: id.clone(),
            org: OrgKey::verified(attr::parsed(&item, "org", OrgId::parse)?, Provenance::Hook),
            workflow: attr::parsed(&item, "wf", WorkflowId::parse)?,
            trigger: attr::text(&item, "tr")?.to_owned(),
            version: attr::number(&item, "v")?,
            split: traffic::read_split(&item),
            enabled: attr::flag(&item, "on"),
        }))
    }

    /// All event triggers of an organisation's enabled workflows.
    pub async fn event_rules(&self, org: &OrgKey) -> Result<Vec<EventRule>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.tables.control)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(rules_key(org)))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut rules = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| StoreError::of("event_rules", &e))?;
            let (workflow, trigger) =
                attr::text(&item, "sk")?.split_once('#').ok_or(StoreError::Corrupt("sk"))?;
            rules.push(EventRule {
                workflow: WorkflowId::parse(workflow).map_err(|_| StoreError::Corrupt("sk"))?,
                trigger: trigger.to_owned(),
                version: attr::number(&item, "v")?,
                split: traffic::read_split(&item),
                pattern: codec::unpack(attr::bytes(&item, "pt")?)?,
            });
        }
        Ok(rules)
    }
}

pub(super) fn hook_item(hook: &Hook) -> Result<Item, StoreError> {
    let mut item = Item::from([
        ("pk".into(), s(hook_key(&hook.id))),
        ("sk".into(), s("h")),
        ("org".into(), s(hook.org.org().as_str())),
        ("wf".into(), s(hook.workflow.as_str())),
        ("tr".into(), s(&hook.trigger)),
        ("v".into(), n(hook.version)),
        ("on".into(), aws_sdk_dynamodb::types::AttributeValue::Bool(hook.enabled)),
    ]);
    traffic::put_split(&mut item, &hook.split)?;
    Ok(item)
}

pub(super) fn rule_item(org: &OrgKey, rule: &EventRule) -> Result<Item, StoreError> {
    let mut item = rule_key_item(org, &rule.workflow, &rule.trigger);
    item.insert("v".into(), n(rule.version));
    item.insert("pt".into(), attr::b(codec::pack(&rule.pattern)?));
    traffic::put_split(&mut item, &rule.split)?;
    Ok(item)
}

pub(super) fn rule_key_item(org: &OrgKey, workflow: &WorkflowId, trigger: &str) -> Item {
    Item::from([("pk".into(), s(rules_key(org))), ("sk".into(), s(format!("{workflow}#{trigger}")))])
}

pub(crate) fn hook_key_item(id: &HookId) -> Item {
    Item::from([("pk".into(), s(hook_key(id))), ("sk".into(), s("h"))])
}

fn hook_key(id: &HookId) -> String {
    format!("hook#{id}")
}

fn rules_key(org: &OrgKey) -> String {
    format!("{}#rules", org.org())
}
