//! Tokens of OAuth 2.0: got, kept, and got anew by one at a time.
//!
//! Servers that rotate refresh tokens take each once, and some end everything when one comes twice. So whoever asks for new tokens holds
//! a lease, and keeps what came before using it; whoever does not get the lease waits for those.

use crate::http_request;
use crate::secrets::Secrets;
use connectors::basic;
use connectors::manifest::{ClientAuth, Encoding, OAuth2};
use domain::connection::{Tokens, tokens_sealed_for};
use domain::run::StepError;
use domain::{ConnectionId, Millis, OrgKey};
use egress::HttpPort;
use runtime::{Clock, Draw};
use serde_json::{Map, Value, json};
use std::time::Duration;
use store::{ConnectionStore, KeptTokens, Lease};
use tracing::{error, warn};
use vault::{Sealers, Secret};

/// Tokens that are good for less are got anew: a call takes its time, and clocks differ.
const AT_LEAST: Duration = Duration::from_mins(2);
/// How long a server may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longer than a server may take, and what follows.
const LEASE: Duration = Duration::from_secs(30);
/// How often whoever waits looks.
const LOOK: Duration = Duration::from_millis(250);
/// How long it waits.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is remembered of an answer that gives no end.
const NO_END: Option<Millis> = None;

/// The client as which an organisation is known to a server.
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
    pub sealers: &'a dyn Sealers,
    pub http: &'a dyn HttpPort,
    pub clock: &'a dyn Clock,
    pub draw: &'a dyn Draw,
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
    Ended(String),
    /// Anything else.
    Failed(StepError),
}

