//! What a step may use of a connection: its fields, and what stands for its secrets.

use crate::secrets::Secrets;
use connectors::manifest::{AuthKind, Manifest};
use connectors::{Access, basic};
use domain::connection::{ConnectionStatus, Credentials, sealed_for};
use domain::run::StepError;
use domain::{ConnectionId, OrgKey};
use runtime::{Clock, Draw};
use serde_json::Value;
use store::ConnectionStore;
use tracing::warn;
use vault::{Sealers, Secret};

/// What opens connections.
#[derive(Clone, Copy)]
pub struct Opener<'a> {
    pub connections: &'a dyn ConnectionStore,
    pub sealers: &'a dyn Sealers,
    pub clock: &'a dyn Clock,
    pub draw: &'a dyn Draw,
}

impl std::fmt::Debug for Opener<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener")
    }
}

impl Opener<'_> {
    /// Opens a connection for a call of this connector. The secrets are added to `secrets`.
    pub async fn open(
        self,
        org: &OrgKey,
        id: &ConnectionId,
        manifest: &Manifest,
        secrets: &mut Secrets,
    ) -> Result<Access, StepError> {
        let kept = self.connections.connection(org, id).await.map_err(|error| {
            warn!(connection.id = %id, %error, "a connection could not be read; the step is tried again");
            unavailable()
        })?;
        let Some(kept) = kept else {
            let message = format!("there is no connection {id} any more; choose another one for this step");
            return Err(StepError::fatal("connection_missing", message));
        };
        let connection = kept.connection;
        if connection.connector != manifest.name {
            let message =
                format!("the connection {id} leads to {}, not to {}", connection.connector, manifest.name);
            return Err(StepError::fatal("connection_mismatch", message));
        }
        if connection.status != ConnectionStatus::Ready {
            let message = format!(
                "the connection `{}` must be made anew: its credentials are refused",
                connection.name
            );
            return Err(StepError::fatal("credentials_refused", message));
        }
        let mut access = Access {
            auth: Some(connection.auth.clone()),
            credentials: connection.fields.clone(),
            fields: Value::Object(connection.fields),
        };
        let Some(sealed) = &kept.credentials else { return Ok(access) };
        let sealer = self.sealers.sealer(self.clock.now().0.div_euclid(1000)).await.map_err(|error| {
            warn!(connection.id = %id, %error, "credentials could not be opened; the step is tried again");
            unavailable()
        })?;
        let credentials = sealer.open(org, &sealed_for(id), sealed).map_err(|error| {
            warn!(connection.id = %id, %error, "the credentials of a connection do not open");
            broken(&connection.name)
        })?;
        let credentials: Credentials =
            serde_json::from_str(credentials.expose()).map_err(|_| broken(&connection.name))?;
        let mut add = |name: &str, value: String| {
            let drawn = format!("{:016x}{:016x}", self.draw.draw(), self.draw.draw());
            let label = format!("connection.{name}");
            secrets.add(&label, &drawn, Secret::new(value));
            let stands_in = secrets.stand_in(&label).unwrap_or_default();
            access.credentials.insert(name.to_owned(), stands_in.into());
        };
        if manifest.auth(&connection.auth).is_some_and(|auth| auth.kind == AuthKind::Basic) {
            let text = |name: &str| {
                let public = access.fields[name].as_str().map(str::to_owned);
                public.or_else(|| credentials.get(name).cloned()).unwrap_or_default()
            };
            add("basic", basic(&text("username"), &text("password")));
        }
        for (name, value) in credentials {
            add(&name, value);
        }
        Ok(access)
    }
}

fn unavailable() -> StepError {
    StepError::passing("connection_unavailable", "the connection could not be read just now")
}

fn broken(name: &str) -> StepError {
    let message = format!("the credentials of the connection `{name}` do not open any more; give them again");
    StepError::fatal("secret_broken", message)
}
