//! Connections: access to apps. Credentials are taken, kept in the vault, and shown to nobody again.

use super::connectors::unknown;
use super::members::PageQuery;
use super::setup::{name_of, random};
use crate::App;
use crate::body::{IdOf, JsonBody, QueryOf};
use crate::credentials;
use crate::error::{ApiError, ApiResult, internal};
use crate::etag::{IfMatch, tagged};
use crate::page;
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use calls::http_request::Prepared;
use calls::{NotOpened, Opener, Secrets, Sender, carry, send_plain};
use connectors::manifest::{Auth, Grant, Options};
use connectors::{Call, MAX_ITEMS_FIELD, Manifest, evaluate, schema};
use domain::audit::Action;
use domain::connection::{Connection, ConnectionStatus, Credentials, sealed_for};
use domain::run::StepError;
use domain::{ConnectionId, Fault, Millis, OrgKey, Problem};
use egress::HttpPort;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use store::{ConnectionStore, KeptConnection, StoreError, TokenChange};
use utoipa::ToSchema;
use vault::Secret;

/// How many choices of a field are given.
const MAX_CHOICES: usize = 200;
/// How long the app may take to answer a test.
const TEST_TIMEOUT: Duration = Duration::from_secs(10);

/// An access to an app.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
pub(crate) struct ConnectionView {
    #[schema(example = "conn_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    id: String,
    #[schema(example = "Slack of the sales team")]
    name: String,
    #[schema(example = "slack")]
    connector: String,
    /// Which of the connector's ways to sign in.
    #[schema(example = "bot")]
    auth: String,
    /// What is not secret.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
    /// `ready`, `pending` or `needs_reconnect`.
    #[schema(example = "ready")]
    status: String,
    /// Why it needs to be made anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    created_at: String,
    #[schema(example = "ada@example.com")]
    created_by: String,
    changed_at: String,
    /// Who agreed to it at the app, last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ada@example.com")]
    authorized_by: Option<String>,
}

impl From<&KeptConnection> for ConnectionView {
    fn from(kept: &KeptConnection) -> Self {
        let of = &kept.connection;
        Self {
            id: kept.id.to_string(),
            name: of.name.clone(),
            connector: of.connector.clone(),
            auth: of.auth.clone(),
            fields: of.fields.clone(),
            status: of.status.as_str().to_owned(),
            reason: of.reason.clone(),
            created_at: of.created_at.rfc3339(),
            created_by: of.created_by.clone(),
            changed_at: of.changed_at.rfc3339(),
            authorized_by: of.authorized_by.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionList {
    items: Vec<ConnectionView>,
    /// Present when there are more.
    next_cursor: Option<String>,
}

type Tagged<T> = ([(HeaderName, HeaderValue); 1], Json<T>);

/// Lists connections.
#[utoipa::path(get, path = "/v1/connections", tag = "connections", params(PageQuery), security(("token" = [])), responses(
    (status = 200, body = ConnectionList),
    (status = 422, description = "a parameter that cannot be", body = ProblemView)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Can<permit::ConnectionsRead>,
    QueryOf(query): QueryOf<PageQuery>,
) -> ApiResult<Json<ConnectionList>> {
    let limit = page::limit(query.limit)?;
    let pages = app.pages("connections", caller.org_key()).await?;
    let after = pages.decode(query.cursor.as_deref())?.and_then(|id| ConnectionId::parse(&id).ok());
    let mut found = app.store.connections(caller.org_key(), after.as_ref(), limit + 1).await?;
    let next_cursor = pages.cut(&mut found, limit, |kept| kept.id.to_string());
    Ok(Json(ConnectionList { items: found.iter().map(Into::into).collect(), next_cursor }))
}

/// What a connection is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionRequest {
    #[schema(example = "Slack of the sales team")]
    name: String,
    #[schema(example = "slack")]
    connector: String,
    /// Which of the connector's ways to sign in; without it the first.
    #[schema(example = "bot")]
    auth: Option<String>,
    /// What is not secret, such as a subdomain or a user name.
    #[schema(value_type = Option<Object>)]
    fields: Option<Map<String, Value>>,
    /// The secrets by their names. They are kept apart, and shown to nobody again.
    #[schema(value_type = Option<Object>)]
    credentials: Option<Credentials>,
}

/// Makes a connection. Its credentials are not tried: `POST /v1/connections/{id}/test` does that.
#[utoipa::path(post, path = "/v1/connections", tag = "connections", request_body = ConnectionRequest, security(("token" = [])), responses(
    (status = 201, body = ConnectionView),
    (status = 404, description = "`connector_unknown`", body = ProblemView),
    (status = 422, description = "`invalid_name`, `credentials_too_large`, or `invalid_connection` with every fault", body = ProblemView)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Can<permit::ConnectionsWrite>,
    JsonBody(request): JsonBody<ConnectionRequest>,
) -> ApiResult<(StatusCode, Tagged<ConnectionView>)> {
    let name = name_of(&request.name)?;
    let manifest = app.connector(caller.org_key(), &request.connector, None).await?.ok_or_else(unknown)?;
    let auth = chosen(&manifest, request.auth.as_deref())?;
    let (fields, credentials) = (request.fields.unwrap_or_default(), request.credentials.unwrap_or_default());
    check(&manifest, auth, &fields, Some(&credentials))?;
    let now = app.now();
    let id = ConnectionId::from_bytes(random());
    let connection = Connection {
        name,
        connector: manifest.name.clone(),
        auth: auth.id.clone(),
        fields,
        status: status_of(auth),
        reason: None,
        created_at: now,
        created_by: caller.name().to_owned(),
        changed_at: now,
        authorized_by: None,
    };
    let org = caller.org_key();
    let credentials = keep(&app, org, &id, &credentials).await?;
    let kept = KeptConnection { id, connection, credentials, revision: 1, tokens: None, number: 0 };
    let record = caller.record(Action::ConnectionCreated, now).on("connection", &kept.id);
    let record = record.after(told(&kept.connection));
    let written = app.store.create_connection(org, &kept, &record).await;
    if !credentials::settle(&app, org, written, None, kept.credentials.as_ref()).await? {
        return Err(conflict());
    }
    Ok((StatusCode::CREATED, (tagged(1), Json((&kept).into()))))
}

