//! What handlers work with.

use crate::cookies;
use crate::error::{ApiResult, unavailable};
use crate::layers::Limits;
use crate::page::Pages;
use auth::{AuthState, Passwords};
use axum::http::HeaderMap;
use blobs::BlobStore;
use calls::OWN;
use connectors::{Manifest, built_in};
use dispatch::{EventBus, Plans, Starter};
use domain::variables::Variables;
use domain::{Millis, OrgKey};
use egress::HttpPort;
use engine::Plan;
use guard::Guard;
use mailer::Mailer;
use runtime::Clock;
use std::sync::Arc;
use store::{ConnectorStore as _, KeptConnector, RunStore, Store};
use vault::{Keyring, Keyrings, Safe};

#[derive(Clone)]
pub struct App {
    pub store: Arc<Store>,
    pub runs: Arc<dyn RunStore>,
    pub starter: Starter,
    pub plans: Plans,
    pub bus: Arc<dyn EventBus>,
    pub blobs: Arc<dyn BlobStore>,
    pub mailer: Arc<dyn Mailer>,
    pub oidc: Arc<oidc::Client>,
    /// What asks apps whether they take a connection.
    pub http: Arc<dyn HttpPort>,
    pub guard: Guard,
    pub keyrings: Arc<Keyrings>,
    /// What keeps the credentials of connections and the secrets of OAuth clients.
    pub safe: Arc<Safe>,
    pub passwords: Passwords,
    pub limits: Arc<Limits>,
    pub clock: Arc<dyn Clock>,
    /// What webhook addresses begin with, without a slash at the end.
    pub public_url: Arc<str>,
}

impl App {
    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    pub(crate) async fn keyring(&self) -> ApiResult<Arc<Keyring>> {
        self.keyrings.get(AuthState::now(self)).await.map_err(|e| unavailable(&e))
    }

    /// A connector of the catalogue, or of the organisation's own; without a version the newest.
    pub(crate) async fn connector(
        &self,
        org: &OrgKey,
        name: &str,
        version: Option<u32>,
    ) -> ApiResult<Option<Arc<Manifest>>> {
        if !name.starts_with(OWN) {
            return Ok(built_in(name, version));
        }
        let kept = match version {
            Some(version) => self.store.own_connector(org, name, version).await?,
            None => self.newest_own_connector(org, name).await?,
        };
        // One that an earlier version of this program kept, and this one cannot read, is none.
        Ok(kept.and_then(|kept| connectors::read(&kept.document).ok()).map(Arc::new))
    }

    /// The newest version of a connector of the organisation's own.
    pub(crate) async fn newest_own_connector(
        &self,
        org: &OrgKey,
        name: &str,
    ) -> ApiResult<Option<KeptConnector>> {
        let known = self.store.connector_name(org, name).await?;
        let Some(newest) = known.and_then(|known| known.held.versions.last().copied()) else {
            return Ok(None);
        };
        Ok(self.store.own_connector(org, name, newest).await?)
    }

    /// The value of a cookie that nobody else can make up.
    pub(crate) async fn signed(&self, cookie: &str, text: &str) -> ApiResult<String> {
        Ok(format!("{text}.{}", self.keyring().await?.codes().mac(cookie, text)))
    }

    /// The text of a cookie that [`App::signed`] made.
    pub(crate) async fn signed_cookie<'h>(
        &self,
        headers: &'h HeaderMap,
        cookie: &str,
    ) -> ApiResult<Option<&'h str>> {
        let Some((text, mac)) = cookies::get(headers, cookie).and_then(|value| value.rsplit_once('.')) else {
            return Ok(None);
        };
        let keyring = self.keyring().await?;
        Ok(keyring.codes().is_mac(cookie, text, mac).then_some(text))
    }

    /// The variables that a run of this plan would read if it were started now.
    pub(crate) async fn variables_of(&self, org: &OrgKey, plan: &Plan) -> ApiResult<Arc<Variables>> {
        Ok(match self.plans.variables_of(org, plan).await? {
            Some(revision) => self.plans.variables(org, &plan.definition().environment, revision).await?,
            None => Arc::default(),
        })
    }

    /// What makes and reads the cursors of a list of this organisation.
    pub(crate) async fn pages(&self, list: &str, org: &OrgKey) -> ApiResult<Pages> {
        Ok(Pages::new(self.keyring().await?.codes().clone(), list, org))
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
