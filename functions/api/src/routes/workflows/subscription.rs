//! Subscriptions: apps are asked to tell when a workflow goes live, and to stop when that ends. Asking is the executor's.

use super::find;
use crate::App;
use crate::body::TriggerPath;
use crate::error::{ApiError, ApiResult};
use crate::routes::workflows::poll::PollFailing;
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use dispatch::Asks;
use domain::audit::Action;
use domain::workflow::TriggerKind;
use domain::{Millis, OrgKey, WorkflowId};
use engine::Plan;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use store::{DueEntry, DueStore, TriggerStore, WorkflowMeta};
use utoipa::ToSchema;

/// How a subscription stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Subscription)]
pub(crate) struct SubscriptionView {
    workflow: String,
    trigger: String,
    status: SubscriptionStatus,
    /// Where the app tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Since when it tells, or was last asked to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    since: Option<String>,
    /// When it stops unless it is asked again, which takes place by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// How many of before are still to be ended at their apps.
    leaving: usize,
    /// Why the app could not be asked, if it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<PollFailing>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SubscriptionStatus {
    /// The app tells.
    Subscribed,
    /// It is being asked.
    Pending,
    /// It was not asked yet, or could not be.
    None,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Subscribing {
    workflow: String,
    trigger: String,
}

/// Tells whether the app of a trigger tells.
#[utoipa::path(get, path = "/v1/workflows/{id}/triggers/{trigger}/subscription", tag = "workflows",
    params(("id" = String, Path), ("trigger" = String, Path)), security(("token" = [])), responses(
    (status = 200, body = SubscriptionView),
    (status = 404, description = "`workflow_not_found` or `subscription_not_found`", body = ProblemView),
))]
pub(crate) async fn subscription(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRead>,
    TriggerPath { workflow, trigger }: TriggerPath,
) -> ApiResult<Json<SubscriptionView>> {
    let org = caller.org_key();
    told(&app, org, &workflow, &trigger).await?;
    let state = app.store.subscription(org, &workflow, &trigger).await?.unwrap_or_default().state;
    let status = match (&state.current, &state.pending) {
        (Some(_), _) => SubscriptionStatus::Subscribed,
        (None, Some(_)) => SubscriptionStatus::Pending,
        (None, None) => SubscriptionStatus::None,
    };
    let current = state.current.as_ref();
    Ok(Json(SubscriptionView {
        workflow: workflow.to_string(),
        trigger,
        status,
        url: current.map(|current| current.address.clone()),
        since: current.map(|current| current.since.rfc3339()),
        expires_at: current.and_then(|current| current.expires_at).map(Millis::rfc3339),
        leaving: state.leaving.len(),
        failing: state.failing.map(Into::into),
    }))
}

/// Asks the app anew to tell, and then to end what was there before: should it have been deleted at the app, or should a failure be mended.
#[utoipa::path(post, path = "/v1/workflows/{id}/triggers/{trigger}/subscription", tag = "workflows",
    params(("id" = String, Path), ("trigger" = String, Path)), security(("token" = [])), responses(
    (status = 202, body = Subscribing, description = "The app is asked soon; `GET` tells how it went"),
    (status = 404, description = "`workflow_not_found` or `subscription_not_found`", body = ProblemView),
    (status = 409, description = "`workflow_disabled`", body = ProblemView),
))]
pub(crate) async fn subscribe(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRun>,
    TriggerPath { workflow, trigger }: TriggerPath,
) -> ApiResult<(StatusCode, Json<Subscribing>)> {
    let org = caller.org_key();
    let meta = told(&app, org, &workflow, &trigger).await?;
    if !meta.enabled {
        let detail = "the workflow is disabled; enable it with `POST /v1/workflows/{id}/enable`";
        return Err(ApiError::new(409, "workflow_disabled", detail));
    }
    let record = caller.record(Action::WorkflowSubscribed, app.now()).on("workflow", &workflow);
    app.store.record(org, &record.after(json!({"trigger": trigger}))).await?;
    app.starter.look_after(Asks::NewSubscription, org, &workflow, &trigger).await?;
    Ok((StatusCode::ACCEPTED, Json(Subscribing { workflow: workflow.to_string(), trigger })))
}

/// The workflow, if an app tells this trigger of its live version.
async fn told(app: &App, org: &OrgKey, workflow: &WorkflowId, trigger: &str) -> ApiResult<WorkflowMeta> {
    let meta = find(app, org, workflow).await?;
    let plan = app.plans.get(org, workflow, meta.live).await?;
    if plan.definition().trigger(trigger).is_some_and(|of| matches!(of.kind, TriggerKind::App(_))) {
        return Ok(meta);
    }
    let detail = "the workflow's live version has no trigger of this name that an app tells";
    Err(ApiError::new(404, "subscription_not_found", detail))
}

/// The triggers that apps tell whose subscriptions a change may touch.
#[derive(Debug)]
pub(super) struct Touched(BTreeSet<String>);

/// Before a workflow's change: puts down that its subscriptions are looked after, those of the version that is live and those of the one
/// that will be. Should nobody be left to send word after the change, the timer does.
pub(super) async fn touch(app: &App, org: &OrgKey, meta: &WorkflowMeta, next: &Plan) -> ApiResult<Touched> {
    let mut names = told_of(next);
    // A version that cannot be read has asked nobody since it cannot.
    if let Ok(live) = app.plans.get(org, &meta.id, meta.live).await {
        names.extend(told_of(&live));
    }
    let at = app.now().plus(DueEntry::SOONEST);
    for trigger in &names {
        app.store.put_due(&DueEntry::subscription(org, &meta.id, trigger, at)).await?;
    }
    Ok(Touched(names))
}

impl Touched {
    /// After the change: sends word at once.
    pub(super) async fn look_after(self, app: &App, org: &OrgKey, workflow: &WorkflowId) -> ApiResult<()> {
        for trigger in &self.0 {
            app.starter.look_after(Asks::Subscription, org, workflow, trigger).await?;
        }
        Ok(())
    }
}

fn told_of(plan: &Plan) -> BTreeSet<String> {
    let triggers = plan.definition().triggers.iter();
    triggers.filter(|t| matches!(t.kind, TriggerKind::App(_))).map(|t| t.id.clone()).collect()
}
