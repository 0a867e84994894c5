//! Workflows.

mod change;
mod create;
mod get;
mod list;
mod start;
mod switch;
mod update;
mod validate;

pub(crate) use create::*;
pub(crate) use get::*;
pub(crate) use list::*;
pub(crate) use start::*;
pub(crate) use switch::*;
pub(crate) use update::*;
pub(crate) use validate::*;

use crate::App;
use crate::body::IdOf;
use crate::error::ApiResult;
use domain::{OrgKey, Problem, WorkflowId};
use engine::Plan;
use serde_json::Value;
use store::WorkflowMeta;

/// Reads a definition, or refuses it with every fault.
fn compile(document: &Value) -> Result<Plan, Problem> {
    if document.to_string().len() > domain::limits::MAX_DEFINITION_BYTES {
        let detail = format!("a definition may have {} bytes", domain::limits::MAX_DEFINITION_BYTES);
        return Err(Problem::new(413, "definition_too_large", detail));
    }
    Plan::parse(document).map_err(|faults| {
        let detail = match faults.len() {
            1 => "the definition has a fault; `errors` says where".to_owned(),
            n => format!("the definition has {n} faults; `errors` says where"),
        };
        Problem::new(422, "invalid_definition", detail).with_errors(faults)
    })
}

async fn find(app: &App, org: &OrgKey, id: &WorkflowId) -> ApiResult<WorkflowMeta> {
    app.store.workflow(org, id).await?.ok_or_else(IdOf::<WorkflowId>::not_found)
}
