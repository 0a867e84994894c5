//! The OpenID provider by which people sign in: set by whoever holds the set-up token, for the whole deployment.

use super::auth::{person, provider};
use super::members::role_of;
use super::setup::setup_token_wrong;
use crate::App;
use crate::body::JsonBody;
use crate::error::{ApiError, ApiResult, unavailable};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::audit::Action;
use domain::{OrgId, OrgKey, Provenance};
use oidc::{Provider, Rule};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Whoever has `value` in the claim is a member of an organisation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleView {
    /// `*` is everybody who signs in by the provider.
    #[schema(example = "patchbay-editors")]
    value: String,
    /// Without it, one's own.
    #[schema(example = "org_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    organization: Option<String>,
    #[schema(example = "editor")]
    role: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IdentityProvider)]
pub(crate) struct ProviderView {
    #[schema(example = "Example Login")]
    name: String,
    #[schema(example = "https://login.example.com")]
    issuer: String,
    #[schema(example = "patchbay")]
    client_id: String,
    /// Whether the client has a secret, which is never shown.
    has_secret: bool,
    scopes: Vec<String>,
    verified_email_only: bool,
    #[schema(example = "groups")]
    claim: String,
    /// Those of one's own organisation.
    rules: Vec<RuleView>,
    /// What the provider must be told to send browsers back to.
    #[schema(example = "https://patchbay.example.com/v1/auth/oidc/callback")]
    redirect_uri: String,
}

fn view(app: &App, provider: &Provider, own: &OrgId) -> ProviderView {
    let of_own = provider.rules.iter().filter(|rule| rule.organization == *own);
    ProviderView {
        name: provider.name.clone(),
        issuer: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        has_secret: provider.client_secret.is_some(),
        scopes: provider.scopes.clone(),
        verified_email_only: provider.verified_email_only,
        claim: provider.claim.clone(),
        rules: of_own
            .map(|rule| RuleView {
                value: rule.value.clone(),
                organization: Some(rule.organization.to_string()),
                role: rule.role.clone(),
            })
            .collect(),
        redirect_uri: format!("{}/v1/auth/oidc/callback", app.public_url),
    }
}

/// The provider by which people sign in.
#[utoipa::path(get, path = "/v1/identity-provider", tag = "organization", security(("token" = [])), responses(
    (status = 200, body = ProviderView),
    (status = 404, description = "`no_identity_provider`", body = ProblemView)))]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Can<permit::OrgManage>,
) -> ApiResult<Json<ProviderView>> {
    let found = provider(&app).await?.ok_or_else(none)?;
    Ok(Json(view(&app, &found, caller.org_key().org())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IdentityProviderRequest)]
pub(crate) struct ProviderRequest {
    /// The set-up token of this deployment: whoever deployed it decides whom it believes.
    token: String,
    #[schema(example = "Example Login")]
    name: String,
    /// As the provider names itself, to the letter.
    #[schema(example = "https://login.example.com")]
    issuer: String,
    #[schema(example = "patchbay")]
    client_id: String,
    /// Of a client that has one. Not kept from before: give it with each change.
    client_secret: Option<String>,
    /// Asked for beside `openid email profile`.
    #[serde(default)]
    scopes: Vec<String>,
    /// Whether an e-mail address counts only if the provider says that it verified it; default true.
    verified_email_only: Option<bool>,
    /// The claim that rules look at; default `groups`.
    claim: Option<String>,
    /// Who becomes a member of what, as what.
    #[serde(default)]
    rules: Vec<RuleView>,
}

/// Sets the provider by which people sign in, in place of the one before. It is asked first; other functions know it within five
/// minutes.
#[utoipa::path(put, path = "/v1/identity-provider", tag = "organization", request_body = ProviderRequest,
    security(("token" = [])), responses(
    (status = 200, body = ProviderView),
    (status = 403, description = "`setup_token_wrong`, or `person_needed`", body = ProblemView),
    (status = 422, description = "`invalid_provider`, `invalid_role`, `invalid_organization`, or `provider_unusable`: it was asked, and cannot be used", body = ProblemView)))]