/// One connection.
#[utoipa::path(get, path = "/v1/connections/{id}", tag = "connections", params(("id" = String, Path)), security(("token" = [])), responses(
    (status = 200, body = ConnectionView),
    (status = 404, description = "`connection_not_found`", body = ProblemView)))]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Can<permit::ConnectionsRead>,
    IdOf(id): IdOf<ConnectionId>,
) -> ApiResult<Tagged<ConnectionView>> {
    let kept = find(&app, caller.org_key(), &id).await?;
    Ok((tagged(kept.revision), Json((&kept).into())))
}

/// How a connection is changed. What is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionChange {
    #[schema(example = "Slack of the sales team")]
    name: Option<String>,
    /// All of them. They may say where credentials are sent, so new ones need the credentials again.
    #[schema(value_type = Option<Object>)]
    fields: Option<Map<String, Value>>,
    /// All of them, by their names.
    #[schema(value_type = Option<Object>)]
    credentials: Option<Credentials>,
}

/// Changes a connection, or gives it new credentials. Steps use them at once.
#[utoipa::path(patch, path = "/v1/connections/{id}", tag = "connections", request_body = ConnectionChange,
    params(("id" = String, Path), ("if-match" = Option<String>, Header)), security(("token" = [])), responses(
    (status = 200, body = ConnectionView),
    (status = 404, description = "`connection_not_found`", body = ProblemView),
    (status = 409, description = "`conflict`", body = ProblemView),
    (status = 412, description = "`precondition_failed`", body = ProblemView),
    (status = 422, description = "`invalid_name`, `credentials_needed`, `credentials_too_large`, or `invalid_connection` with every fault", body = ProblemView)))]
