//! What a definition uses of connectors: the versions that it is pinned to, and whether its steps are what they ask for.

use crate::App;
use crate::error::ApiResult;
use calls::OWN;
use connectors::manifest::AuthKind;
use connectors::{Manifest, built_in, schema, with_max_items};
use domain::workflow::schema::file_input;
use domain::workflow::{Action, AppTrigger, Completion, Definition, StepKind, TriggerKind, is_built_in};
use domain::{ConnectionId, Fault, OrgKey, fault};
use engine::Plan;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::ConnectionStore;

/// The connectors that a definition names: those of the catalogue, and of the organisation's own the versions that it is pinned to, else the newest.
#[derive(Default)]
pub(super) struct Known {
    own: BTreeMap<String, Arc<Manifest>>,
}

impl Known {
    pub(super) async fn of(app: &App, org: &OrgKey, document: &Value) -> ApiResult<Self> {
        let (definition, _) = domain::workflow::parse(document);
        let Some(definition) = definition else { return Ok(Self::default()) };
        let mut own = BTreeMap::new();
        for name in apps(&definition).into_iter().filter(|name| name.starts_with(OWN)) {
            let version = definition.connectors.get(&name).copied();
            if let Some(manifest) = app.connector(org, &name, version).await? {
                own.insert(name, manifest);
            }
        }
        Ok(Self { own })
    }

    fn get(&self, name: &str, version: Option<u32>) -> Option<Arc<Manifest>> {
        if name.starts_with(OWN) {
            let manifest = self.own.get(name)?;
            return version.is_none_or(|version| version == manifest.version).then(|| manifest.clone());
        }
        built_in(name, version)
    }

    /// The definition with the newest version of each connector that it uses and names no version of: so it keeps what it was tested with.
    pub(super) fn pin(&self, mut document: Value) -> Value {
        let (definition, _) = domain::workflow::parse(&document);
        let Some(definition) = definition else { return document };
        let mut pins = definition.connectors.clone();
        for name in apps(&definition) {
            if let (false, Some(manifest)) = (pins.contains_key(&name), self.get(&name, None)) {
                pins.insert(name, manifest.version);
            }
        }
        if pins != definition.connectors {
            document["connectors"] = json!(pins);
        }
        document
    }
}

/// The apps that steps call and triggers ask.
fn apps(definition: &Definition) -> BTreeSet<String> {
    let steps = definition.all_steps().filter_map(|step| match &step.kind {
        StepKind::Action(action) if !is_built_in(&action.uses) => Some(action.app().0.to_owned()),
        _ => None,
    });
    let triggers = definition.triggers.iter().filter_map(|t| Some(app_of(&t.kind)?.app().0.to_owned()));
    steps.chain(triggers).collect()
}

/// Faults of steps that call apps, or work on files, and of triggers that ask apps.
pub(super) fn faults(plan: &Plan, known: &Known) -> Vec<Fault> {
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
        let Some(manifest) = manifest(plan, known, app, &at, &mut faults) else { continue };
        let Some(of) = manifest.actions.get(name) else {
            let known: Vec<_> = manifest.actions.keys().map(|name| format!("`{app}.{name}`")).collect();
            let message = format!("`{app}` has no action `{name}`; it has {}", known.join(", "));
            faults.push(Fault::new(format!("{at}/use"), "action_unknown", message));
            continue;
        };
        let wanted = if of.pages.is_some() { with_max_items(&of.input) } else { of.input.clone() };
        faults.extend(schema::check(&action.input, &wanted, &manifest.schemas, &format!("{at}/input"), true));
        if matches!(action.wait, Some(Completion::Within(_))) && of.completes.is_none() {
            let message = format!("what `{}` does is over with its answer", action.uses);
            faults.push(Fault::new(format!("{at}/wait"), "nothing_to_wait_for", message));
        }
        faults.extend(unconnected(&manifest, action.connection.as_ref(), at));
    }
    for (at, kind, trigger) in app_triggers(plan) {
        let (app, name) = trigger.app();
        let Some(manifest) = manifest(plan, known, app, &at, &mut faults) else { continue };
        let fits = |of: &connectors::trigger::Trigger| match kind {
            TriggerKind::App(_) => of.hook.is_some(),
            _ => of.poll.is_some(),
        };
        let Some(of) = manifest.triggers.get(name).filter(|of| fits(of)) else {
            let known = manifest.triggers.iter().filter(|(_, of)| fits(of));
            let known: Vec<_> = known.map(|(name, _)| format!("`{app}.{name}`")).collect();
            let kind = kind.name();
            let message = if known.is_empty() {
                format!("{} has no triggers of type `{kind}`", manifest.title)
            } else {
                format!("`{app}` has no trigger `{name}` of type `{kind}`; it has {}", known.join(", "))
            };
            faults.push(Fault::new(format!("{at}/use"), "trigger_unknown", message));
            continue;
        };
        let at_input = format!("{at}/input");
        faults.extend(schema::check(&trigger.input, &of.input, &manifest.schemas, &at_input, false));
        faults.extend(unconnected(&manifest, trigger.connection.as_ref(), at));
    }
    faults
}