pub(crate) async fn put(
    State(app): State<App>,
    caller: Can<permit::OrgManage>,
    JsonBody(request): JsonBody<ProviderRequest>,
) -> ApiResult<Json<ProviderView>> {
    person(&caller)?;
    if !app.keyring().await?.opens_setup(&request.token) {
        return Err(setup_token_wrong());
    }
    let own = caller.org_key().org();
    let mut rules = Vec::with_capacity(request.rules.len());
    for rule in request.rules {
        role_of(&rule.role)?;
        let organization = organization_of(&app, rule.organization.as_deref(), own).await?;
        rules.push(Rule { value: rule.value, organization, role: rule.role });
    }
    let wanted = Provider {
        name: request.name,
        issuer: request.issuer,
        client_id: request.client_id,
        client_secret: request.client_secret,
        scopes: request.scopes,
        verified_email_only: request.verified_email_only.unwrap_or(true),
        claim: request.claim.unwrap_or_else(|| "groups".to_owned()),
        rules,
    };
    wanted.check().map_err(|e| ApiError::new(422, "invalid_provider", e.to_string()))?;
    let now = app.now().0.div_euclid(1000);
    app.oidc.probe(&wanted, now).await.map_err(|e| {
        ApiError::new(422, "provider_unusable", format!("the provider was asked, and cannot be used: {e}"))
    })?;
    let before = provider(&app).await.ok().flatten();
    let record = caller.record(Action::ProviderChanged, app.now());
    let record = record.before(told(before.as_ref())).after(told(Some(&wanted)));
    app.store.record(caller.org_key(), &record).await?;
    let stored = serde_json::to_value(&wanted).unwrap_or_default();
    app.keyrings.set_identity_provider(Some(&stored), now).await.map_err(|e| unavailable(&e))?;
    Ok(Json(view(&app, &wanted, own)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IdentityProviderRemoval)]
pub(crate) struct ProviderRemoval {
    /// The set-up token of this deployment.
    token: String,
}

/// Takes the provider away: people sign in with passwords only. Who has none asks for a link to set one.
#[utoipa::path(delete, path = "/v1/identity-provider", tag = "organization", request_body = ProviderRemoval,
    security(("token" = [])), responses(
    (status = 204, description = "There is none any more"),
    (status = 403, description = "`setup_token_wrong`, or `person_needed`", body = ProblemView),
    (status = 404, description = "`no_identity_provider`", body = ProblemView)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Can<permit::OrgManage>,
    JsonBody(request): JsonBody<ProviderRemoval>,
) -> ApiResult<StatusCode> {
    person(&caller)?;
    if !app.keyring().await?.opens_setup(&request.token) {
        return Err(setup_token_wrong());
    }
    let before = provider(&app).await?.ok_or_else(none)?;
    let record = caller.record(Action::ProviderChanged, app.now()).before(told(Some(&before)));
    app.store.record(caller.org_key(), &record).await?;
    let now = app.now().0.div_euclid(1000);
    app.keyrings.set_identity_provider(None, now).await.map_err(|e| unavailable(&e))?;
    Ok(StatusCode::NO_CONTENT)
}

fn none() -> ApiError {
    ApiError::new(
        404,
        "no_identity_provider",
        "this deployment has no provider: people sign in with passwords",
    )
}

async fn organization_of(app: &App, id: Option<&str>, own: &OrgId) -> ApiResult<OrgId> {
    let Some(id) = id else { return Ok(own.clone()) };
    let refused = |detail: String| ApiError::new(422, "invalid_organization", detail);
    let org = OrgId::parse(id).map_err(|e| refused(e.to_string()))?;
    let key = OrgKey::verified(org.clone(), Provenance::SetupToken);
    match app.store.organization(&key).await? {
        Some(_) => Ok(org),
        None => Err(refused(format!("there is no organisation `{id}`"))),
    }
}

/// What the ledger says of it: what others see, not their rules, nor the secret.
fn told(provider: Option<&Provider>) -> Value {
    provider.map_or(Value::Null, |provider| {
        json!({
            "name": provider.name, "issuer": provider.issuer, "client_id": provider.client_id,
            "claim": provider.claim, "rules": provider.rules.len(),
        })
    })
}