pub(crate) async fn change(
    State(app): State<App>,
    caller: Can<permit::ConnectionsWrite>,
    IdOf(id): IdOf<ConnectionId>,
    if_match: IfMatch,
    JsonBody(request): JsonBody<ConnectionChange>,
) -> ApiResult<Tagged<ConnectionView>> {
    let org = caller.org_key();
    let mut kept = find(&app, org, &id).await?;
    if_match.check(kept.revision)?;
    let before = told(&kept.connection);
    let old = kept.credentials.clone();
    if let Some(name) = &request.name {
        kept.connection.name = name_of(name)?;
    }
    let manifest = app.connector(org, &kept.connection.connector, None).await?.ok_or_else(unknown)?;
    let auth = chosen(&manifest, Some(&kept.connection.auth))?;
    let has_secrets = kept.credentials.is_some();
    let mut tokens = TokenChange::Stay;
    if let Some(fields) = request.fields.filter(|fields| *fields != kept.connection.fields) {
        if has_secrets && request.credentials.is_none() {
            let detail = "these fields may say where credentials are sent: give the credentials again, too";
            return Err(ApiError::new(422, "credentials_needed", detail));
        }
        kept.connection.fields = fields;
        // They may say where tokens are sent, too.
        tokens = TokenChange::Gone;
        kept.connection.status = status_of(auth);
        kept.connection.reason = None;
    }
    check(&manifest, auth, &kept.connection.fields, request.credentials.as_ref())?;
    if let Some(credentials) = &request.credentials {
        kept.credentials = keep(&app, org, &id, credentials).await?;
        kept.connection.status = status_of(auth);
        kept.connection.reason = None;
        tokens = TokenChange::Gone;
    }
    kept.connection.changed_at = app.now();
    kept.revision += 1;
    let mut after = told(&kept.connection);
    if request.credentials.is_some() {
        after["credentials"] = "new".into();
    }
    let record = caller.record(Action::ConnectionChanged, app.now()).on("connection", &id);
    let record = record.before(before).after(after);
    let written = app.store.change_connection(org, &kept, &tokens, &record).await;
    if !credentials::settle(&app, org, written, old.as_ref(), kept.credentials.as_ref()).await? {
        return Err(conflict());
    }
    Ok((tagged(kept.revision), Json((&kept).into())))
}

/// Deletes a connection with its credentials. Steps that use it fail from now on.
#[utoipa::path(delete, path = "/v1/connections/{id}", tag = "connections", params(("id" = String, Path)), security(("token" = [])), responses(
    (status = 204, description = "It is gone"),
    (status = 404, description = "`connection_not_found`", body = ProblemView),
    (status = 409, description = "`conflict`", body = ProblemView)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Can<permit::ConnectionsWrite>,
    IdOf(id): IdOf<ConnectionId>,
) -> ApiResult<StatusCode> {
    let org = caller.org_key();
    let kept = find(&app, org, &id).await?;
    let record = caller.record(Action::ConnectionDeleted, app.now()).on("connection", &id);
    let record = record.before(told(&kept.connection));
    let written = app.store.delete_connection(org, &id, kept.revision, &record).await;
    if !credentials::settle(&app, org, written, kept.credentials.as_ref(), None).await? {
        return Err(conflict());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What a test came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectionTest {
    /// Whether the app took the credentials.
    ok: bool,
    /// What it answered, such as who it takes one for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    output: Option<Value>,
    /// Why it did not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<TestError>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestError {
    #[schema(example = "credentials_refused")]
    pub(super) code: String,
    #[schema(example = "Slack refused: invalid_auth")]
    pub(super) message: String,
}

/// Asks the app whether it takes a connection's credentials.
#[utoipa::path(post, path = "/v1/connections/{id}/test", tag = "connections", params(("id" = String, Path)), security(("token" = [])), responses(
    (status = 200, body = ConnectionTest),
    (status = 404, description = "`connection_not_found`", body = ProblemView),
    (status = 409, description = "`connector_untestable`: the app has nothing harmless to ask", body = ProblemView)))]
pub(crate) async fn test(
    State(app): State<App>,
    caller: Can<permit::ConnectionsWrite>,
    IdOf(id): IdOf<ConnectionId>,
) -> ApiResult<Json<ConnectionTest>> {
    let org = caller.org_key();
    let kept = find(&app, org, &id).await?;
    let manifest = app.connector(org, &kept.connection.connector, None).await?.ok_or_else(unknown)?;
    let Some(action) = manifest.test.clone() else {
        let detail = "this connector names no action by which a connection could be tested";
        return Err(ApiError::new(409, "connector_untestable", detail));
    };
    Ok(Json(match ask(&app, org, &id, manifest, &action, json!({})).await {
        Ok(output) => ConnectionTest { ok: true, output: Some(output), error: None },
        Err(StepError { code, message, .. }) => {
            ConnectionTest { ok: false, output: None, error: Some(TestError { code, message }) }
        }
    }))
}

/// Which choices are asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptionsRequest {
    #[schema(example = "post_message")]
    action: String,
    /// The field of its input.
    #[schema(example = "channel")]
    field: String,
    /// What is filled in so far: the choices of one field may follow from another.
    #[schema(value_type = Option<Object>)]
    input: Option<Value>,
}

/// A choice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Choice {
    /// What the field takes.
    value: Value,
    /// What people see.
    #[schema(example = "#general")]
    label: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Choices {
    items: Vec<Choice>,
    /// Whether there are more than were asked for.
    more: bool,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<TestError>,
}

