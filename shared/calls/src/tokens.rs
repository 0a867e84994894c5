//! Tokens of OAuth 2.0: got, kept, and got anew by one at a time.
//!
//! Servers that rotate refresh tokens take each once, and some end everything when one comes twice. So whoever asks for new tokens holds
//! a lease, and keeps what came before using it; whoever does not get the lease waits for those.

use crate::secrets::Secrets;
use crate::{assertion, http_request};
use connectors::manifest::{ClientAuth, Encoding, Grant, OAuth2};
use connectors::{basic, evaluate};
use domain::connection::{ConnectionStatus, Tokens, oauth_client_sealed_for, tokens_sealed_for};
use domain::run::StepError;
use domain::{ConnectionId, Millis, OrgKey};
use egress::HttpPort;
use runtime::{Clock, Draw};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::{ConnectionStore, KeptConnection, KeptOAuthClient, Lease};
use tracing::{error, warn};
use vault::{Safe, Sealer, Secret};

/// Tokens that are good for less are got anew: a call takes its time, and clocks differ.
const AT_LEAST: Duration = Duration::from_mins(2);
/// Longer than a server may take, and what follows.
const LEASE: Duration = Duration::from_secs(30);
/// How often whoever waits looks.
const LOOK: Duration = Duration::from_millis(250);
/// How often it is tried to keep what came.
const KEEPS: u32 = 5;

/// The client as which somebody is known to a server.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    /// Public clients have none.
    pub secret: Option<Secret<String>>,
}

/// Who gets tokens.
#[derive(Clone, Copy)]
pub struct Fetcher<'a> {
    pub connections: &'a dyn ConnectionStore,
    /// What opens credentials, and seals tokens.
    pub safe: &'a Safe,
    pub http: &'a dyn HttpPort,
    pub clock: &'a dyn Clock,
    pub draw: &'a dyn Draw,
    pub waits: Waits,
}

/// How long somebody who needs tokens has: less than the lease in all.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// For a server to answer.
    pub server: Duration,
    /// For others who have the lease.
    pub others: Duration,
}

impl std::fmt::Debug for Fetcher<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fetcher")
    }
}

/// Why there are no tokens.
#[derive(Debug)]
pub enum NoTokens {
    /// The server takes the consent for ended: the user has to agree again.
    Ended {
        reason: String,
        /// Of which tokens that was found.
        number: u32,
    },
    /// Anything else.
    Failed(StepError),
}

impl From<StepError> for NoTokens {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

/// What tokens are asked for with.
#[derive(Debug)]
pub struct Server<'a> {
    pub oauth2: &'a OAuth2,
    /// `None` is the organisation's, which is looked up when it is needed.
    pub client: Option<Client>,
    /// The key file of a service account, for [`Grant::ServiceAccount`].
    pub key_file: Option<Secret<String>>,
    /// What a connection keeps beside its credentials, which addresses may read.
    pub fields: &'a Value,
}

impl Server<'_> {
    /// The address for tokens, or for new ones, if it leads where the connector says that it may.
    fn address(&self, again: bool, now: Millis) -> Result<String, StepError> {
        let template = self.oauth2.refresh_url.as_ref().filter(|_| again).unwrap_or(&self.oauth2.token_url);
        let scope = json!({"connection": self.fields});
        let text = evaluate(template, &scope, now.0)?.as_str().unwrap_or_default().to_owned();
        // Whoever may change a connection's fields must not get the client's secret sent elsewhere.
        if self.oauth2.grant == Grant::AuthorizationCode
            && !self.oauth2.hosts.iter().any(|hosts| hosts.holds(&text))
        {
            let message = "the fields of the connection lead to another host than the app's own";
            return Err(StepError::fatal("connection_invalid", message));
        }
        Ok(text)
    }
}

