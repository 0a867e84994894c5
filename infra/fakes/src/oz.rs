//! Oz, Warp's agents: runs that go on while they are looked at, schedules, identities, environments, artifacts.

mod kept;
mod run;

use self::kept::{identities, one_identity, one_schedule, schedules, switch_schedule};
use self::run::Run;
use crate::call::Call;
use crate::desk::Desk;
use crate::reply;
use crate::vendor::Vendor;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const KEY: &str = "wk-fake-oz-key";
const PLAN: &str = "artifact-fake-plan";
const FILE: &str = "artifact-fake-file";
const ENVIRONMENT: &str = "environment-fake";
const TERMINAL: [&str; 5] = ["SUCCEEDED", "FAILED", "BLOCKED", "ERROR", "CANCELLED"];
const AGENT_TYPES: [&str; 7] = ["FOREMAN", "TRIAGE", "SPEC", "IMPLEMENT", "REVIEW", "VERIFY", "CUSTOM"];

#[derive(Debug)]
pub(crate) struct Oz {
    desk: Arc<Desk>,
    state: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    made: u64,
    /// Newest last.
    runs: Vec<Run>,
    schedules: Vec<Value>,
    identities: Vec<Value>,
}

type Answer = Result<Response, Response>;

impl Oz {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers whoever has the key.
    fn enter(&self, call: &Call, work: impl FnOnce(&mut Kept) -> Answer) -> Response {
        if call.bearer() != Some(KEY) {
            return refused(call.path.as_str(), 401, "authentication_required", "A valid API key is needed.");
        }
        let code = match call.fault.as_deref() {
            Some("insufficient_credits") => Some((403, "insufficient_credits")),
            Some("budget_exceeded") => Some((403, "budget_exceeded")),
            Some("resource_unavailable") => Some((429, "resource_unavailable")),
            _ => None,
        };
        if let Some((status, code)) = code {
            return refused(call.path.as_str(), status, code, "As was asked for.");
        }
        work(&mut self.state()).unwrap_or_else(|refusal| refusal)
    }
}

impl Kept {
    fn id(&mut self) -> String {
        self.made += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.made)
    }

    fn run(&mut self, call: &Call, id: &str) -> Result<&mut Run, Response> {
        let found = self.runs.iter_mut().find(|run| run.item["run_id"] == id);
        found.ok_or_else(|| refused(&call.path, 404, "resource_not_found", "There is no such run."))
    }
}

fn refused(path: &str, status: u16, code: &str, detail: &str) -> Response {
    let retryable = matches!(code, "conflict" | "resource_unavailable" | "internal_error");
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({
        "type": format!("https://docs.warp.dev/errors/{code}"), "title": code.replace('_', " "), "status": status.as_u16(),
        "detail": detail, "instance": path, "error": code, "retryable": retryable, "trace_id": "fake-trace"
    });
    reply::typed(status, "application/problem+json", body.to_string())
}

fn invalid(call: &Call, detail: &str) -> Response {
    refused(&call.path, 400, "invalid_request", detail)
}

#[expect(clippy::unnecessary_wraps, reason = "it ends what may have been refused before")]
fn ok(value: &Value) -> Answer {
    Ok(reply::json(StatusCode::OK, value))
}

fn object(call: &Call) -> Result<Map<String, Value>, Response> {
    match call.json() {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(invalid(call, "The body must be a JSON object.")),
    }
}

fn text(call: &Call, map: &Map<String, Value>, name: &str) -> Result<String, Response> {
    let value = map.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    value.map(str::to_owned).ok_or_else(|| invalid(call, &format!("`{name}` is needed.")))
}