/// The connector that is used at a place, of the version that is pinned.
fn manifest(
    plan: &Plan,
    known: &Known,
    app: &str,
    at: &str,
    faults: &mut Vec<Fault>,
) -> Option<Arc<Manifest>> {
    let version = plan.definition().connectors.get(app).copied();
    let found = known.get(app, version);
    if found.is_none() {
        let message = match version {
            Some(version) => format!("there is no version {version} of the connector `{app}`"),
            None => format!("there is no connector `{app}`; `GET /v1/connectors` lists them"),
        };
        faults.push(Fault::new(format!("{at}/use"), "connector_unknown", message));
    }
    found
}

fn unconnected(manifest: &Manifest, connection: Option<&ConnectionId>, at: String) -> Option<Fault> {
    let needs = !manifest.auth.is_empty() && manifest.auth.iter().all(|auth| auth.kind != AuthKind::None);
    (needs && connection.is_none()).then(|| {
        let message = format!("{} needs a connection: `connection` is its id", manifest.title);
        Fault::new(at, "connection_missing", message)
    })
}

/// Connections that the organisation does not have, or that lead elsewhere.
pub(super) async fn connection_faults(app: &App, org: &OrgKey, plan: &Plan) -> ApiResult<Vec<Fault>> {
    let mut faults = Vec::new();
    let mut known = std::collections::BTreeMap::new();
    let by_steps = actions(plan).into_iter().map(|(at, action)| (at, action.app().0, &action.connection));
    let by_triggers = app_triggers(plan).into_iter().map(|(at, _, of)| (at, of.app().0, &of.connection));
    for (at, connector, connection) in by_steps.chain(by_triggers) {
        let Some(id) = connection else { continue };
        if !known.contains_key(id) {
            known.insert(id, app.store.connection(org, id).await?);
        }
        let at = fault::join(&at, "connection");
        match &known[id] {
            None => {
                let message = format!("there is no connection {id}; `GET /v1/connections` lists them");
                faults.push(Fault::new(at, "connection_missing", message));
            }
            Some(kept) if kept.connection.connector != connector => {
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

/// The triggers that apps have a part in, with their places and kinds.
fn app_triggers(plan: &Plan) -> Vec<(String, &TriggerKind, &AppTrigger)> {
    let triggers = plan.definition().triggers.iter();
    triggers.filter_map(|t| Some((t.pointer.clone(), &t.kind, app_of(&t.kind)?))).collect()
}

fn app_of(kind: &TriggerKind) -> Option<&AppTrigger> {
    match kind {
        TriggerKind::Poll(poll) => Some(&poll.of),
        TriggerKind::App(of) => Some(of),
        TriggerKind::Webhook { .. }
        | TriggerKind::Manual
        | TriggerKind::Schedule { .. }
        | TriggerKind::Workflow
        | TriggerKind::Event { .. } => None,
    }
}
