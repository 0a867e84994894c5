//! What is made, shown, changed and deleted by its id: schedules and identities.

use super::{AGENT_TYPES, Oz, invalid, object, ok, refused, text};
use crate::call::Call;
use crate::reply;
use crate::vendor::Vendor;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// A schedule's fields out of a request, over what was there.
fn schedule(call: &Call, mut item: Value, all: bool) -> Result<Value, Response> {
    let body = object(call)?;
    for name in ["name", "cron_schedule"] {
        item[name] = json!(text(call, &body, name)?);
    }
    let cron = item["cron_schedule"].as_str().unwrap_or_default();
    if cron.split_whitespace().count() != 5 {
        return Err(invalid(call, "`cron_schedule` has five fields."));
    }
    if all && !body.get("enabled").is_some_and(Value::is_boolean) {
        return Err(invalid(call, "`enabled` is needed."));
    }
    for name in ["prompt", "enabled", "agent_config"] {
        if let Some(value) = body.get(name).filter(|value| !value.is_null()) {
            item[name] = value.clone();
        }
    }
    item["updated_at"] = json!(call.now.to_string());
    Ok(item)
}

fn missing(call: &Call) -> Response {
    refused(&call.path, 404, "resource_not_found", "There is nothing of this id.")
}

pub(super) async fn schedules(State(oz): State<Arc<Oz>>, call: Call) -> Response {
    oz.enter(&call, |kept| {
        if call.method == http::Method::GET {
            return ok(&json!({ "schedules": kept.schedules }));
        }
        let at = call.now.to_string();
        let new = json!({ "id": kept.id(), "enabled": true, "prompt": "", "created_at": at, "scope": { "type": "User" } });
        let new = schedule(&call, new, false)?;
        kept.schedules.push(new.clone());
        Ok(reply::json(StatusCode::CREATED, &new))
    })
}

pub(super) async fn one_schedule(State(oz): State<Arc<Oz>>, Path(id): Path<String>, call: Call) -> Response {
    oz.enter(&call, |kept| {
        let at =
            kept.schedules.iter().position(|item| item["id"] == id.as_str()).ok_or_else(|| missing(&call))?;
        match call.method.as_str() {
            "DELETE" => {
                kept.schedules.remove(at);
                return ok(&json!({ "success": true }));
            }
            "PUT" => kept.schedules[at] = schedule(&call, kept.schedules[at].clone(), true)?,
            _ => {}
        }
        ok(&kept.schedules[at])
    })
}

pub(super) async fn switch_schedule(
    State(oz): State<Arc<Oz>>,
    Path((id, what)): Path<(String, String)>,
    call: Call,
) -> Response {
    oz.enter(&call, |kept| {
        if what != "pause" && what != "resume" {
            return Ok(oz.not_modelled(call.method.as_str(), &call.path));
        }
        let found = kept.schedules.iter_mut().find(|item| item["id"] == id.as_str());
        let item = found.ok_or_else(|| missing(&call))?;
        item["enabled"] = json!(what == "resume");
        ok(item)
    })
}

fn identity(call: &Call, mut item: Value, new: bool) -> Result<Value, Response> {
    let body = object(call)?;
    if new {
        text(call, &body, "name")?;
    }
    if let Some(kind) = body.get("agent_type").filter(|kind| !kind.is_null())
        && !kind.as_str().is_some_and(|kind| AGENT_TYPES.contains(&kind))
    {
        return Err(invalid(call, "There is no such `agent_type`."));
    }
    for (name, value) in body {
        if !["uid", "available", "created_at"].contains(&name.as_str()) && !value.is_null() {
            item[name] = value;
        }
    }
    Ok(item)
}

pub(super) async fn identities(State(oz): State<Arc<Oz>>, call: Call) -> Response {
    oz.enter(&call, |kept| {
        if call.method == http::Method::GET {
            return ok(&json!({ "agents": kept.identities }));
        }
        let new = json!({ "uid": kept.id(), "available": true, "created_at": call.now.to_string(),
            "memory": { "attached_stores": [], "auto_memory": { "enabled": false } }, "secrets": [], "skills": [] });
        let new = identity(&call, new, true)?;
        kept.identities.push(new.clone());
        Ok(reply::json(StatusCode::CREATED, &new))
    })
}

pub(super) async fn one_identity(State(oz): State<Arc<Oz>>, Path(uid): Path<String>, call: Call) -> Response {
    oz.enter(&call, |kept| {
        let at = kept
            .identities
            .iter()
            .position(|item| item["uid"] == uid.as_str())
            .ok_or_else(|| missing(&call))?;
        match call.method.as_str() {
            "DELETE" => {
                kept.identities.remove(at);
                return Ok(reply::typed(StatusCode::NO_CONTENT, "application/json", ""));
            }
            "PUT" => kept.identities[at] = identity(&call, kept.identities[at].clone(), false)?,
            _ => {}
        }
        ok(&kept.identities[at])
    })
}
