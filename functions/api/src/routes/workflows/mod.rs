//! Workflows.

mod change;
mod create;
mod cycles;
mod diff;
mod figures;
mod get;
mod list;
mod poll;
mod publish;
mod schedules;
mod start;
mod subscription;
mod switch;
mod test;
mod traffic;
mod try_step;
mod update;
mod uses;
mod validate;
mod version;
mod versions;

pub(crate) use create::*;
pub(crate) use diff::*;
pub(crate) use figures::*;
pub(crate) use get::*;
pub(crate) use list::*;
pub(crate) use poll::*;
pub(crate) use publish::*;
pub(crate) use start::*;
pub(crate) use subscription::*;
pub(crate) use switch::*;
pub(crate) use test::*;
pub(crate) use traffic::*;
pub(crate) use try_step::*;
pub(crate) use update::*;
pub(crate) use validate::*;
pub(crate) use version::*;
pub(crate) use versions::*;

use self::uses::Known;
use crate::App;
use crate::body::{IdOf, VersionPath};
use crate::error::ApiResult;
use crate::etag;
use crate::view::WorkflowView;
use axum::Json;
use axum::http::{HeaderName, HeaderValue};
use domain::{Fault, OrgKey, Problem, WorkflowId};
use engine::Plan;
use serde_json::{Value, json};
use store::{WorkflowMeta, WorkflowStore, WorkflowVersion};

/// Reads a definition, or refuses it with every fault.
fn compile(document: &Value, known: &Known) -> Result<Plan, Problem> {
    if document.to_string().len() > domain::limits::MAX_DEFINITION_BYTES {
        let detail = format!("a definition may have {} bytes", domain::limits::MAX_DEFINITION_BYTES);
        return Err(Problem::new(413, "definition_too_large", detail));
    }
    let checked = Plan::parse_new(document).and_then(|plan| {
        let faults: Vec<Fault> = schedules::faults(&plan)
            .into_iter()
            .chain(without_sandbox(&plan))
            .chain(uses::faults(&plan, known))
            .collect();
        if faults.is_empty() { Ok(plan) } else { Err(faults) }
    });
    checked.map_err(refused)
}

/// Reads a definition that shall be saved, pinned to the connectors that there are; or refuses it with every fault.
async fn compile_for(app: &App, org: &OrgKey, document: Value) -> ApiResult<Plan> {
    let known = Known::of(app, org, &document).await?;
    let plan = compile(&known.pin(document), &known)?;
    let faults = uses::connection_faults(app, org, &plan).await?;
    if faults.is_empty() { Ok(plan) } else { Err(refused(faults).into()) }
}

/// What would run code: no deployment has a sandbox for it yet, and a step that always fails is of no use.
fn without_sandbox(plan: &Plan) -> Vec<Fault> {
    let message = "this deployment has no sandbox for code yet; use expressions, or an `http.request`";
    let steps = plan.code_steps().into_iter();
    steps.map(|step| Fault::new(format!("{}/type", step.pointer), "code_unavailable", message)).collect()
}

fn refused(faults: Vec<Fault>) -> Problem {
    let detail = match faults.len() {
        1 => "the definition has a fault; `errors` says where".to_owned(),
        n => format!("the definition has {n} faults; `errors` says where"),
    };
    Problem::new(422, "invalid_definition", detail).with_errors(faults)
}

/// A workflow, with the tag that a change of it may name.
type Tagged = ([(HeaderName, HeaderValue); 1], Json<WorkflowView>);

fn tagged(meta: &WorkflowMeta, version: u32, plan: &Plan, app: &App) -> Tagged {
    (etag::tagged(meta.revision), Json(WorkflowView::new(meta, version, plan.definition(), &app.public_url)))
}

/// What the ledger tells of a workflow.
fn shown(meta: &WorkflowMeta) -> Value {
    json!({"name": meta.name, "version": meta.version, "live": meta.live, "enabled": meta.enabled})
}

async fn find(app: &App, org: &OrgKey, id: &WorkflowId) -> ApiResult<WorkflowMeta> {
    app.store.workflow(org, id).await?.ok_or_else(IdOf::<WorkflowId>::not_found)
}

async fn find_version(app: &App, org: &OrgKey, id: &WorkflowId, version: u32) -> ApiResult<WorkflowVersion> {
    app.store.version(org, id, version).await?.ok_or_else(VersionPath::not_found)
}