impl Fetcher<'_> {
    /// Tokens that are good for a while, and their number: the kept ones, or new ones. Those with the number `stale` are not taken,
    /// whatever their end says: the app refused them.
    pub async fn good(
        self,
        org: &OrgKey,
        mut kept: KeptConnection,
        server: &Server<'_>,
        stale: Option<u32>,
    ) -> Result<(Tokens, u32), NoTokens> {
        let begun = self.clock.now();
        let (id, revision) = (kept.id.clone(), kept.revision);
        loop {
            let tokens = match &kept.tokens {
                Some(sealed) => Some(self.opened(org, &id, sealed).await?),
                None => None,
            };
            if let Some(tokens) = &tokens
                && stale != Some(kept.number)
                && tokens
                    .are_good(self.clock.now(), tokens.life().map_or(AT_LEAST, |life| AT_LEAST.min(life / 2)))
            {
                return Ok((tokens.clone(), kept.number));
            }
            let by_user = server.oauth2.grant == Grant::AuthorizationCode;
            let is_over =
                tokens.as_ref().is_none_or(|tokens| !tokens.are_good(self.clock.now(), Duration::ZERO));
            let refresh = tokens.and_then(|tokens| tokens.refresh_token).filter(|_| by_user);
            if by_user && refresh.is_none() && !is_over {
                // Some apps refuse so what a token may not do: that says nothing of the consent.
                let message = "the app refuses the access token, and gave nothing to get a new one with";
                return Err(StepError::fatal("credentials_refused", message).into());
            }
            if by_user && refresh.is_none() {
                let reason = "the tokens are over, and the app gave nothing to get new ones with".to_owned();
                return Err(NoTokens::Ended { reason, number: kept.number });
            }
            let now = self.clock.now();
            let holder = format!("{:016x}", self.draw.draw());
            let lease =
                self.connections.lease_tokens(org, &id, kept.number, &holder, now, now.plus(LEASE)).await;
            match lease.map_err(|error| unavailable(&id, &error))? {
                Lease::Ours => return self.renew(org, &kept, server, refresh, &holder).await,
                Lease::Theirs if begun.until(now) > self.waits.others => {
                    let message = "somebody else has been asking for new tokens for too long";
                    return Err(StepError::passing("connection_unavailable", message).into());
                }
                Lease::Theirs => self.clock.sleep(LOOK).await,
            }
            let read =
                self.connections.connection(org, &id).await.map_err(|error| unavailable(&id, &error))?;
            kept = read.ok_or_else(|| {
                StepError::fatal("connection_missing", format!("there is no connection {id} any more"))
            })?;
            if kept.connection.status == ConnectionStatus::NeedsReconnect {
                let reason = kept.connection.reason.unwrap_or_default();
                return Err(NoTokens::Ended { reason, number: kept.number });
            }
            // What was read at first may lead to another account, or to another place.
            if kept.revision != revision {
                let message = "the connection was changed while its tokens were got anew";
                return Err(StepError::passing("connection_unavailable", message).into());
            }
        }
    }

    /// Asks for new tokens, with a lease, and keeps them before anybody uses them.
    async fn renew(
        self,
        org: &OrgKey,
        kept: &KeptConnection,
        server: &Server<'_>,
        refresh: Option<String>,
        holder: &str,
    ) -> Result<(Tokens, u32), NoTokens> {
        let id = &kept.id;
        let asked = async {
            // First, so that nothing that came is lost for want of a key.
            let sealer = self.sealer(id).await?;
            let client = match &server.client {
                Some(client) => client.clone(),
                None => self.client(org, &kept.connection.connector).await?,
            };
            let form = self.form(server, refresh.as_deref())?;
            let (tokens, _) = self.ask(server, &client, refresh.is_some(), form).await?;
            Ok((tokens, sealer))
        };
        let (mut tokens, sealer) = match asked.await {
            Ok(came) => came,
            // The lease goes with its being said that it has ended: nobody asks once more meanwhile.
            Err(NoTokens::Ended { reason, .. }) if refresh.is_some() => {
                return Err(NoTokens::Ended { reason, number: kept.number });
            }
            Err(error) => {
                // Whoever comes next may try at once; should this fail, the lease ends by itself.
                if let Err(error) = self.connections.release_tokens(org, id, holder).await {
                    warn!(connection.id = %id, %error, "a lease could not be given back");
                }
                return Err(match error {
                    NoTokens::Ended { reason, .. } => StepError::fatal("credentials_refused", reason).into(),
                    NoTokens::Failed(error) => error.into(),
                });
            }
        };
        // A server that does not rotate gives none.
        if tokens.refresh_token.is_none() {
            tokens.refresh_token = refresh;
        }
        let sealed = sealed_by(&sealer, org, id, &tokens)?;
        let mut tries = 0;
        let is_kept = loop {
            tries += 1;
            match self.connections.keep_tokens(org, id, kept.number, holder, &sealed).await {
                Err(error) if tries < KEEPS => {
                    warn!(connection.id = %id, %error, "new tokens could not be kept; once more");
                    self.clock.sleep(LOOK).await;
                }
                Ok(false) => {
                    // Its own answer may have been lost.
                    let read = self.connections.connection(org, id).await;
                    break Ok(
                        read.is_ok_and(|read| read.and_then(|read| read.tokens).as_ref() == Some(&sealed))
                    );
                }
                outcome => break outcome,
            }
        };
        match is_kept {
            Ok(true) => Ok((tokens, kept.number + 1)),
            Ok(false) => {
                error!(connection.id = %id, "new tokens came after their lease had ended; they are lost if the server rotates them");
                Err(StepError::passing("connection_unavailable", "the new tokens came too late to be kept")
                    .into())
            }
            Err(error) => Err(unavailable(id, &error).into()),
        }
    }

    /// By what new tokens are asked for.
    fn form(self, server: &Server<'_>, refresh: Option<&str>) -> Result<Map<String, Value>, StepError> {
        let mut form = Map::new();
        let mut add = |name: &str, value: &str| form.insert(name.to_owned(), value.into());
        let scopes = server.oauth2.scopes.join(&server.oauth2.scope_separator);
        if let Some(token) = refresh {
            add("grant_type", "refresh_token");
            add("refresh_token", token);
        } else if let Some(key_file) = &server.key_file {
            let now = self.clock.now();
            let subject = server.fields["subject"].as_str().filter(|subject| !subject.is_empty());
            let audience = server.address(false, now)?;
            add("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
            add("assertion", &assertion::signed(key_file, &audience, &scopes, subject, now)?);
        } else {
            add("grant_type", "client_credentials");
            if !scopes.is_empty() {
                add("scope", &scopes);
            }
        }
        Ok(form)
    }

    /// Asks for tokens: they, and the whole answer. `again` with a refresh token.
    pub async fn ask(
        self,
        server: &Server<'_>,
        client: &Client,
        again: bool,
        mut form: Map<String, Value>,
    ) -> Result<(Tokens, Value), NoTokens> {
        let oauth2 = server.oauth2;
        let secrets = secrets_of(client, &form);
        let token_url = server.address(again, self.clock.now())?;
        let mut headers = json!({"accept": "application/json"});
        match (oauth2.client_auth, &client.secret) {
            // The assertion says who it is.
            _ if server.key_file.is_some() => {}
            (ClientAuth::Basic, Some(secret)) => {
                headers["authorization"] = format!("Basic {}", basic(&client.id, secret.expose())).into();
            }
            (_, secret) => {
                form.insert("client_id".into(), client.id.clone().into());
                form.extend(secret.as_ref().map(|s| ("client_secret".to_owned(), s.expose().clone().into())));
            }
        }
        let mut input =
            json!({"method": "POST", "url": token_url, "headers": headers, "follow_redirects": false});
        let place = if oauth2.token_encoding == Encoding::Json { "body" } else { "form" };
        input[place] = Value::Object(form);
        let prepared = http_request::prepare(&input, None, self.waits.server)?;
        let now = self.clock.now();
        let sent = self.http.send(prepared.request).await;
        // It is read whole, and told to nobody: it holds nothing but secrets.
        let answer = http_request::outcome(sent, true, now, &Secrets::default())
            .map_err(|error| out_of_reach(&error.message))?;
        let (status, body) = (answer["status"].as_u64().unwrap_or(0), &answer["body"]);
        let code = body["error"].as_str().unwrap_or_default();
        if let Some(access) = body["access_token"].as_str().filter(|_| status < 400) {
            let seconds = body["expires_in"].as_f64().or_else(|| body["expires_in"].as_str()?.parse().ok());
            let issued_at = Some(now);
            let expires_at = seconds
                .filter(|seconds| (1.0..=1e10).contains(seconds))
                .map(|seconds| now.plus(Duration::from_secs_f64(seconds)));
            let refresh_token = body["refresh_token"].as_str().map(str::to_owned);
            return Ok((
                Tokens { access_token: access.to_owned(), refresh_token, expires_at, issued_at },
                body.clone(),
            ));
        }
        // Careless servers repeat what they were given.
        let mut told = json!(body["error_description"].as_str().unwrap_or(code));
        secrets.hide(&mut told);
        let told = told.as_str().unwrap_or_default().chars().take(300).collect::<String>();
        if code == "invalid_grant" {
            let reason = if told.is_empty() { "invalid_grant".to_owned() } else { told };
            return Err(NoTokens::Ended { reason, number: 0 });
        }
        let message = format!("the server gave no tokens: status {status}, {told}");
        Err(if status == 429 || status >= 500 {
            out_of_reach(&message).into()
        } else {
            StepError::fatal("credentials_refused", message).into()
        })
    }

    async fn opened(self, org: &OrgKey, id: &ConnectionId, sealed: &str) -> Result<Tokens, StepError> {
        let text = self.sealer(id).await?.open(org, &tokens_sealed_for(id), sealed).map_err(|error| {
            error!(connection.id = %id, %error, "the tokens of a connection do not open");
            broken()
        })?;
        serde_json::from_str(text.expose()).map_err(|_| broken())
    }

    /// The client of an organisation for a connector.
    pub async fn client(self, org: &OrgKey, connector: &str) -> Result<Client, StepError> {
        let mut kept = self.kept_client(org, connector).await?;
        loop {
            let KeptOAuthClient { client_id, secret, .. } = &kept;
            let Some(text) = secret else { return Ok(Client { id: client_id.clone(), secret: None }) };
            let now = self.clock.now().0.div_euclid(1000);
            match self.safe.open(org, &oauth_client_sealed_for(connector), text, now).await {
                Ok(opened) => return Ok(Client { id: client_id.clone(), secret: Some(opened) }),
                Err(error) if error.retryable() => return Err(client_unavailable(connector, &error)),
                Err(error) => {
                    // Whoever sets another deletes the secret of the one before: it may have gone since that was read.
                    let again = self.kept_client(org, connector).await?;
                    if again.secret == kept.secret {
                        error!(connector, %error, "the secret of an OAuth client does not open");
                        let message = format!(
                            "the secret of the OAuth client for `{connector}` does not open any more; set it again"
                        );
                        return Err(StepError::fatal("secret_broken", message));
                    }
                    kept = again;
                }
            }
        }
    }

    async fn kept_client(self, org: &OrgKey, connector: &str) -> Result<KeptOAuthClient, StepError> {
        let kept = self.connections.oauth_client(org, connector).await;
        kept.map_err(|error| client_unavailable(connector, &error))?.ok_or_else(|| {
            let message = format!("your organisation has no OAuth client for `{connector}`: set one");
            StepError::fatal("oauth_client_missing", message)
        })
    }

    /// Tokens as they are kept.
    pub async fn sealed(self, org: &OrgKey, id: &ConnectionId, tokens: &Tokens) -> Result<String, StepError> {
        sealed_by(&*self.sealer(id).await?, org, id, tokens)
    }

    async fn sealer(self, id: &ConnectionId) -> Result<Arc<Sealer>, StepError> {
        let sealer = self.safe.sealer(self.clock.now().0.div_euclid(1000)).await;
        sealer.map_err(|error| unavailable(id, &error))
    }
}

