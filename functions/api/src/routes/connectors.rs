//! Connectors: which apps there are, and what each can be asked to do.

use crate::App;
use crate::body::{JsonBody, QueryOf};
use crate::error::{ApiError, ApiResult};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::{Path, State};
use calls::OWN;
use connectors::{Manifest, built_in, names, yaml};
use domain::Fault;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// A connector: an app's API.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connector)]
pub(crate) struct ConnectorView {
    #[schema(example = "slack")]
    name: String,
    #[schema(example = "Slack")]
    title: String,
    #[schema(example = 1)]
    version: u32,
    #[schema(example = "Channels, messages and people of a Slack workspace.")]
    description: String,
    categories: Vec<String>,
    /// How many actions it has.
    #[schema(example = 12)]
    actions: usize,
    /// How many triggers it has.
    #[schema(example = 1)]
    triggers: usize,
    /// Whether the organisation made it.
    own: bool,
}

impl ConnectorView {
    pub(super) fn of(manifest: &Manifest) -> Self {
        Self {
            name: manifest.name.clone(),
            title: manifest.title.clone(),
            version: manifest.version,
            description: manifest.description.clone(),
            categories: manifest.categories.clone(),
            actions: manifest.actions.len(),
            triggers: manifest.triggers.len(),
            own: manifest.name.starts_with(OWN),
        }
    }

    /// Of an organisation's own, as it was when it was kept.
    fn kept(name: String, version: u32, summary: &Value) -> Self {
        let text = |field: &str| summary[field].as_str().unwrap_or_default().to_owned();
        let count = |field: &str| summary[field].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let categories = summary["categories"].as_array().into_iter().flatten();
        Self {
            name,
            title: text("title"),
            version,
            description: text("description"),
            categories: categories.filter_map(Value::as_str).map(str::to_owned).collect(),
            actions: count("actions"),
            triggers: count("triggers"),
            own: true,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorList {
    items: Vec<ConnectorView>,
}

/// Lists connectors, by name.
#[utoipa::path(get, path = "/v1/connectors", tag = "connections", security(("token" = [])), responses(
    (status = 200, body = ConnectorList)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Can<permit::ConnectionsRead>,
) -> ApiResult<Json<ConnectorList>> {
    let manifests = names().into_iter().filter_map(|(name, version)| built_in(name, Some(version)));
    let mut items: Vec<ConnectorView> = manifests.map(|manifest| ConnectorView::of(&manifest)).collect();
    for known in app.store.connector_names(caller.org_key()).await? {
        if let Some(newest) = known.held.versions.last() {
            items.push(ConnectorView::kept(known.name, *newest, &known.held.summary));
        }
    }
    items.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(ConnectorList { items }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfVersion {
    /// Which version; without it the newest.
    #[param(minimum = 1)]
    pub(super) version: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorDetail {
    #[serde(flatten)]
    connector: ConnectorView,
    /// The whole manifest, as docs/connectors.md describes it: ways to sign in, actions with the schemas of their inputs and outputs.
    #[schema(value_type = Object)]
    manifest: Value,
}

impl ConnectorDetail {
    pub(super) fn of(manifest: &Manifest) -> Self {
        Self { connector: ConnectorView::of(manifest), manifest: manifest.document.clone() }
    }
}

/// One connector with its manifest.
#[utoipa::path(get, path = "/v1/connectors/{name}", tag = "connections", params(("name" = String, Path), OfVersion),
    security(("token" = [])), responses(
    (status = 200, body = ConnectorDetail),
    (status = 404, description = "`connector_unknown`", body = ProblemView),
    (status = 422, description = "a parameter that cannot be", body = ProblemView)))]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Can<permit::ConnectionsRead>,
    Path(name): Path<String>,
    QueryOf(query): QueryOf<OfVersion>,
) -> ApiResult<Json<ConnectorDetail>> {
    let manifest = app.connector(caller.org_key(), &name, query.version).await?.ok_or_else(unknown)?;
    Ok(Json(ConnectorDetail::of(&manifest)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManifestRequest {
    /// The manifest as YAML or JSON; faults come with their lines.
    #[schema(example = "name: acme\ntitle: Acme\nbase_url: https://api.acme.example\nactions: {}\n")]
    pub(super) text: String,
}

/// A fault of a manifest.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ManifestFault {
    #[schema(example = 3)]
    line: usize,
    #[schema(example = "/base_url")]
    pointer: String,
    #[schema(example = "missing_field")]
    code: String,
    #[schema(example = "`base_url` is missing")]
    message: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ManifestValidation {
    valid: bool,
    /// Every fault, with its place.
    errors: Vec<ManifestFault>,
}

/// Tells every fault of a manifest.
#[utoipa::path(post, path = "/v1/connectors/validate", tag = "connections", request_body = ManifestRequest, security(("token" = [])),
    responses((status = 200, body = ManifestValidation)))]
pub(crate) async fn validate(
    State(_app): State<App>,
    _caller: Can<permit::ConnectionsRead>,
    JsonBody(request): JsonBody<ManifestRequest>,
) -> ApiResult<Json<ManifestValidation>> {
    let errors = match yaml::read(&request.text) {
        Err(fault) => vec![ManifestFault {
            line: fault.line,
            pointer: String::new(),
            code: "yaml_malformed".to_owned(),
            message: fault.message,
        }],
        Ok(located) => match connectors::read(&located.value) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.into_iter().map(|fault| placed(fault, &located.lines)).collect(),
        },
    };
    Ok(Json(ManifestValidation { valid: errors.is_empty(), errors }))
}

fn placed(fault: Fault, lines: &BTreeMap<String, usize>) -> ManifestFault {
    ManifestFault {
        line: yaml::line(&fault.pointer, lines),
        pointer: fault.pointer,
        code: fault.code,
        message: fault.message,
    }
}

pub(super) fn unknown() -> ApiError {
    ApiError::new(404, "connector_unknown", "there is no such connector, or not in this version")
}