impl From<StepError> for NoTokens {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

impl Fetcher<'_> {
    /// Tokens that are good for a while: the kept ones, or new ones. `stale` are not taken, whatever their end says: the app refused them.
    pub async fn good(
        self,
        org: &OrgKey,
        id: &ConnectionId,
        oauth2: &OAuth2,
        token_url: &str,
        client: &Client,
        mut kept: KeptTokens,
        stale: Option<u32>,
    ) -> Result<Tokens, NoTokens> {
        let begun = self.clock.now();
        loop {
            let tokens = self.opened(org, id, &kept).await?;
            if stale != Some(kept.number) && tokens.are_good(self.clock.now(), AT_LEAST) {
                return Ok(tokens);
            }
            let Some(refresh) = tokens.refresh_token.clone() else {
                return Err(NoTokens::Ended("the tokens are over, and none came to get new ones with".to_owned()));
            };
            let now = self.clock.now();
            let holder = format!("{:016x}", self.draw.draw());
            let lease = self.connections.lease_tokens(org, id, kept.number, &holder, now, now.plus(LEASE)).await;
            match lease.map_err(|error| unavailable(id, &error))? {
                Lease::Ours => return self.refresh(org, id, oauth2, token_url, client, &kept, &refresh, &holder).await,
                Lease::Theirs if begun.until(now) > PATIENCE => {
                    let message = "somebody else has been asking for new tokens for too long";
                    return Err(StepError::passing("connection_unavailable", message).into());
                }
                Lease::Theirs => self.clock.sleep(LOOK).await,
            }
            let read = self.connections.connection(org, id).await.map_err(|error| unavailable(id, &error))?;
            kept = read.and_then(|read| read.tokens).ok_or_else(|| {
                NoTokens::Ended("the connection was changed while its tokens were got anew".to_owned())
            })?;
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are what a refresh is made of")]
    async fn refresh(
        self,
        org: &OrgKey,
        id: &ConnectionId,
        oauth2: &OAuth2,
        token_url: &str,
        client: &Client,
        kept: &KeptTokens,
        refresh: &str,
        holder: &str,
    ) -> Result<Tokens, NoTokens> {
        let mut form = Map::new();
        form.insert("grant_type".into(), "refresh_token".into());
        form.insert("refresh_token".into(), refresh.into());
        let asked = self.ask(oauth2, token_url, client, form).await;
        let mut tokens = match asked {
            Ok((tokens, _)) => tokens,
            Err(error) => {
                // Whoever comes next may try at once; should this fail, the lease ends by itself.
                if let Err(error) = self.connections.release_tokens(org, id, holder).await {
                    warn!(connection.id = %id, %error, "a lease could not be given back");
                }
                return Err(error);
            }
        };
        // A server that does not rotate gives none.
        if tokens.refresh_token.is_none() {
            tokens.refresh_token = Some(refresh.to_owned());
        }
        let sealed = self.sealed(org, id, &tokens).await?;
        match self.connections.keep_tokens(org, id, kept.number, holder, &sealed).await {
            Ok(true) => Ok(tokens),
            Ok(false) => {
                error!(connection.id = %id, "new tokens came after their lease had ended; they are lost if the server rotates them");
                Err(StepError::passing("connection_unavailable", "the new tokens came too late to be kept").into())
            }
            Err(error) => Err(unavailable(id, &error).into()),
        }
    }

    /// Asks for tokens: they, and the whole answer.
    pub async fn ask(
        self,
        oauth2: &OAuth2,
        token_url: &str,
        client: &Client,
        mut form: Map<String, Value>,
    ) -> Result<(Tokens, Value), NoTokens> {
        let mut headers = json!({"accept": "application/json"});
        match (oauth2.client_auth, &client.secret) {
            (ClientAuth::Basic, Some(secret)) => {
                headers["authorization"] = format!("Basic {}", basic(&client.id, secret.expose())).into();
            }
            (_, secret) => {
                form.insert("client_id".into(), client.id.clone().into());
                form.extend(secret.as_ref().map(|s| ("client_secret".to_owned(), s.expose().clone().into())));
            }
        }
        let mut input = json!({"method": "POST", "url": token_url, "headers": headers, "follow_redirects": false});
        let place = if oauth2.token_encoding == Encoding::Json { "body" } else { "form" };
        input[place] = Value::Object(form);
        let prepared = http_request::prepare(&input, None, TIMEOUT)?;
        let now = self.clock.now();
        let sent = self.http.send(prepared.request).await;
        // It is read whole, and told to nobody: it holds nothing but secrets.
        let answer = http_request::outcome(sent, true, now, &Secrets::default())?;
        let (status, body) = (answer["status"].as_u64().unwrap_or(0), &answer["body"]);
        let code = body["error"].as_str().unwrap_or_default();
        if let Some(access) = body["access_token"].as_str().filter(|_| status < 400) {
            let seconds = body["expires_in"].as_f64().or_else(|| body["expires_in"].as_str()?.parse().ok());
            let expires_at = seconds
                .filter(|seconds| (1.0..=1e10).contains(seconds))
                .map_or(NO_END, |seconds| Some(now.plus(Duration::from_secs_f64(seconds))));
            let refresh_token = body["refresh_token"].as_str().map(str::to_owned);
            return Ok((Tokens { access_token: access.to_owned(), refresh_token, expires_at }, body.clone()));
        }
        let told = body["error_description"].as_str().unwrap_or(code).chars().take(300).collect::<String>();
        if code == "invalid_grant" {
            return Err(NoTokens::Ended(if told.is_empty() { "invalid_grant".to_owned() } else { told }));
        }
        let message = format!("the server gave no tokens: status {status}, {told}");
        Err(if status == 429 || status >= 500 {
            StepError::passing("connection_unavailable", message).into()
        } else {
            StepError::fatal("credentials_refused", message).into()
        })
    }

    async fn opened(self, org: &OrgKey, id: &ConnectionId, kept: &KeptTokens) -> Result<Tokens, StepError> {
        let sealer = self.sealers.sealer(self.clock.now().0.div_euclid(1000)).await;
        let sealer = sealer.map_err(|error| unavailable(id, &error))?;
        let text = sealer.open(org, &tokens_sealed_for(id), &kept.sealed).map_err(|error| {
            error!(connection.id = %id, %error, "the tokens of a connection do not open");
            broken()
        })?;
        serde_json::from_str(text.expose()).map_err(|_| broken())
    }

    /// Tokens as they are kept.
    pub async fn sealed(self, org: &OrgKey, id: &ConnectionId, tokens: &Tokens) -> Result<String, StepError> {
        let sealer = self.sealers.sealer(self.clock.now().0.div_euclid(1000)).await;
        let sealer = sealer.map_err(|error| unavailable(id, &error))?;
        let text = serde_json::to_string(tokens).map_err(|_| broken())?;
        sealer.seal(org, &tokens_sealed_for(id), &text).map_err(|error| unavailable(id, &error))
    }
}

fn unavailable(id: &ConnectionId, cause: &dyn std::error::Error) -> StepError {
    warn!(connection.id = %id, error = %cause, "tokens could not be had; the step is tried again");
    StepError::passing("connection_unavailable", "the connection could not be read just now")
}

fn broken() -> StepError {
    StepError::fatal("secret_broken", "the tokens of the connection do not open any more; connect it again")
}
