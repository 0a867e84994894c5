//! One webhook request.

use crate::App;
use crate::answer;
use crate::callback;
use crate::challenge;
use crate::request::{self, Incoming};
use crate::told::Told;
use crate::verify;
use dispatch::{StartError, StartRequest, Started};
use domain::workflow::{Challenge, TriggerKind};
use domain::{Day, HookId, Problem, RunId, limits};
use engine::Plan;
use expr::Seed;
use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use serde_json::Value;
use std::sync::Arc;
use store::Hook;
use tracing::{error, info};

/// Answers one request, whatever it is.
pub async fn handle(app: &App, request: Request) -> Response<Body> {
    match accept(app, request).await {
        Ok(response) => response,
        Err(problem) if problem.code == "quota_exceeded" => {
            let now = app.clock.now();
            let left = now.until(Day::of(now).plus(1).start());
            answer::retry_after(answer::problem(&problem), left)
        }
        Err(problem) => answer::problem(&problem),
    }
}

async fn accept(app: &App, request: Request) -> Result<Response<Body>, Problem> {
    if let Some(token) = request.uri().path().strip_prefix(callback::PREFIX) {
        return callback::handle(app, &request, token).await;
    }
    let id = request::hook_id(request.uri().path()).ok_or_else(no_such_hook)?;
    let id = HookId::parse(id).map_err(|_| no_such_hook())?;
    let is_post = request.method() == Method::POST;
    if !is_post && request.method() != Method::GET {
        return Err(not_allowed());
    }
    let arrived = app.clock.now();
    request::not_too_large(&request)?;
    let hook = app.store.hook(&id).await.map_err(|e| unavailable(&e.into()))?.ok_or_else(no_such_hook)?;
    if !hook.enabled {
        let detail =
            "the workflow behind this address is disabled; enable it with `POST /v1/workflows/{id}/enable`";
        return Err(Problem::new(409, "workflow_disabled", detail));
    }
    let live = plan_of(app, &hook, hook.version).await?;
    let told = match live.definition().trigger(&hook.trigger).map(|trigger| &trigger.kind) {
        Some(TriggerKind::App(of)) => Some(Told::read(app, &hook, of).await?),
        _ => None,
    };
    let (scheme, verify) = match live.definition().trigger(&hook.trigger).map(|trigger| &trigger.kind) {
        Some(TriggerKind::Webhook { challenge, verify, .. }) => (*challenge, verify.as_deref()),
        _ => (None, None),
    };
    let challenges: Vec<Challenge> =
        scheme.into_iter().chain(told.iter().flat_map(Told::challenges)).collect();
    // Whoever asks cannot always sign yet, and learns nothing.
    let asked = |scheme: Challenge| challenge::answer(scheme, &hook.id, &request);
    if let Some(answer) = challenges.iter().copied().filter(|scheme| !scheme.is_signed()).find_map(asked) {
        return Ok(answered(&hook, answer));
    }
    if !is_post {
        return Err(not_allowed());
    }
    let (told, delivery) = match (verify, &told) {
        (Some(of), _) => {
            (None, verify::verify(app, &hook, &live.definition().environment, of, &request).await?)
        }
        (None, Some(told)) => {
            let (told, delivery) = told.verify(app, &hook, &request)?;
            (Some(told), delivery)
        }
        (None, None) => (None, None),
    };
    if let Some(answer) = challenges.iter().copied().filter(|scheme| scheme.is_signed()).find_map(asked) {
        return Ok(answered(&hook, answer));
    }
    let mut incoming = Incoming::read(&request)?;
    if let Some(scheme) = verify.map(|of| &of.scheme).or(told.map(|told| &told.deliveries.scheme)) {
        incoming.hide_token(scheme);
    }
    if incoming.depth > limits::MAX_DEPTH {
        let detail = format!(
            "{} runs, each calling the next one's webhook, led here; the chain was stopped",
            incoming.depth
        );
        return Err(Problem::new(508, "chain_too_deep", detail));
    }
    if let Some(told) = told
        && !told.starts(&incoming.trigger, app.clock.now())?
    {
        info!(workflow.id = %hook.workflow, workflow.trigger = hook.trigger, "an app told what starts nothing");
        return Ok(answer::passed_over());
    }
    // The live version's trigger names the key, and the key names the version: a repeat takes the same one.
    let key = match told.map(|told| told.key(&incoming.trigger, app.clock.now())).transpose()?.flatten() {
        Some(key) => key,
        None => idempotency_key(app, &hook, &live, &incoming, delivery.as_deref()).await?,
    };
    let gathers = live.gather(&hook.trigger).map(|of| of.key_of(&incoming.trigger, app.clock.now()));
    // Events that are gathered go by their common key.
    let version = hook.version_for(gathers.as_ref().unwrap_or(&key));
    let repeatable = live.dedupe(&hook.trigger).is_some() || delivery.is_some();
    let plan = if version == hook.version { live } else { plan_of(app, &hook, version).await? };
    let request = StartRequest {
        org: &hook.org,
        workflow: &hook.workflow,
        version,
        plan: &plan,
        trigger: &hook.trigger,
        key: &key,
        input: incoming.trigger,
        depth: incoming.depth,
        priority: None,
        now: app.clock.now(),
    };
    if let Some(of) = plan.gather(&hook.trigger) {
        let gathered = app.starter.gather(request, of, repeatable).await.map_err(|e| refused(&e))?;
        info!(run.id = %gathered.run(), workflow.id = %hook.workflow, "a webhook was gathered");
        return Ok(answer::accepted(gathered.run()));
    }
    let started = app.starter.start(request).await.map_err(|e| refused(&e))?;
    info!(run.id = %started.run(), workflow.id = %hook.workflow, run.new = matches!(started, Started::New(_)), "a webhook was taken");
    if plan.definition().responds() {
        return Ok(answer::of_workflow(app, &hook.org, started.run(), arrived).await);
    }
    Ok(answer::accepted(started.run()))
}