/// Asks the app for the choices of a field, such as channels or tables.
#[utoipa::path(post, path = "/v1/connections/{id}/options", tag = "connections", params(("id" = String, Path)),
    request_body = OptionsRequest, security(("token" = [])), responses(
    (status = 200, body = Choices),
    (status = 404, description = "`connection_not_found`, or `no_options`: the field has no choices to ask for", body = ProblemView)))]
pub(crate) async fn options(
    State(app): State<App>,
    caller: Can<permit::ConnectionsWrite>,
    IdOf(id): IdOf<ConnectionId>,
    JsonBody(request): JsonBody<OptionsRequest>,
) -> ApiResult<Json<Choices>> {
    let org = caller.org_key();
    let kept = find(&app, org, &id).await?;
    let manifest = app.connector(org, &kept.connection.connector, None).await?.ok_or_else(unknown)?;
    let Some(options) = manifest.options_of(&request.action, &request.field) else {
        let detail = "this field has no choices that the app could be asked for";
        return Err(ApiError::new(404, "no_options", detail));
    };
    let filled = request.input.unwrap_or_else(|| json!({}));
    let asked = async {
        let mut input = evaluate(&options.input, &json!({"input": filled}), app.now().0)?;
        if manifest.actions.get(&options.action).is_some_and(|action| action.pages.is_some()) {
            input[MAX_ITEMS_FIELD] = MAX_CHOICES.into();
        }
        let output = ask(&app, org, &id, manifest.clone(), &options.action, input).await?;
        choices(options, &output, app.now().0)
    };
    Ok(Json(asked.await.unwrap_or_else(|StepError { code, message, .. }| Choices {
        items: Vec::new(),
        more: false,
        error: Some(TestError { code, message }),
    })))
}

fn choices(options: &Options, output: &Value, now_ms: i64) -> Result<Choices, StepError> {
    let items = evaluate(&options.items, &json!({"output": output}), now_ms)?;
    let mut found = Vec::new();
    let all = items.as_array().map(Vec::as_slice).unwrap_or_default();
    for item in all.iter().take(MAX_CHOICES) {
        let scope = json!({"item": item});
        let value = evaluate(&options.value, &scope, now_ms)?;
        if value.is_null() {
            continue;
        }
        let label = match evaluate(&options.label, &scope, now_ms)? {
            Value::String(label) => label,
            Value::Null => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            other => other.to_string(),
        };
        found.push(Choice { value, label });
    }
    let more = output["more"] == true || all.len() > MAX_CHOICES;
    Ok(Choices { items: found, more, error: None })
}

/// Calls an action by a connection, outside any run.
pub(super) async fn ask(
    app: &App,
    org: &OrgKey,
    id: &ConnectionId,
    manifest: Arc<Manifest>,
    action: &str,
    input: Value,
) -> Result<Value, StepError> {
    let mut secrets = Secrets::default();
    let opener = Opener { fetcher: super::oauth::fetcher(app), stale: None };
    let opened = match opener.open(org, id, &manifest, &mut secrets).await {
        Ok(opened) => opened,
        Err(error) => {
            if let NotOpened::Ended { reason, number } = &error {
                // Whoever asks sees it, and nobody else needs to be told.
                app.store.need_reconnect(org, id, *number, reason).await.map_err(|error| {
                    tracing::warn!(connection.id = %id, %error, "it could not be kept that a connection must be made anew");
                    StepError::passing("connection_unavailable", "the connection could not be changed just now")
                })?;
            }
            return Err(error.into_error());
        }
    };
    let mut call = Call::begin(manifest, action, input, &opened.access, app.now().0)?;
    let sender = Asking { http: app.http.as_ref(), now: app.now() };
    let Ok(answer) = carry(&mut call, &sender, "", &secrets, app.clock.as_ref(), TEST_TIMEOUT).await;
    answer
}

/// What a connection is when it is made: one that its user must agree to waits for that.
fn status_of(auth: &Auth) -> ConnectionStatus {
    match &auth.oauth2 {
        Some(oauth2) if oauth2.grant == Grant::AuthorizationCode => ConnectionStatus::Pending,
        _ => ConnectionStatus::Ready,
    }
}

struct Asking<'a> {
    http: &'a dyn HttpPort,
    now: Millis,
}