fn sealed_by(sealer: &Sealer, org: &OrgKey, id: &ConnectionId, tokens: &Tokens) -> Result<String, StepError> {
    let text = serde_json::to_string(tokens).map_err(|_| broken())?;
    sealer.seal(org, &tokens_sealed_for(id), &text).map_err(|error| unavailable(id, &error))
}

/// What a server is given and nobody else is shown.
fn secrets_of(client: &Client, form: &Map<String, Value>) -> Secrets {
    let mut secrets = Secrets::default();
    let named = ["refresh_token", "code", "code_verifier", "assertion"];
    let given = named.iter().filter_map(|name| Some((*name, form.get(*name)?.as_str()?.to_owned())));
    let client = client.secret.iter().map(|secret| ("client_secret", secret.expose().clone()));
    for (name, value) in given.chain(client) {
        secrets.add(name, name, Secret::new(value));
    }
    secrets
}

/// What is the app's doing: an attempt of the step has failed by it.
fn out_of_reach(why: &str) -> StepError {
    StepError::passing("app_unavailable", format!("the app gives no tokens just now: {why}"))
}

fn unavailable(id: &ConnectionId, cause: &dyn std::error::Error) -> StepError {
    warn!(connection.id = %id, error = %cause, "tokens could not be had; the step is tried again");
    StepError::passing("connection_unavailable", "the connection could not be read just now")
}

