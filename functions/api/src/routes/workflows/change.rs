//! What a change of a workflow writes: its versions, its webhook addresses, its event rules.

use crate::routes::setup::random;
use domain::workflow::TriggerKind;
use domain::{HookId, Millis, OrgKey};
use engine::Plan;
use std::collections::BTreeMap;
use store::{EventRule, Hook, WorkflowChange, WorkflowMeta, WorkflowVersion};

/// Makes `plan` the newest version of `meta`, and nothing else: a draft.
pub(super) fn draft(mut meta: WorkflowMeta, plan: &Plan, now: Millis) -> (WorkflowMeta, WorkflowChange) {
    let version = next(&meta, plan, now);
    meta.version = version.version;
    meta.updated_at = now;
    meta.revision += 1;
    (meta, WorkflowChange { new_version: Some(version), ..WorkflowChange::default() })
}

/// Makes `plan` the newest version of `meta` and the live one.
pub(super) fn save(
    org: &OrgKey,
    mut meta: WorkflowMeta,
    plan: &Plan,
    now: Millis,
) -> (WorkflowMeta, WorkflowChange) {
    let version = next(&meta, plan, now);
    meta.version = version.version;
    let (meta, change) = publish(org, meta, &version, plan, now);
    (meta, WorkflowChange { new_version: Some(version), ..change })
}

/// Makes `version` live. Every new run takes it: splits end. Webhooks that stay keep their addresses, and ones that come back
/// have those that they had in this version.
pub(super) fn publish(
    org: &OrgKey,
    mut meta: WorkflowMeta,
    version: &WorkflowVersion,
    plan: &Plan,
    now: Millis,
) -> (WorkflowMeta, WorkflowChange) {
    plan.definition().name.clone_into(&mut meta.name);
    meta.live = version.version;
    meta.splits.clear();
    let hooks = addresses(plan, |trigger| meta.hooks.get(trigger).or_else(|| version.hooks.get(trigger)));
    let old = std::mem::replace(&mut meta.hooks, hooks);
    let gone = old.into_iter().filter(|(trigger, _)| !meta.hooks.contains_key(trigger)).map(|(_, id)| id);
    let gone = gone.collect();
    let (meta, change) = point(org, meta, plan, now);
    (meta, WorkflowChange { removed_hooks: gone, ..change })
}

fn next(meta: &WorkflowMeta, plan: &Plan, now: Millis) -> WorkflowVersion {
    WorkflowVersion {
        version: meta.version + 1,
        document: plan.definition().document.clone(),
        created_at: now,
        hooks: addresses(plan, |trigger| meta.hooks.get(trigger)),
    }
}

/// An address for each webhook: the one that is known, or a new one.
fn addresses<'a>(plan: &Plan, known: impl Fn(&str) -> Option<&'a HookId>) -> BTreeMap<String, HookId> {
    let webhooks = plan
        .definition()
        .triggers
        .iter()
        .filter(|t| matches!(t.kind, TriggerKind::Webhook { .. } | TriggerKind::App(_)));
    webhooks
        .map(|t| (t.id.clone(), known(&t.id).cloned().unwrap_or_else(|| HookId::from_bytes(random()))))
        .collect()
}

/// Points the workflow's webhooks and event rules at its live version, whose plan is `plan`, on or off as `meta.enabled` says.
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
        version: meta.live,
        split: meta.splits.get(trigger).cloned().unwrap_or_default(),
        enabled: meta.enabled,
    });
    let hooks = hooks.collect();
    let rules: Vec<EventRule> = plan
        .definition()
        .triggers
        .iter()
        .filter(|_| meta.enabled)
        .filter_map(|trigger| match &trigger.kind {
            TriggerKind::Event { pattern, .. } => Some(EventRule {
                workflow: meta.id.clone(),
                trigger: trigger.id.clone(),
                version: meta.live,
                split: meta.splits.get(&trigger.id).cloned().unwrap_or_default(),
                pattern: pattern.clone(),
            }),
            TriggerKind::Webhook { .. }
            | TriggerKind::Manual
            | TriggerKind::Workflow
            | TriggerKind::Poll(_)
            | TriggerKind::App(_)
            | TriggerKind::Schedule { .. } => None,
        })
        .collect();
    let names: Vec<String> = rules.iter().map(|rule| rule.trigger.clone()).collect();
    let removed_rules = meta.rules.iter().filter(|name| !names.contains(name)).cloned().collect();
    meta.rules = names;
    meta.updated_at = now;
    meta.revision += 1;
    (meta, WorkflowChange { new_version: None, hooks, rules, removed_rules, removed_hooks: Vec::new() })
}
