//! What a definition uses of connectors: the versions that it is pinned to, and whether its steps are what they ask for.

use crate::App;
use crate::error::ApiResult;
use connectors::manifest::AuthKind;
use connectors::{built_in, schema, with_max_items};
use domain::workflow::schema::file_input;
use domain::workflow::{Action, StepKind, is_built_in};
use domain::{Fault, OrgKey, fault};
use engine::Plan;
use serde_json::{Value, json};
use store::ConnectionStore;

/// The definition with the newest version of each connector that it uses and names no version of: so it keeps what it was tested with.
pub(super) fn pinned(mut document: Value) -> Value {
    let (definition, _) = domain::workflow::parse(&document);
    let Some(definition) = definition else { return document };
    let mut pins = definition.connectors.clone();
    for action in definition.all_steps().filter_map(|step| match &step.kind {
        StepKind::Action(action) if !is_built_in(&action.uses) => Some(action),
        _ => None,
    }) {
        let (app, _) = action.app();
        if let Some(manifest) = built_in(app, None) {
            pins.entry(app.to_owned()).or_insert(manifest.version);
        }
    }
    if pins != definition.connectors {
        document["connectors"] = json!(pins);
    }
    document
}

/// Faults of steps that call apps, or work on files.
pub(super) fn faults(plan: &Plan) -> Vec<Fault> {
    let mut faults = Vec::new();
    for step in plan.definition().all_steps() {
        let StepKind::Action(action) = &step.kind else { continue };
        if let Some(wanted) = file_input(&action.uses) {
            let at = format!("{}/input", step.pointer);
            faults.extend(schema::check(&action.input, &wanted, &serde_json::Map::new(), &at, true));
        }
    }
    for (at, action) in actions(plan) {
        let (app, name) = action.app();
        let version = plan.definition().connectors.get(app).copied();
        let Some(manifest) = built_in(app, version) else {
            let message = match version {
                Some(version) => format!("there is no version {version} of the connector `{app}`"),
                None => format!("there is no connector `{app}`; `GET /v1/connectors` lists them"),
            };
            faults.push(Fault::new(format!("{at}/use"), "connector_unknown", message));
            continue;
        };
        let Some(of) = manifest.actions.get(name) else {
            let known: Vec<_> = manifest.actions.keys().map(|name| format!("`{app}.{name}`")).collect();
            let message = format!("`{app}` has no action `{name}`; it has {}", known.join(", "));
            faults.push(Fault::new(format!("{at}/use"), "action_unknown", message));
            continue;
        };
        let wanted = if of.pages.is_some() { with_max_items(&of.input) } else { of.input.clone() };
        faults.extend(schema::check(&action.input, &wanted, &manifest.schemas, &format!("{at}/input"), true));
        let needs = !manifest.auth.is_empty() && manifest.auth.iter().all(|auth| auth.kind != AuthKind::None);
        if needs && action.connection.is_none() {
            let message = format!("{} needs a connection: `connection` is its id", manifest.title);
            faults.push(Fault::new(at, "connection_missing", message));
        }
    }
    faults
}

/// Connections that the organisation does not have, or that lead elsewhere.
pub(super) async fn connection_faults(app: &App, org: &OrgKey, plan: &Plan) -> ApiResult<Vec<Fault>> {
    let mut faults = Vec::new();
    let mut known = std::collections::BTreeMap::new();
    for (at, action) in actions(plan) {
        let Some(id) = &action.connection else { continue };
        if !known.contains_key(id) {
            known.insert(id, app.store.connection(org, id).await?);
        }
        let at = fault::join(&at, "connection");
        match &known[id] {
            None => {
                let message = format!("there is no connection {id}; `GET /v1/connections` lists them");
                faults.push(Fault::new(at, "connection_missing", message));
            }
            Some(kept) if kept.connection.connector != action.app().0 => {
                let message = format!("this connection leads to {}", kept.connection.connector);
                faults.push(Fault::new(at, "connection_mismatch", message));
            }
            Some(_) => {}
        }
    }
    Ok(faults)
}

/// The steps that call apps, with their places.
fn actions(plan: &Plan) -> Vec<(String, &Action)> {
    let steps = plan.definition().all_steps();
    let mut found: Vec<_> = steps
        .filter_map(|step| match &step.kind {
            StepKind::Action(action) if !is_built_in(&action.uses) => Some((step.pointer.clone(), action)),
            _ => None,
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}
