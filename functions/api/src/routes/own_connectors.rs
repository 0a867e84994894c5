//! Connectors that an organisation makes: of a manifest that somebody wrote, or out of an OpenAPI document.

use super::connectors::{ConnectorDetail, ConnectorView, ManifestRequest, OfVersion, unknown};
use crate::App;
use crate::body::{JsonBody, QueryOf, RawBody};
use crate::error::{ApiError, ApiResult};
use crate::view::{FaultView, ProblemView};
use auth::{Caller, Can, permit};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use calls::OWN;
use connectors::{Manifest, breaking, hosts, yaml};
use domain::audit::Action;
use domain::{Fault, Problem};
use importer::{Options, import};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{ConnectorKept, ConnectorName, ConnectorStore as _, HeldName, KeptConnector};
use utoipa::{IntoParams, ToSchema};

/// How many connectors an organisation may have, and how many versions each.
const MOST: usize = 100;
const MOST_VERSIONS: usize = 50;
/// The largest manifest, as JSON: it is read whole by each worker that calls it.
const MAX_MANIFEST_BYTES: usize = 2 * 1024 * 1024;

/// Keeps a connector of the organisation's own: a new one, a new version, or a change that breaks nothing of a version that is there.
///
/// Its name begins with `my_`, so that no connector of the catalogue ever takes its place. Its addresses stay with the hosts that it has
/// at first: credentials that were given to it go nowhere else.
#[utoipa::path(put, path = "/v1/connectors/{name}", tag = "connections", params(("name" = String, Path)),
    request_body = ManifestRequest, security(("token" = [])), responses(
    (status = 200, body = ConnectorDetail),
    (status = 409, description = "`connector_breaking`, `connector_hosts_changed` or `conflict`", body = ProblemView),
    (status = 413, description = "`connector_too_large`", body = ProblemView),
    (status = 422, description = "`invalid_manifest` with every fault, or `too_many_connectors`", body = ProblemView)))]
pub(crate) async fn put(
    State(app): State<App>,
    caller: Can<permit::ConnectionsWrite>,
    Path(name): Path<String>,
    JsonBody(request): JsonBody<ManifestRequest>,
) -> ApiResult<Json<ConnectorDetail>> {
    let located = yaml::read(&request.text).map_err(|fault| {
        let message = format!("line {}: {}", fault.line, fault.message);
        invalid(vec![Fault::new("", "yaml_malformed", message)])
    })?;
    let manifest = read(&name, &located.value).map_err(|mut faults| {
        for fault in &mut faults {
            fault.message = format!("line {}: {}", yaml::line(&fault.pointer, &located.lines), fault.message);
        }
        invalid(faults)
    })?;
    keep(&app, &caller, &manifest).await?;
    Ok(Json(ConnectorDetail::of(&manifest)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportQuery {
    /// What steps call the connector by; it begins with `my_`.
    #[param(example = "my_shop", min_length = 4, max_length = 64)]
    name: String,
    /// What people see, in place of the document's title.
    title: Option<String>,
    /// Where requests go, in place of the servers that the document names.
    #[param(example = "https://shop.example.com/api")]
    server: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportedConnector)]
pub(crate) struct ImportedView {
    connector: ConnectorView,
    /// What of the document a connector cannot say.
    notes: Vec<FaultView>,
}

/// Makes a connector out of an OpenAPI document (3.0 or 3.1, JSON or YAML, up to 4 MB): each operation an action.
///
/// Imported again, it changes the version that is there, or makes a new one where that would break workflows.
#[utoipa::path(post, path = "/v1/connectors/import", tag = "connections", params(ImportQuery),
    request_body(content((Object = "application/json"), (String = "application/yaml"))),
    security(("token" = [])), responses(
    (status = 201, body = ImportedView),
    (status = 400, description = "`body_malformed`", body = ProblemView),
    (status = 409, description = "`connector_hosts_changed` or `conflict`", body = ProblemView),
    (status = 413, description = "`body_too_large` or `connector_too_large`", body = ProblemView),
    (status = 422, description = "`invalid_openapi` or `invalid_manifest` with every fault, or `too_many_connectors`", body = ProblemView)))]
