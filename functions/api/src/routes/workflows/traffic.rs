//! Sharing the new runs of a trigger out among versions.

use super::{change, find};
use crate::App;
use crate::body::{IdOf, JsonBody};
use crate::error::{ApiError, ApiResult};
use crate::view::{ProblemView, ShareView, WorkflowView};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use dispatch::PlanError;
use domain::{Fault, OrgKey, Problem, WorkflowId};
use engine::Plan;
use serde::Deserialize;
use store::{InvalidSplit, Share, Split};
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrafficBody {
    /// The id of a trigger of the live version.
    #[schema(example = "form")]
    trigger: String,
    /// At most 10 versions that have this trigger; empty: all new runs take the live version.
    split: Vec<ShareView>,
}

/// Shares a trigger's new runs out among versions by weight. Equal idempotency keys take the same version.
#[utoipa::path(put, path = "/v1/workflows/{id}/traffic", tag = "workflows", params(("id" = String, Path)),
    request_body = TrafficBody, security(("token" = [])), responses(
    (status = 200, body = WorkflowView),
    (status = 404, description = "`workflow_not_found`", body = ProblemView),
    (status = 409, description = "`conflict`: somebody changed it at the same moment", body = ProblemView),
    (status = 422, description = "`invalid_split`, with every fault", body = ProblemView),
))]
pub(crate) async fn traffic(
    State(app): State<App>,
    caller: Can<permit::WorkflowsWrite>,
    IdOf(id): IdOf<WorkflowId>,
    JsonBody(body): JsonBody<TrafficBody>,
) -> ApiResult<Json<WorkflowView>> {
    let org = caller.org_key();
    let mut meta = find(&app, org, &id).await?;
    let live = app.plans.get(org, &id, meta.live).await?;
    let split = checked(&app, org, &id, &live, &body).await?;
    if meta.splits.get(&body.trigger).unwrap_or(&Split::default()) != &split {
        if split.is_empty() {
            meta.splits.remove(&body.trigger);
        } else {
            meta.splits.insert(body.trigger, split);
        }
        let change;
        (meta, change) = change::point(org, meta, &live, app.now());
        app.store.save_workflow(org, &meta, &change).await?;
    }
    Ok(Json(WorkflowView::new(&meta, meta.live, live.definition(), &app.public_url)))
}

/// The split that was sent, if every version in it can take the trigger's runs.
async fn checked(
    app: &App,
    org: &OrgKey,
    id: &WorkflowId,
    live: &Plan,
    body: &TrafficBody,
) -> ApiResult<Split> {
    let shares = body.split.iter().map(|share| Share { version: share.version, weight: share.weight });
    let split = Split::new(shares.collect()).map_err(|error| {
        let pointer = match error {
            InvalidSplit::TooMany => "/split".to_owned(),
            InvalidSplit::Weightless { at } => format!("/split/{at}/weight"),
            InvalidSplit::Twice { at } => format!("/split/{at}/version"),
        };
        refused(vec![fault(pointer, error.to_string())])
    })?;
    let Some(trigger) = live.definition().trigger(&body.trigger) else {
        let message = "the live version has no trigger with this id; `GET /v1/workflows/{id}` lists them";
        return Err(refused(vec![fault("/trigger".to_owned(), message.to_owned())]));
    };
    let kind = trigger.kind.name();
    let mut faults = Vec::new();
    for (i, share) in body.split.iter().enumerate() {
        let message = match app.plans.get(org, id, share.version).await {
            Ok(plan) => match plan.definition().trigger(&trigger.id) {
                Some(other) if other.kind.name() == kind => continue,
                Some(other) => format!(
                    "in version {} the trigger `{}` is a `{}`, and in the live version a `{kind}`",
                    share.version,
                    trigger.id,
                    other.kind.name()
                ),
                None => format!("version {} has no trigger `{}`", share.version, trigger.id),
            },
            Err(PlanError::Missing { .. }) => format!("there is no version {}", share.version),
            Err(error) => return Err(error.into()),
        };
        faults.push(fault(format!("/split/{i}/version"), message));
    }
    if faults.is_empty() { Ok(split) } else { Err(refused(faults)) }
}

fn fault(pointer: String, message: String) -> Fault {
    Fault::new(pointer, "invalid_split", message)
}

fn refused(faults: Vec<Fault>) -> ApiError {
    let detail = "traffic cannot be shared out so; `errors` says why, and nothing was changed";
    Problem::new(422, "invalid_split", detail).with_errors(faults).into()
}
