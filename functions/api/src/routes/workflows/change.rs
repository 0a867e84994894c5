//! What a change of a workflow writes: its versions, its webhook addresses, its event rules.

use crate::routes::setup::random;
use domain::workflow::TriggerKind;
use domain::{HookId, Millis, OrgKey};
use engine::Plan;
use store::{EventRule, Hook, WorkflowChange, WorkflowMeta, WorkflowVersion};

/// Makes `plan` the newest version of `meta`, which keeps the addresses of webhooks that stay.
pub(super) fn publish(
    org: &OrgKey,
    mut meta: WorkflowMeta,
    plan: &Plan,
    now: Millis,
) -> (WorkflowMeta, WorkflowChange) {
    let definition = plan.definition();
    definition.name.clone_into(&mut meta.name);
    meta.version += 1;
    let old = std::mem::take(&mut meta.hooks);
    for trigger in &definition.triggers {
        if matches!(trigger.kind, TriggerKind::Webhook { .. }) {
            let id = old.get(&trigger.id).cloned().unwrap_or_else(|| HookId::from_bytes(random()));
            meta.hooks.insert(trigger.id.clone(), id);
        }
    }
    let gone = old
        .iter()
        .filter(|(trigger, _)| !meta.hooks.contains_key(*trigger))
        .map(|(_, id)| id.clone())
        .collect();
    let version =
        WorkflowVersion { version: meta.version, document: definition.document.clone(), created_at: now };
    let (meta, change) = point(org, meta, plan, now);
    (meta, WorkflowChange { new_version: Some(version), removed_hooks: gone, ..change })
}

/// Points the workflow's webhooks and event rules at its newest version, on or off as `meta.enabled` says.
pub(super) fn point(
    org: &OrgKey,
    mut meta: WorkflowMeta,
    plan: &Plan,
    now: Millis,
) -> (WorkflowMeta, WorkflowChange) {
    let hooks = meta.hooks.iter().map(|(trigger, id)| Hook {
        id: id.clone(),
        org: org.clone(),
        workflow: meta.id.clone(),
        trigger: trigger.clone(),
        version: meta.version,
        enabled: meta.enabled,
    });
    let hooks = hooks.collect();
    let rules: Vec<EventRule> = plan
        .definition()
        .triggers
        .iter()
        .filter(|_| meta.enabled)
        .filter_map(|trigger| match &trigger.kind {
            TriggerKind::Event { pattern } => Some(EventRule {
                workflow: meta.id.clone(),
                trigger: trigger.id.clone(),
                version: meta.version,
                pattern: pattern.clone(),
            }),
            TriggerKind::Webhook { .. } | TriggerKind::Manual => None,
        })
        .collect();
    let names: Vec<String> = rules.iter().map(|rule| rule.trigger.clone()).collect();
    let removed_rules = meta.rules.iter().filter(|name| !names.contains(name)).cloned().collect();
    meta.rules = names;
    meta.updated_at = now;
    meta.revision += 1;
    (meta, WorkflowChange { new_version: None, hooks, rules, removed_rules, removed_hooks: Vec::new() })
}
