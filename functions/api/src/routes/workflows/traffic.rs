//! Sharing the new runs of a trigger out among versions.

use super::{Tagged, change, find, tagged};
use crate::App;
use crate::body::{IdOf, JsonBody};
use crate::error::{ApiError, ApiResult};
use crate::etag::IfMatch;
use crate::view::{ProblemView, ShareView, WorkflowView};
use auth::{Can, permit};
use axum::extract::State;
use dispatch::PlanError;
use domain::audit::Action;
use domain::{Fault, OrgKey, Problem, WorkflowId};
use engine::Plan;
use serde::Deserialize;
use serde_json::json;
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
#[utoipa::path(put, path = "/v1/workflows/{id}/traffic", tag = "workflows", 
    params(("id" = String, Path), ("if-match" = Option<String>, Header)),
    request_body = TrafficBody, security(("token" = [])), responses(
    (status = 200, body = WorkflowView),
    (status = 404, description = "`workflow_not_found`", body = ProblemView),
    (status = 412, description = "`precondition_failed`: `current` is the tag that it has now", body = ProblemView),
    (status = 409, description = "`conflict`: somebody changed it at the same moment", body = ProblemView),
    (status = 422, description = "`invalid_split`, with every fault", body = ProblemView),
))]
pub(crate) async fn traffic(
    State(app): State<App>,
    caller: Can<permit::WorkflowsWrite>,
    IdOf(id): IdOf<WorkflowId>,
    if_match: IfMatch,
    JsonBody(body): JsonBody<TrafficBody>,
) -> ApiResult<Tagged> {
    let org = caller.org_key();
    let mut meta = find(&app, org, &id).await?;
    if_match.check(meta.revision)?;
    let live = app.plans.get(org, &id, meta.live).await?;
    let split = checked(&app, org, &id, &live, &body).await?;
    if meta.splits.get(&body.trigger).unwrap_or(&Split::default()) != &split {
        let record = caller.record(Action::WorkflowSplit, app.now()).on("workflow", &id);
        let record = record
            .before(json!({"trigger": body.trigger, "split": weights(meta.splits.get(&body.trigger))}))
            .after(json!({"trigger": body.trigger, "split": weights(Some(&split))}));
        if split.is_empty() {
            meta.splits.remove(&body.trigger);
        } else {
            meta.splits.insert(body.trigger, split);
        }
        let change;
        (meta, change) = change::point(org, meta, &live, app.now());
        app.store.save_workflow(org, &meta, &change, &record).await?;
    }
    Ok(tagged(&meta, meta.live, &live, &app))
}

/// The weight of each version, as the ledger tells it.
fn weights(split: Option<&Split>) -> Vec<serde_json::Value> {
    let shares = split.map(Split::shares).unwrap_or_default();
    shares.iter().map(|share| json!({"version": share.version, "weight": share.weight})).collect()
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