pub(crate) async fn import_openapi(
    State(app): State<App>,
    caller: Can<permit::ConnectionsWrite>,
    QueryOf(query): QueryOf<ImportQuery>,
    RawBody(text): RawBody,
) -> ApiResult<(StatusCode, Json<ImportedView>)> {
    check_name(&query.name).map_err(|fault| invalid(vec![fault]))?;
    let name = query.name.clone();
    // Large documents take a while, and others are answered meanwhile.
    let imported = tokio::task::spawn_blocking(move || {
        let options =
            Options { name: &query.name, title: query.title.as_deref(), server: query.server.as_deref() };
        import(&text, &options)
    });
    let imported = imported.await.map_err(|error| crate::error::internal(&error))?.map_err(|faults| {
        let detail = "no connector can be made of this document; `errors` says why";
        ApiError::from(Problem::new(422, "invalid_openapi", detail).with_errors(faults))
    })?;
    let mut manifest = read(&name, &imported.manifest).map_err(invalid)?;
    if let Some(newest) = app.newest_own_connector(caller.org_key(), &name).await? {
        let breaks = connectors::read(&newest.document)
            .map_or(true, |before| !breaking(&before, &manifest).is_empty());
        let mut document = imported.manifest;
        document["version"] = (newest.version + u32::from(breaks)).into();
        manifest = read(&name, &document).map_err(invalid)?;
    }
    keep(&app, &caller, &manifest).await?;
    let notes = imported.notes.into_iter().map(FaultView::from).collect();
    Ok((StatusCode::CREATED, Json(ImportedView { connector: ConnectorView::of(&manifest), notes })))
}

