//! Workflows that would call each other in a circle.

use super::refused;
use crate::App;
use crate::error::ApiResult;
use dispatch::PlanError;
use domain::{Fault, OrgKey, WorkflowId};
use engine::Plan;
use std::collections::{BTreeMap, BTreeSet};

/// How many workflows are looked at. A circle that is longer ends as every chain of runs does: by its depth.
const MOST: usize = 200;

/// Refuses a version of a workflow whose steps call one that calls it again, as the live versions are now.
///
/// Two changes at the same moment can close a circle that neither sees: its runs end with `chain_too_deep`.
pub(super) async fn refuse(app: &App, org: &OrgKey, id: &WorkflowId, plan: &Plan) -> ApiResult<()> {
    let mut faults = Vec::new();
    for (pointer, called) in plan.calls() {
        if let Some(way) = way_back(app, org, id, called).await? {
            let way: Vec<String> = way.iter().map(|workflow| format!("`{workflow}`")).collect();
            let message = format!("this workflow is called again: by way of {}", way.join(", then "));
            faults.push(Fault::new(pointer, "call_cycle", message));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(refused(faults).into()) }
}

/// The workflows through which `from` comes to call `to`, `from` first and `to` last.
async fn way_back(
    app: &App,
    org: &OrgKey,
    to: &WorkflowId,
    from: &WorkflowId,
) -> ApiResult<Option<Vec<WorkflowId>>> {
    let mut caller: BTreeMap<WorkflowId, WorkflowId> = BTreeMap::new();
    let mut seen = BTreeSet::from([from.clone()]);
    let mut open = vec![from.clone()];
    while let Some(here) = open.pop() {
        if here == *to {
            let mut way = vec![here];
            while let Some(before) = way.last().and_then(|last| caller.get(last)) {
                way.push(before.clone());
            }
            way.reverse();
            return Ok(Some(way));
        }
        for called in calls_of(app, org, &here).await? {
            if seen.len() < MOST && seen.insert(called.clone()) {
                caller.insert(called.clone(), here.clone());
                open.push(called);
            }
        }
    }
    Ok(None)
}

/// What the live version of a workflow calls; nothing if there is none that runs.
async fn calls_of(app: &App, org: &OrgKey, id: &WorkflowId) -> ApiResult<Vec<WorkflowId>> {
    let Some(current) = app.plans.current(org, id).await? else { return Ok(Vec::new()) };
    match app.plans.get(org, id, current.version).await {
        Ok(plan) => Ok(plan.calls().into_iter().map(|(_, called)| called.clone()).collect()),
        Err(PlanError::Missing { .. } | PlanError::Broken { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