fn client_unavailable(connector: &str, cause: &dyn std::error::Error) -> StepError {
    warn!(connector, error = %cause, "an OAuth client could not be read; the step is tried again");
    StepError::passing("connection_unavailable", "the OAuth client could not be read just now")
}

fn broken() -> StepError {
    StepError::fatal("secret_broken", "the tokens of the connection do not open any more; connect it again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use connectors::{Manifest, read};

    fn manifest() -> Manifest {
        let document = json!({"name": "acme", "title": "Acme", "base_url": "https://api.acme.example",
            "auth": [{"id": "oauth", "type": "oauth2", "title": "Sign in", "authorize_url": "https://acme.example/agree",
                "token_url": "https://{{ connection.tenant }}.acme.example/token"}],
            "actions": {"go": {"title": "Go", "request": {"method": "GET", "path": "/"}}}});
        read(&document).expect("a manifest without faults")
    }

    #[test]
    fn a_clients_secret_goes_to_the_apps_own_hosts_only() {
        let manifest = manifest();
        let oauth2 = manifest.auth("oauth").and_then(|auth| auth.oauth2.as_ref()).expect("it has one");
        let address = |tenant: &str| {
            let fields = json!({"tenant": tenant});
            let server = Server { oauth2, client: None, key_file: None, fields: &fields };
            server.address(false, Millis(0)).map_err(|error| error.code)
        };
        assert_eq!(address("one").as_deref(), Ok("https://one.acme.example/token"));
        for elsewhere in ["evil.example/", "evil.example?", "evil.example#", "a@evil.example/x"] {
            assert_eq!(address(elsewhere), Err("connection_invalid".to_owned()), "{elsewhere}");
        }
    }

    #[test]
    fn what_a_server_repeats_is_known() {
        let client = Client { id: "id".into(), secret: Some(Secret::new("client-secret-1".into())) };
        let form =
            json!({"refresh_token": "refresh-token-1", "code": "code-12345", "grant_type": "refresh_token"});
        let secrets = secrets_of(&client, form.as_object().expect("an object"));
        let mut told = json!("client-secret-1 refresh-token-1 code-12345 refresh_token");
        secrets.hide(&mut told);
        let told = told.to_string();
        assert!(!told.contains("-1") && !told.contains("12345") && told.contains(" refresh_token"), "{told}");
    }
}