fn answered(hook: &Hook, answer: Response<Body>) -> Response<Body> {
    info!(workflow.id = %hook.workflow, "a sender asked whether anybody is here");
    answer
}

async fn plan_of(app: &App, hook: &Hook, version: u32) -> Result<Arc<Plan>, Problem> {
    app.plans.get(&hook.org, &hook.workflow, version).await.map_err(|e| unavailable(&e.into()))
}

/// The trigger's `dedupe` where it gives something; without one, what the sender calls the delivery; else the request's own id, which
/// no other request has.
async fn idempotency_key(
    app: &App,
    hook: &Hook,
    plan: &Plan,
    incoming: &Incoming,
    delivery: Option<&str>,
) -> Result<String, Problem> {
    let Some(template) = plan.dedupe(&hook.trigger) else {
        return Ok(match delivery {
            Some(name) => format!("delivery:{name}"),
            None => format!("request:{}", incoming.request_id),
        });
    };
    let scope = serde_json::json!({"trigger": incoming.trigger});
    let seed = Seed { now_ms: app.clock.now().0, random: 0 };
    let guard = app.guard.lane(hook.org.org().as_str());
    let value = guard.render(template, &scope, &seed).await.map_err(|e| {
        if e.code == expr::codes::GUARD_UNAVAILABLE {
            return Problem::new(
                503,
                "unavailable",
                "the trigger's `dedupe` could not be evaluated just now; send it again",
            );
        }
        Problem::new(
            422,
            "dedupe_failed",
            format!("the trigger's `dedupe` failed: {}; nothing was started", e.message),
        )
    })?;
    Ok(key_of(value).unwrap_or_else(|| format!("request:{}", incoming.request_id)))
}

/// The key that an expression gave; none, if it gave nothing.
pub(crate) fn key_of(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(format!("key:{text}")),
        other => Some(format!("json:{other}")),
    }
}

fn not_allowed() -> Problem {
    Problem::new(405, "method_not_allowed", "webhooks are sent with `POST`")
}

fn no_such_hook() -> Problem {
    Problem::new(
        404,
        "hook_not_found",
        "no webhook has this address; copy it anew from the workflow's `triggers[].url`",
    )
}

/// Nothing was started.
fn refused(cause: &StartError) -> Problem {
    match cause {
        StartError::QuotaUsedUp(used_up) => Problem::new(429, "quota_exceeded", used_up.to_string()),
        cause => unavailable(cause),
    }
}

/// Nothing was promised: the sender may repeat.
fn unavailable(cause: &StartError) -> Problem {
    error!(error = %cause, "a webhook could not be taken");
    Problem::new(503, "unavailable", "the webhook could not be stored; send it again")
}

/// Names the run in answers.
pub(crate) fn run_body(run: &RunId) -> Value {
    serde_json::json!({"id": run.as_str()})
}