/// Deletes a connector of the organisation's own, or one version of it. Steps that call it fail from then on.
#[utoipa::path(delete, path = "/v1/connectors/{name}", tag = "connections", params(("name" = String, Path), OfVersion),
    security(("token" = [])), responses(
    (status = 204, description = "It is gone"),
    (status = 404, description = "`connector_unknown`: also of one that is not the organisation's own", body = ProblemView),
    (status = 409, description = "`connector_in_use`: there are connections of it, or a client; or `conflict`", body = ProblemView),
    (status = 422, description = "a parameter that cannot be", body = ProblemView)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Can<permit::ConnectionsWrite>,
    Path(name): Path<String>,
    QueryOf(query): QueryOf<OfVersion>,
) -> ApiResult<StatusCode> {
    let org = caller.org_key();
    let mut known = app.store.connector_name(org, &name).await?.ok_or_else(unknown)?;
    let gone: Vec<u32> = known
        .held
        .versions
        .iter()
        .copied()
        .filter(|of| query.version.is_none_or(|only| only == *of))
        .collect();
    if gone.is_empty() {
        return Err(unknown());
    }
    known.held.versions.retain(|version| !gone.contains(version));
    if known.held.versions.is_empty() {
        let connections = app.store.connections(org, None, usize::MAX).await?;
        let used = connections.iter().filter(|kept| kept.connection.connector == name).count();
        let client = store::ConnectionStore::oauth_client(app.store.as_ref(), org, &name).await?.is_some();
        if used > 0 || client {
            let detail = format!(
                "{used} connections and {} lead to it; delete them first",
                if client { "a client" } else { "no client" }
            );
            return Err(ApiError::new(409, "connector_in_use", detail));
        }
    } else if let Some(newest) = known.held.versions.last()
        && let Some(kept) = app.store.own_connector(org, &name, *newest).await?
        && let Ok(manifest) = connectors::read(&kept.document)
    {
        known.held.summary = summary(&manifest);
    }
    let record = caller.record(Action::ConnectorDeleted, app.now()).on("connector", &name);
    let record = record.before(json!({"versions": gone}));
    if !app.store.delete_own_connector(org, &known, &gone, &record).await? {
        return Err(conflict());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A manifest of this name.
fn read(name: &str, document: &Value) -> Result<Manifest, Vec<Fault>> {
    let manifest = connectors::read(document)?;
    if manifest.name != name {
        let message = format!("the address says `{name}`");
        return Err(vec![Fault::new("/name", "name_mismatch", message)]);
    }
    check_name(name).map_err(|fault| vec![fault])?;
    Ok(manifest)
}

fn check_name(name: &str) -> Result<(), Fault> {
    let plain =
        name.len() <= 64 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain && name.strip_prefix(OWN).is_some_and(|rest| !rest.is_empty()) {
        return Ok(());
    }
    let message = format!(
        "the name of a connector of your own begins with `{OWN}` and goes on with small letters, digits and `_`, 64 at most"
    );
    Err(Fault::new("/name", "invalid_id", message))
}

fn invalid(faults: Vec<Fault>) -> ApiError {
    Problem::new(422, "invalid_manifest", "the manifest has faults; `errors` says where")
        .with_errors(faults)
        .into()
}

async fn keep(app: &App, caller: &Caller, manifest: &Manifest) -> ApiResult<()> {
    let (org, now) = (caller.org_key(), app.now());
    let name = &manifest.name;
    if manifest.document.to_string().len() > MAX_MANIFEST_BYTES {
        return Err(too_large());
    }
    let mut known = match app.store.connector_name(org, name).await? {
        Some(known) => known,
        None if app.store.connector_names(org).await?.len() >= MOST => return Err(too_many()),
        None => ConnectorName {
            name: name.clone(),
            held: HeldName { leads_to: hosts(&manifest.document), ..HeldName::default() },
            revision: 0,
        },
    };
    let leads_to = hosts(&manifest.document);
    if leads_to != known.held.leads_to {
        let differs = leads_to.symmetric_difference(&known.held.leads_to);
        let detail = format!(
            "the connector would lead elsewhere, or sign in otherwise, than when it was made ({}); give it another name",
            differs.map(|host| format!("`{host}`")).collect::<Vec<_>>().join(", ")
        );
        return Err(ApiError::new(409, "connector_hosts_changed", detail));
    }
    let newest = known.held.versions.last().copied();
    if known.held.versions.contains(&manifest.version) {
        let there = app.store.own_connector(org, name, manifest.version).await?;
        let there = there.and_then(|there| connectors::read(&there.document).ok());
        // One that cannot be read any more breaks what uses it as it is.
        let changes = there.map(|there| breaking(&there, manifest)).unwrap_or_default();
        if !changes.is_empty() {
            let detail =
                "this would break workflows that use this version; give the manifest a greater `version`";
            return Err(Problem::new(409, "connector_breaking", detail).with_errors(changes).into());
        }
    } else if let Some(newest) = newest.filter(|newest| manifest.version < *newest) {
        let message = format!("there is a version {newest} already; a new one has a greater number");
        return Err(invalid(vec![Fault::new("/version", "version_order", message)]));
    } else if known.held.versions.len() >= MOST_VERSIONS {
        return Err(too_many());
    }
    known.held.versions.insert(manifest.version);
    if newest.is_none_or(|newest| manifest.version >= newest) {
        known.held.summary = summary(manifest);
    }
    let kept = KeptConnector {
        name: name.clone(),
        version: manifest.version,
        document: manifest.document.clone(),
        changed_at: now,
        changed_by: caller.name().to_owned(),
    };
    let told = json!({"version": kept.version, "actions": manifest.actions.len()});
    let record = caller.record(Action::ConnectorSaved, now).on("connector", name).after(told);
    match app.store.put_own_connector(org, &known, &kept, &record).await? {
        ConnectorKept::Kept => Ok(()),
        ConnectorKept::Changed => Err(conflict()),
        ConnectorKept::TooLarge => Err(too_large()),
    }
}

/// What lists show.
fn summary(manifest: &Manifest) -> Value {
    json!({"title": manifest.title, "description": manifest.description, "categories": manifest.categories,
        "actions": manifest.actions.len(), "triggers": manifest.triggers.len()})
}

fn conflict() -> ApiError {
    ApiError::new(409, "conflict", "somebody else changed this connector just now; try again")
}

fn too_many() -> ApiError {
    let detail = format!(
        "an organisation may have {MOST} names of connectors, deleted ones included, and {MOST_VERSIONS} versions of each"
    );
    ApiError::new(422, "too_many_connectors", detail)
}

fn too_large() -> ApiError {
    let detail = "the manifest is over 2 MB, or over 380 KB when it is packed; leave out operations that you do not need";
    ApiError::new(413, "connector_too_large", detail)
}
