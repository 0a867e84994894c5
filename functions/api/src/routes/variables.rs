//! Variables: what `vars` reads in expressions.

use crate::App;
use crate::body::{JsonBody, QueryOf};
use crate::error::{ApiError, ApiResult, internal};
use crate::etag::{IfMatch, tagged};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use domain::audit::Action;
use domain::variables::{
    DEFAULT_ENVIRONMENT, Held, Variable, Variables, is_environment, is_name, sealed_for,
};
use domain::{OrgKey, limits};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{StoreError, WorkflowStore};
use utoipa::{IntoParams, ToSchema};

/// A variable.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Variable)]
pub(crate) struct VariableView {
    #[schema(example = "api_base")]
    name: String,
    #[schema(example = "https://api.example.com")]
    /// Absent of a secret one.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    secret: bool,
    changed_at: String,
    /// Who changed it last.
    #[schema(example = "ada@example.com")]
    changed_by: String,
}

impl VariableView {
    pub(super) fn of(name: &str, variable: &Variable) -> Self {
        let (value, secret) = match &variable.held {
            Held::Plain(value) => (Some(value.clone()), false),
            Held::Secret(_) => (None, true),
        };
        Self {
            name: name.to_owned(),
            value,
            secret,
            changed_at: variable.changed_at.rfc3339(),
            changed_by: variable.changed_by.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VariableList {
    #[schema(example = "production")]
    environment: String,
    items: Vec<VariableView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EnvironmentList {
    items: Vec<EnvironmentView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Environment)]
pub(crate) struct EnvironmentView {
    #[schema(example = "production")]
    name: String,
    /// How often its variables were changed.
    changes: u32,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct InEnvironment {
    /// Whose variables; default `production`.
    environment: Option<String>,
}

impl InEnvironment {
    fn name(self) -> ApiResult<String> {
        let name = self.environment.unwrap_or_else(|| DEFAULT_ENVIRONMENT.to_owned());
        if is_environment(&name) {
            return Ok(name);
        }
        let detail = "an environment is small letters, digits, `-` and `_`, such as `staging`; it begins with a letter";
        Err(ApiError::new(422, "invalid_environment", detail))
    }
}

/// The environments that have variables, or had some. Workflows say with `environment` which is theirs.
#[utoipa::path(get, path = "/v1/environments", tag = "variables", security(("token" = [])), responses(
    (status = 200, body = EnvironmentList)))]
pub(crate) async fn environments(
    State(app): State<App>,
    caller: Can<permit::VariablesRead>,
) -> ApiResult<Json<EnvironmentList>> {
    let found = app.store.environments(caller.org_key()).await?;
    let items = found.into_iter().map(|(name, changes)| EnvironmentView { name, changes });
    Ok(Json(EnvironmentList { items: items.collect() }))
}

type Tagged<T> = ([(HeaderName, HeaderValue); 1], Json<T>);

/// The variables of an environment, by name; at most 200.
#[utoipa::path(get, path = "/v1/variables", tag = "variables", params(InEnvironment), security(("token" = [])), responses(
    (status = 200, body = VariableList),
    (status = 422, description = "`invalid_environment`", body = ProblemView)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Can<permit::VariablesRead>,
    QueryOf(query): QueryOf<InEnvironment>,
) -> ApiResult<Tagged<VariableList>> {
    let environment = query.name()?;
    let (revision, variables) = now(&app, caller.org_key(), &environment).await?;
    let items = variables.values.iter().map(|(name, variable)| VariableView::of(name, variable)).collect();
    Ok((tagged(revision), Json(VariableList { environment, items })))
}

/// One variable.
#[utoipa::path(get, path = "/v1/variables/{name}", tag = "variables", params(("name" = String, Path), InEnvironment),
    security(("token" = [])), responses(
    (status = 200, body = VariableView),
    (status = 404, description = "`variable_not_found`", body = ProblemView),
    (status = 422, description = "`invalid_environment`", body = ProblemView)))]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Can<permit::VariablesRead>,
    Path(name): Path<String>,
    QueryOf(query): QueryOf<InEnvironment>,
) -> ApiResult<Tagged<VariableView>> {
    let (revision, variables) = now(&app, caller.org_key(), &query.name()?).await?;
    let variable = variables.values.get(&name).ok_or_else(not_found)?;
    Ok((tagged(revision), Json(VariableView::of(&name, variable))))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VariableRequest {
    /// Any JSON of at most 8 KB; of a secret one a text of at least 8 bytes.
    #[schema(example = "https://api.example.com")]
    value: Value,
    /// A secret one is sealed, and shown to nobody again; the input of an action may read it.
    #[serde(default)]
    secret: bool,
}

/// Sets a variable. Runs that were started before go on with what it was then. The tag is that of all variables of the environment.
#[utoipa::path(put, path = "/v1/variables/{name}", tag = "variables", params(("name" = String, Path), InEnvironment, ("if-match" = Option<String>, Header)),
    request_body = VariableRequest, security(("token" = [])), responses(
    (status = 200, body = VariableView),
    (status = 409, description = "`too_many_variables`, or `conflict`", body = ProblemView),
    (status = 412, description = "`precondition_failed`: `current` is the tag that it has now", body = ProblemView),
    (status = 422, description = "`invalid_environment`, `invalid_variable_name`, `variable_too_large` or `invalid_secret`", body = ProblemView)))]