/// The limits of a run's request that are published.
fn check_run(call: &Call, body: &Map<String, Value>) -> Result<(), Response> {
    let given = |name: &str| body.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let skill = body.get("config").is_some_and(|config| config["skill_spec"].is_string());
    if !given("prompt") && !given("skill") && !skill {
        return Err(invalid(call, "Either `prompt` or `skill` is needed."));
    }
    if let Some(metadata) = body.get("metadata").filter(|value| !value.is_null()) {
        let map = metadata.as_object().ok_or_else(|| invalid(call, "`metadata` must be an object."))?;
        let key = |key: &str| {
            (1..=64).contains(&key.len())
                && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        let fits = |(name, value): (&String, &Value)| {
            key(name) && value.as_str().is_some_and(|text| text.len() <= 256)
        };
        if map.len() > 20 || !map.iter().all(fits) {
            return Err(invalid(
                call,
                "`metadata` has at most 20 keys of 64 characters, with texts of 256 bytes.",
            ));
        }
    }
    if body.get("attachments").and_then(Value::as_array).is_some_and(|items| items.len() > 5) {
        return Err(invalid(call, "There are at most 5 `attachments`."));
    }
    if body
        .get("mode")
        .and_then(Value::as_str)
        .is_some_and(|mode| !["normal", "plan", "orchestrate"].contains(&mode))
    {
        return Err(invalid(call, "`mode` is normal, plan or orchestrate."));
    }
    if let Some(config) = body.get("config").filter(|config| !config.is_null()) {
        if !config.is_object() {
            return Err(invalid(call, "`config` must be an object."));
        }
        if config["idle_timeout_minutes"].as_u64().is_some_and(|minutes| !(1..=60).contains(&minutes)) {
            return Err(invalid(call, "`idle_timeout_minutes` is at most 60."));
        }
        for (name, server) in config["mcp_servers"].as_object().into_iter().flatten() {
            let ways = ["warp_id", "command", "url"].iter().filter(|way| server.get(**way).is_some()).count();
            if ways != 1 {
                return Err(invalid(
                    call,
                    &format!("MCP server `{name}` needs exactly one of warp_id, command, url."),
                ));
            }
        }
        if config["environment_id"].as_str().is_some_and(|id| id != ENVIRONMENT) {
            return Err(refused(&call.path, 404, "resource_not_found", "There is no such environment."));
        }
    }
    Ok(())
}

async fn create_run(State(oz): State<Arc<Oz>>, call: Call) -> Response {
    oz.enter(&call, |kept| {
        let body = object(&call)?;
        check_run(&call, &body)?;
        let id = kept.id();
        let at = call.now.to_string();
        let prompt = body.get("prompt").and_then(Value::as_str).unwrap_or_default();
        let title: String = prompt.chars().take(60).collect();
        let mut item = json!({
            "run_id": id, "task_id": id, "title": body.get("title").and_then(Value::as_str).unwrap_or(&title),
            "state": "QUEUED", "prompt": prompt, "created_at": at, "updated_at": at, "source": "API",
            "execution_location": "REMOTE", "conversation_id": kept.id(), "session_id": kept.id(),
            "session_link": format!("https://app.warp.dev/session/{id}"), "is_run_type_cancellable": true,
            "creator": { "type": "user", "uid": "user-fake", "display_name": "Ada" }, "scope": { "type": "User", "uid": "user-fake" }
        });
        for (from, name) in [("config", "agent_config"), ("metadata", "metadata"), ("parent_run_id", "parent_run_id")] {
            if let Some(value) = body.get(from).filter(|value| !value.is_null()) {
                item[name] = value.clone();
            }
        }
        kept.runs.push(Run { item, created: call.now, looks: 0 });
        let busy = call.fault.as_deref() == Some("at_capacity");
        ok(&json!({ "run_id": id, "task_id": id, "state": "QUEUED", "at_capacity": busy }))
    })
}

const KNOWN_FILTERS: [&str; 6] = ["limit", "cursor", "sort_by", "sort_order", "state", "name"];

async fn list_runs(State(oz): State<Arc<Oz>>, call: Call) -> Response {
    oz.enter(&call, |kept| {
        let query = call.query_pairs();
        let mut states = Vec::new();
        let mut metadata = Vec::new();
        for (name, value) in &query {
            if name == "state" {
                states.push(value.as_str());
            } else if let Some(key) = name.strip_prefix("metadata[").and_then(|rest| rest.strip_suffix(']')) {
                metadata.push((key, value.as_str()));
            } else if !KNOWN_FILTERS.contains(&name.as_str())
                && !["created_after", "created_before", "q"].contains(&name.as_str())
            {
                return Ok(reply::not_modelled(
                    "oz",
                    "GET",
                    &call.path,
                    Some(&format!("the filter `{name}`")),
                ));
            }
        }
        let known = ["QUEUED", "PENDING", "CLAIMED", "INPROGRESS"];
        if states.iter().any(|state| !known.contains(state) && !TERMINAL.contains(state)) {
            return Err(invalid(&call, "There is no such state."));
        }
        let number = |name: &str, usual: usize| match call.query_value(name) {
            None => Ok(usual),
            Some(text) => {
                text.parse::<usize>().map_err(|_| invalid(&call, &format!("`{name}` is not understood.")))
            }
        };
        let limit = number("limit", 20)?;
        if !(1..=500).contains(&limit) {
            return Err(invalid(&call, "`limit` is from 1 to 500."));
        }
        let from = number("cursor", 0)?;
        let time = |name: &str| match call.query_value(name) {
            None => Ok(None),
            Some(text) => text
                .parse::<Timestamp>()
                .map(Some)
                .map_err(|_| invalid(&call, &format!("`{name}` is no time."))),
        };
        let (after, before) = (time("created_after")?, time("created_before")?);
        for run in &mut kept.runs {
            run.go_on(call.now, false);
        }
        let words = call.query_value("q").unwrap_or_default().to_lowercase();
        let name = call.query_value("name");
        let mut found: Vec<&Run> = kept
            .runs
            .iter()
            .rev()
            .filter(|run| states.is_empty() || states.iter().any(|state| run.is(state)))
            .filter(|run| metadata.iter().all(|(key, value)| run.item["metadata"][*key] == *value))
            .filter(|run| {
                after.is_none_or(|after| run.created > after)
                    && before.is_none_or(|before| run.created < before)
            })
            .filter(|run| name.as_ref().is_none_or(|name| run.item["agent_config"]["name"] == name.as_str()))
            .filter(|run| run.item["title"].as_str().unwrap_or_default().to_lowercase().contains(&words))
            .collect();
        let key = match call.query_value("sort_by").as_deref() {
            None | Some("updated_at") => "updated_at",
            Some("created_at") => "created_at",
            Some("title") => "title",
            Some(_) => return Err(invalid(&call, "`sort_by` is not understood.")),
        };
        found.sort_by_key(|run| std::cmp::Reverse(run.item[key].as_str().unwrap_or_default().to_owned()));
        if call.query_value("sort_order").as_deref() == Some("asc") {
            found.reverse();
        }
        let page: Vec<_> = found.iter().skip(from).take(limit).map(|run| run.item.clone()).collect();
        let more = from + limit < found.len();
        let mut info = json!({ "has_next_page": more });
        if more {
            info["next_cursor"] = json!((from + limit).to_string());
        }
        ok(&json!({ "runs": page, "page_info": info }))
    })
}

async fn get_run(State(oz): State<Arc<Oz>>, Path(id): Path<String>, call: Call) -> Response {
    oz.enter(&call, |kept| {
        let run = kept.run(&call, &id)?;
        run.go_on(call.now, true);
        ok(&run.item)
    })
}

async fn cancel_run(State(oz): State<Arc<Oz>>, Path(id): Path<String>, call: Call) -> Response {
    oz.enter(&call, |kept| {
        let run = kept.run(&call, &id)?;
        run.go_on(call.now, false);
        if call.fault.as_deref() == Some("pending") {
            return Err(refused(&call.path, 409, "conflict", "The run is being claimed; try again."));
        }
        if run.ended() {
            return Err(invalid(&call, "The run has ended."));
        }
        run.item["state"] = json!("CANCELLED");
        run.item["updated_at"] = json!(call.now.to_string());
        ok(&json!(id))
    })
}

async fn follow_up(State(oz): State<Arc<Oz>>, Path(id): Path<String>, call: Call) -> Response {
    oz.enter(&call, |kept| {
        let body = object(&call)?;
        text(&call, &body, "message")?;
        let run = kept.run(&call, &id)?;
        run.go_on(call.now, false);
        if run.is("CANCELLED") {
            return Err(refused(&call.path, 409, "conflict", "The run was cancelled."));
        }
        // It goes on from there.
        run.item["state"] = json!("INPROGRESS");
        run.item["prompt"] = body["message"].clone();
        run.created = call.now;
        run.looks = 1;
        ok(&json!({}))
    })
}

async fn handoff(State(oz): State<Arc<Oz>>, Path(id): Path<String>, call: Call) -> Response {
    oz.enter(&call, |kept| {
        kept.run(&call, &id)?;
        ok(&json!({ "attachments": [] }))
    })
}

async fn artifact(State(oz): State<Arc<Oz>>, Path(uid): Path<String>, call: Call) -> Response {
    let url = oz.desk.url.clone();
    oz.enter(&call, |_| match uid.as_str() {
        PLAN => ok(&json!({
            "artifact_uid": PLAN, "artifact_type": "PLAN", "created_at": "2026-01-01T00:00:00Z",
            "data": { "document_uid": "document-fake", "notebook_uid": "document-fake", "title": "Plan", "content": "# Plan\n", "content_type": "text/markdown" }
        })),
        FILE => ok(&json!({
            "artifact_uid": FILE, "artifact_type": "FILE", "created_at": "2026-01-01T00:00:00Z",
            "data": { "download_url": format!("{url}/downloads/{FILE}"), "expires_at": call.now.checked_add(SignedDuration::from_hours(1)).unwrap_or(call.now).to_string(),
                "content_type": "text/plain", "filepath": "/tmp/result.txt", "filename": "result.txt", "size_bytes": 6 }
        })),
        _ => Err(refused(&call.path, 404, "resource_not_found", "There is no such artifact.")),
    })
}

async fn download(Path(uid): Path<String>) -> Response {
    if uid == FILE {
        return reply::typed(StatusCode::OK, "text/plain", "result");
    }
    reply::typed(StatusCode::NOT_FOUND, "text/plain", "not found")
}

async fn agents(State(oz): State<Arc<Oz>>, call: Call) -> Response {
    oz.enter(&call, |_| {
        ok(&json!({ "agents": [{ "name": "reviewer", "variants": [{
            "id": "example/repo:reviewer", "base_prompt": "Review.", "description": "Reviews changes",
            "environments": [{ "uid": ENVIRONMENT, "name": "fake" }],
            "source": { "owner": "example", "name": "repo", "skill_path": ".agents/skills/reviewer/SKILL.md" }
        }] }] }))
    })
}

async fn environments(State(oz): State<Arc<Oz>>, call: Call) -> Response {
    oz.enter(&call, |_| {
        ok(&json!({ "environments": [{
            "uid": ENVIRONMENT, "last_updated": "2026-01-01T00:00:00Z", "setup_failed": false,
            "config": { "name": "fake", "description": "", "docker_image": "ubuntu:24.04", "github_repos": [{ "owner": "example", "repo": "repo" }], "setup_commands": [] }
        }] }))
    })
}

async fn models(State(oz): State<Arc<Oz>>, call: Call) -> Response {
    oz.enter(&call, |_| {
        ok(&json!({ "default_model_id": "auto", "models": [{ "id": "auto", "display_name": "Auto", "provider": "UNKNOWN", "vision_supported": true }] }))
    })
}

impl Vendor for Oz {
    fn name(&self) -> &'static str {
        "oz"
    }

    fn about(&self) -> Value {
        json!({
            "base_url": format!("{}/api/v1", self.desk.url), "api_key": KEY, "environment_id": ENVIRONMENT,
            "artifacts": [PLAN, FILE],
            "runs": "A run is QUEUED, is INPROGRESS at the second look or after 10 s, and ends at the third or after a minute. [fail], [error] or [block] in its prompt say how."
        })
    }

    fn stands_for(&self) -> &'static [&'static str] {
        &["https://app.warp.dev"]
    }

    fn router(self: Arc<Self>) -> Router {
        let routes = Router::new()
            .route("/agent", get(agents))
            .route("/agent/run", post(create_run))
            .route("/agent/runs", get(list_runs).post(create_run))
            .route("/agent/runs/{id}", get(get_run))
            .route("/agent/runs/{id}/cancel", post(cancel_run))
            .route("/agent/runs/{id}/followups", post(follow_up))
            .route("/agent/runs/{id}/handoff/attachments", get(handoff))
            .route("/agent/artifacts/{uid}", get(artifact))
            .route("/agent/environments", get(environments))
            .route("/agent/models", get(models))
            .route("/agent/schedules", get(schedules).post(schedules))
            .route("/agent/schedules/{id}", get(one_schedule).put(one_schedule).delete(one_schedule))
            .route("/agent/schedules/{id}/{what}", post(switch_schedule))
            .route("/agent/identities", get(identities).post(identities))
            .route("/agent/identities/{uid}", get(one_identity).put(one_identity).delete(one_identity));
        Router::new().nest("/api/v1", routes).route("/downloads/{uid}", get(download)).with_state(self)
    }

    fn reset(&self) {
        *self.state() = Kept::default();
    }

    fn refusal(&self, status: StatusCode) -> Response {
        let code =
            if status == StatusCode::TOO_MANY_REQUESTS { "resource_unavailable" } else { "internal_error" };
        refused("", status.as_u16(), code, "As was asked for.")
    }

    fn faults(&self) -> &'static [&'static str] {
        &["insufficient_credits", "budget_exceeded", "resource_unavailable", "at_capacity", "pending"]
    }
}
