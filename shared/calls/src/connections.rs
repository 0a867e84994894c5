//! What a step may use of a connection: its fields, and what stands for its secrets.

use crate::secrets::Secrets;
use crate::tokens::{Client, Fetcher, NoTokens, Server};
use connectors::manifest::{AuthKind, Grant, Manifest};
use connectors::{Access, basic};
use domain::connection::{Connection, ConnectionStatus, Credentials, sealed_for};
use domain::run::StepError;
use domain::{ConnectionId, OrgKey};
use serde_json::Value;
use store::KeptConnection;
use tracing::warn;
use vault::Secret;

/// What opens connections.
#[derive(Debug, Clone, Copy)]
pub struct Opener<'a> {
    /// What gets tokens, where a connection has some.
    pub fetcher: Fetcher<'a>,
    /// The number of tokens that the app refused, whatever their end says.
    pub stale: Option<u32>,
}

/// An opened connection.
#[derive(Debug)]
pub struct Opened {
    pub access: Access,
    /// The number of the tokens that it uses; `None` where it uses none.
    pub tokens: Option<u32>,
}

/// Why a connection does not open.
#[derive(Debug)]
pub enum NotOpened {
    /// The user has to agree again: found of the tokens of this number.
    Ended {
        reason: String,
        number: u32,
    },
    Failed(StepError),
}

impl From<StepError> for NotOpened {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

impl NotOpened {
    /// As a step tells it.
    pub fn into_error(self) -> StepError {
        match self {
            Self::Ended { reason, .. } => {
                let message = format!("the connection must be made anew: {reason}");
                StepError::fatal("credentials_refused", message)
            }
            Self::Failed(error) => error,
        }
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
    ) -> Result<Opened, NotOpened> {
        let (kept, credentials) = self.read(org, id, manifest).await?;
        let connection = kept.connection.clone();
        let mut access = Access {
            auth: Some(connection.auth.clone()),
            credentials: connection.fields.clone(),
            fields: Value::Object(connection.fields),
        };
        let auth = manifest.auth(&connection.auth);
        if let Some(oauth2) = auth.and_then(|auth| auth.oauth2.as_ref()) {
            let client = match oauth2.grant {
                Grant::AuthorizationCode => None,
                Grant::ClientCredentials => Some(Client {
                    id: access.fields["client_id"].as_str().unwrap_or_default().to_owned(),
                    secret: credentials.get("client_secret").cloned().map(Secret::new),
                }),
                Grant::ServiceAccount => Some(Client { id: String::new(), secret: None }),
            };
            let service_account = oauth2.grant == Grant::ServiceAccount;
            let key_file = credentials.get("key_file").filter(|_| service_account);
            let key_file = key_file.cloned().map(Secret::new);
            let server = Server { oauth2, client, key_file, fields: &access.fields };
            let good = self.fetcher.good(org, kept, &server, self.stale).await;
            let (tokens, number) = good.map_err(|error| match error {
                NoTokens::Ended { reason, number } => NotOpened::Ended { reason, number },
                NoTokens::Failed(error) => error.into(),
            })?;
            self.add(&mut access, secrets, "access_token", tokens.access_token);
            return Ok(Opened { access, tokens: Some(number) });
        }
        if auth.is_some_and(|auth| auth.kind == AuthKind::Basic) {
            let text = |name: &str| {
                let public = access.fields[name].as_str().map(str::to_owned);
                public.or_else(|| credentials.get(name).cloned()).unwrap_or_default()
            };
            let both = basic(&text("username"), &text("password"));
            self.add(&mut access, secrets, "basic", both);
        }
        for (name, value) in credentials {
            self.add(&mut access, secrets, &name, value);
        }
        Ok(Opened { access, tokens: None })
    }

    /// A connection that may be used, and its credentials.
    async fn read(
        self,
        org: &OrgKey,
        id: &ConnectionId,
        manifest: &Manifest,
    ) -> Result<(KeptConnection, Credentials), StepError> {
        let mut kept = self.kept(org, id).await?;
        loop {
            check(id, &kept.connection, manifest)?;
            let Some(text) = &kept.credentials else { return Ok((kept, Credentials::new())) };
            let now = self.fetcher.clock.now().0.div_euclid(1000);
            let name = &kept.connection.name;
            match self.fetcher.safe.open(org, &sealed_for(id), text, now).await {
                Ok(opened) => {
                    let credentials = serde_json::from_str(opened.expose()).map_err(|_| broken(name))?;
                    return Ok((kept, credentials));
                }
                Err(error) if error.retryable() => {
                    warn!(connection.id = %id, %error, "credentials could not be opened; the step is tried again");
                    return Err(unavailable());
                }
                Err(error) => {
                    // Whoever gives others deletes those of before: they may have gone since the connection was read.
                    let again = self.kept(org, id).await?;
                    if again.credentials == kept.credentials {
                        warn!(connection.id = %id, %error, "the credentials of a connection do not open");
                        return Err(broken(name));
                    }
                    kept = again;
                }
            }
        }
    }

    async fn kept(self, org: &OrgKey, id: &ConnectionId) -> Result<KeptConnection, StepError> {
        let kept = self.fetcher.connections.connection(org, id).await.map_err(|error| {
            warn!(connection.id = %id, %error, "a connection could not be read; the step is tried again");
            unavailable()
        })?;
        kept.ok_or_else(|| {
            let message = format!("there is no connection {id} any more; choose another one for this step");
            StepError::fatal("connection_missing", message)
        })
    }

    /// What stands in for a secret is drawn anew each time.
    fn add(self, access: &mut Access, secrets: &mut Secrets, name: &str, value: String) {
        let drawn = format!("{:016x}{:016x}", self.fetcher.draw.draw(), self.fetcher.draw.draw());
        let label = format!("connection.{name}");
        secrets.add(&label, &drawn, Secret::new(value));
        let stands_in = secrets.stand_in(&label).unwrap_or_default();
        access.credentials.insert(name.to_owned(), stands_in.into());
    }
}

/// Whether a connection leads where the step wants to go, and is ready.
fn check(id: &ConnectionId, connection: &Connection, manifest: &Manifest) -> Result<(), StepError> {
    if connection.connector != manifest.name {
        let message =
            format!("the connection {id} leads to {}, not to {}", connection.connector, manifest.name);
        return Err(StepError::fatal("connection_mismatch", message));
    }
    match connection.status {
        ConnectionStatus::Ready => Ok(()),
        ConnectionStatus::Pending => {
            let message =
                format!("nobody has agreed yet to the connection `{}`: authorize it", connection.name);
            Err(StepError::fatal("connection_pending", message))
        }
        ConnectionStatus::NeedsReconnect => {
            let message = format!(
                "the connection `{}` must be made anew: its credentials are refused",
                connection.name
            );
            Err(StepError::fatal("credentials_refused", message))
        }
    }
}

fn unavailable() -> StepError {
    StepError::passing("connection_unavailable", "the connection could not be read just now")
}

fn broken(name: &str) -> StepError {
    let message = format!("the credentials of the connection `{name}` do not open any more; give them again");
    StepError::fatal("secret_broken", message)
}