pub(crate) async fn put(
    State(app): State<App>,
    caller: Can<permit::VariablesWrite>,
    Path(name): Path<String>,
    QueryOf(query): QueryOf<InEnvironment>,
    if_match: IfMatch,
    JsonBody(request): JsonBody<VariableRequest>,
) -> ApiResult<Tagged<VariableView>> {
    let environment = query.name()?;
    if !is_name(&name) {
        let detail = "a variable is called with letters, digits and `_`, 64 at most, and begins with none of the digits";
        return Err(ApiError::new(422, "invalid_variable_name", detail));
    }
    let org = caller.org_key();
    let (revision, mut variables) = now(&app, org, &environment).await?;
    if_match.check(revision)?;
    if request.value.to_string().len() > limits::MAX_VARIABLE_BYTES {
        return Err(too_large());
    }
    let held = if request.secret {
        let text = request.value.as_str().filter(|text| text.len() >= limits::MIN_SECRET_BYTES);
        let text = text.ok_or_else(|| {
            let detail =
                "a secret is a text of at least 8 bytes: a shorter one could not be told from other text";
            ApiError::new(422, "invalid_secret", detail)
        })?;
        let purpose = sealed_for(&environment, &name);
        Held::Secret(app.keyring().await?.sealer().seal(org, &purpose, text).map_err(|e| internal(&e))?)
    } else {
        Held::Plain(request.value)
    };
    let variable = Variable { held, changed_at: app.now(), changed_by: caller.name().to_owned() };
    let shown = VariableView::of(&name, &variable);
    let before = variables.values.insert(name.clone(), variable);
    if variables.values.len() > limits::MAX_VARIABLES {
        let detail = format!("an environment has at most {} variables", limits::MAX_VARIABLES);
        return Err(ApiError::new(409, "too_many_variables", detail));
    }
    if serde_json::to_vec(&variables).map_or(0, |text| text.len()) > limits::MAX_VARIABLES_BYTES {
        return Err(too_large());
    }
    if revision == 0 && app.store.environments(org).await?.len() >= limits::MAX_ENVIRONMENTS {
        let detail = format!("an organisation has at most {} environments", limits::MAX_ENVIRONMENTS);
        return Err(ApiError::new(409, "too_many_variables", detail));
    }
    let record = caller.record(Action::VariableSet, app.now());
    let record = record.on("variable", format!("{environment}/{name}"));
    let record = record.before(told(before.as_ref())).after(told(variables.values.get(&name)));
    save(&app, org, &environment, revision, &variables, &record).await?;
    Ok((tagged(revision + 1), Json(shown)))
}

/// Deletes a variable. Expressions of new runs read nothing in its place.
#[utoipa::path(delete, path = "/v1/variables/{name}", tag = "variables", params(("name" = String, Path), InEnvironment, ("if-match" = Option<String>, Header)),
    security(("token" = [])), responses(
    (status = 204, description = "It is gone"),
    (status = 404, description = "`variable_not_found`", body = ProblemView),
    (status = 409, description = "`conflict`", body = ProblemView),
    (status = 412, description = "`precondition_failed`: `current` is the tag that it has now", body = ProblemView),
    (status = 422, description = "`invalid_environment`", body = ProblemView)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Can<permit::VariablesWrite>,
    Path(name): Path<String>,
    QueryOf(query): QueryOf<InEnvironment>,
    if_match: IfMatch,
) -> ApiResult<StatusCode> {
    let environment = query.name()?;
    let org = caller.org_key();
    let (revision, mut variables) = now(&app, org, &environment).await?;
    let before = variables.values.remove(&name).ok_or_else(not_found)?;
    if_match.check(revision)?;
    let record = caller.record(Action::VariableDeleted, app.now());
    let record = record.on("variable", format!("{environment}/{name}")).before(told(Some(&before)));
    save(&app, org, &environment, revision, &variables, &record).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn now(app: &App, org: &OrgKey, environment: &str) -> ApiResult<(u32, Variables)> {
    let revision = app.store.variables_now(org, environment).await?;
    Ok((revision, app.store.variables(org, environment, revision).await?))
}

async fn save(
    app: &App,
    org: &OrgKey,
    environment: &str,
    before: u32,
    variables: &Variables,
    record: &domain::audit::Record,
) -> ApiResult<()> {
    if app.store.change_variables(org, environment, before, variables, app.now(), record).await? {
        return Ok(());
    }
    Err(StoreError::Conflict { operation: "change_variables" }.into())
}

/// What the ledger says of it.
fn told(variable: Option<&Variable>) -> Value {
    match variable.map(|variable| &variable.held) {
        None => Value::Null,
        Some(Held::Plain(value)) => json!({"value": value}),
        Some(Held::Secret(_)) => json!({"secret": true}),
    }
}

fn not_found() -> ApiError {
    ApiError::new(404, "variable_not_found", "the environment has no variable of this name")
}

fn too_large() -> ApiError {
    let detail = "a variable has at most 8 KB, and all of an environment together 128 KB";
    ApiError::new(422, "variable_too_large", detail)
}