impl Sender for Asking<'_> {
    type Broken = Infallible;

    async fn send(
        &self,
        prepared: Prepared,
        secrets: &Secrets,
    ) -> Result<Result<Value, StepError>, Infallible> {
        Ok(send_plain(self.http, prepared, secrets, self.now).await)
    }
}

/// The way to sign in that was chosen, or the first.
fn chosen<'m>(manifest: &'m Manifest, id: Option<&str>) -> ApiResult<&'m Auth> {
    let found = id.map_or_else(|| manifest.auth.first(), |id| manifest.auth(id));
    found.ok_or_else(|| {
        let ways: Vec<_> = manifest.auth.iter().map(|auth| format!("`{}`", auth.id)).collect();
        let message = match ways.len() {
            0 => format!("{} is used without a connection", manifest.title),
            _ => format!("{} has these ways to sign in: {}", manifest.title, ways.join(", ")),
        };
        refused(vec![Fault::new("/auth", "auth_unknown", message)])
    })
}

/// Whether fields and credentials are what the connector asks for. Without `credentials` those that are kept stay.
fn check(
    manifest: &Manifest,
    auth: &Auth,
    fields: &Map<String, Value>,
    credentials: Option<&Credentials>,
) -> ApiResult<()> {
    let mut faults = Vec::new();
    let asked = || auth.fields.iter().filter(|field| !field.secret);
    let public: Vec<&str> = asked().map(|field| field.name.as_str()).collect();
    let mut known = schema::properties(&manifest.fields, &manifest.schemas);
    // What an app told of itself when its user agreed.
    known.extend(auth.oauth2.iter().flat_map(|oauth2| oauth2.kept.iter().cloned()));
    for (name, value) in fields {
        let at = domain::fault::join("/fields", name);
        if public.contains(&name.as_str()) {
            if value.as_str().is_none_or(str::is_empty) {
                faults.push(Fault::new(at, "type_mismatch", format!("`{name}` must be a text")));
            }
        } else if !known.iter().any(|known| known == name) {
            faults.push(Fault::new(
                at,
                "unknown_field",
                format!("`{name}` is not a field of this connector"),
            ));
        }
    }
    for name in asked().filter(|field| !field.optional).map(|field| field.name.as_str()) {
        if fields.contains_key(name) {
            continue;
        }
        faults.push(Fault::new("/fields", "missing_field", format!("`{name}` is missing")));
    }
    let value = Value::Object(fields.clone());
    faults.extend(schema::check(&value, &manifest.fields, &manifest.schemas, "/fields", false));
    if let Some(credentials) = credentials {
        let wanted = || auth.fields.iter().filter(|field| field.secret);
        let needed = wanted().filter(|field| !field.optional).map(|field| field.name.as_str());
        for name in needed.filter(|name| credentials.get(*name).is_none_or(String::is_empty)) {
            faults.push(Fault::new("/credentials", "missing_field", format!("`{name}` is missing")));
        }
        for (name, value) in credentials {
            let at = domain::fault::join("/credentials", name);
            if !wanted().any(|field| field.name == *name) {
                faults.push(Fault::new(at, "unknown_field", format!("`{name}` is not asked for")));
            } else if value.len() > domain::limits::MAX_CREDENTIAL_BYTES {
                faults.push(Fault::new(at, "type_mismatch", format!("`{name}` is too long")));
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(refused(faults)) }
}

fn refused(faults: Vec<Fault>) -> ApiError {
    let detail = "the connection has faults; `errors` says where";
    Problem::new(422, "invalid_connection", detail).with_errors(faults).into()
}

/// Keeps credentials for a connection, if there are any.
async fn keep(
    app: &App,
    org: &OrgKey,
    id: &ConnectionId,
    credentials: &Credentials,
) -> ApiResult<Option<String>> {
    if credentials.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(credentials).map(Secret::new).map_err(|e| internal(&e))?;
    credentials::keep(app, org, &sealed_for(id), text.expose()).await.map(Some)
}

/// What the ledger tells of a connection.
pub(super) fn told(connection: &Connection) -> Value {
    json!({"name": connection.name, "connector": connection.connector, "auth": connection.auth,
        "fields": connection.fields, "status": connection.status.as_str()})
}

pub(super) async fn find(app: &App, org: &OrgKey, id: &ConnectionId) -> ApiResult<KeptConnection> {
    app.store.connection(org, id).await?.ok_or_else(IdOf::<ConnectionId>::not_found)
}

fn conflict() -> ApiError {
    StoreError::Conflict { operation: "put_connection" }.into()
}
