//! The relying party: sending browsers to the provider, and taking back what they bring.

use crate::discovery::{self, Metadata};
use crate::error::short;
use crate::token::{Expected, Unverified, is_true, verify};
use crate::{Identity, OidcError, Pending, Provider};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use egress::{HttpPort, HttpRequest};
use http::Method;
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

/// What is always asked for.
pub const SCOPES: &str = "openid email profile";

/// How long what a provider says about itself is kept, in seconds.
const KEPT: i64 = 3600;
/// How soon a set of keys is read again because a token's key is not in it.
const KEYS_AGAIN_AFTER: i64 = 60;

/// Talks to the provider, and remembers for an hour what that says about itself.
pub struct Client {
    http: Arc<dyn HttpPort>,
    known: Mutex<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    metadata: Arc<Metadata>,
    keys: Arc<JwkSet>,
    read_at: i64,
    keys_read_at: i64,
}

#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Option<String>,
    access_token: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Client {
    pub fn new(http: Arc<dyn HttpPort>) -> Self {
        Self { http, known: Mutex::new(None) }
    }

    /// Whether the provider is there and says what it must; asks it anew. `now` is in seconds since 1970.
    pub async fn probe(&self, provider: &Provider, now: i64) -> Result<(), OidcError> {
        *self.known.lock().await = None;
        let known = self.known(provider, now).await?;
        if known.keys.keys.is_empty() {
            return Err(OidcError::unexpected("key set", "has no key that can be used"));
        }
        Ok(())
    }

    /// Where the browser goes to sign in.
    pub async fn authorization_url(
        &self,
        provider: &Provider,
        pending: &Pending,
        redirect_uri: &str,
        now: i64,
    ) -> Result<String, OidcError> {
        let known = self.known(provider, now).await?;
        let mut url = Url::parse(&known.metadata.authorization_endpoint)
            .map_err(|_| OidcError::unexpected("authorization endpoint", "is no address"))?;
        let scopes: Vec<&str> = SCOPES.split(' ').chain(provider.scopes.iter().map(String::as_str)).collect();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", pending.proof().state())
            .append_pair("nonce", &pending.nonce)
            .append_pair("code_challenge", &pending.proof().challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Exchanges the code that the browser brought. `issuer` is the answer's own `iss`, where it has one.
    pub async fn identify(
        &self,
        provider: &Provider,
        pending: &Pending,
        code: &str,
        issuer: Option<&str>,
        redirect_uri: &str,
        now: i64,
    ) -> Result<Identity, OidcError> {
        let known = self.known(provider, now).await?;
        // An answer of another provider's, sent here to have its code shown to this one (RFC 9207).
        let said = issuer.map_or(!known.metadata.authorization_response_iss_parameter_supported, |issuer| {
            issuer == provider.issuer
        });
        if !said {
            return Err(OidcError::NotBelieved("the answer is of another issuer"));
        }
        let answer = self.exchange(provider, &known.metadata, pending, code, redirect_uri).await?;
        if let Some(error) = answer.error {
            let why = answer.error_description.unwrap_or_default();
            return Err(OidcError::Refused(short(&format!("{error} {why}"))));
        }
        let token =
            answer.id_token.ok_or_else(|| OidcError::unexpected("token answer", "has no `id_token`"))?;
        let expected =
            Expected { issuer: &provider.issuer, client_id: &provider.client_id, nonce: &pending.nonce };
        let mut identity = match verify(&token, &known.keys, &expected, now) {
            Ok(identity) => identity,
            Err(Unverified::Other(error)) => return Err(error),
            Err(Unverified::UnknownKey) => {
                let keys = self.newer_keys(&known, now).await?;
                match verify(&token, &keys, &expected, now) {
                    Ok(identity) => identity,
                    Err(Unverified::Other(error)) => return Err(error),
                    Err(Unverified::UnknownKey) => {
                        return Err(OidcError::NotBelieved("the provider publishes no such key"));
                    }
                }
            }
        };
        if let (Some(url), Some(access)) = (&known.metadata.userinfo_endpoint, &answer.access_token)
            && (identity.email.is_none() || !identity.claims.contains_key(&provider.claim))
        {
            self.complete(&mut identity, url, access).await?;
        }
        Ok(identity)
    }

    async fn exchange(
        &self,
        provider: &Provider,
        metadata: &Metadata,
        pending: &Pending,
        code: &str,
        redirect_uri: &str,
    ) -> Result<TokenAnswer, OidcError> {
        let mut request = HttpRequest::new(Method::POST, &metadata.token_endpoint)
            .header("content-type", "application/x-www-form-urlencoded")?
            .header("accept", "application/json")?;
        // A code and a secret go to the address that was named, and to no other.
        request.follow_redirects = false;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", pending.proof().verifier()),
        ];
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
        // What is left unsaid is `client_secret_basic` (Discovery 1.0, 3).
        let basic = methods.is_none_or(|all| all.iter().any(|method| method == "client_secret_basic"));
        match &provider.client_secret {
            Some(secret) if basic => {
                // RFC 6749, 2.3.1: both are form-encoded first.
                let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encode(&provider.client_id), encode(secret));
                request =
                    request.secret_header("authorization", &format!("Basic {}", STANDARD.encode(pair)))?;
            }
            Some(secret) => fields.extend([("client_id", &*provider.client_id), ("client_secret", secret)]),
            None => fields.push(("client_id", &provider.client_id)),
        }
        request.body = Bytes::from(Serializer::new(String::new()).extend_pairs(fields).finish());
        request.timeout = discovery::PATIENCE;
        let response = self.http.send(request).await?;
        // Refusals have a body of the same kind (RFC 6749, 5.2).
        serde_json::from_slice(&response.body).map_err(|_| {
            OidcError::unexpected(
                "token answer",
                format!("is no JSON, with status {}", response.status.as_u16()),
            )
        })
    }

    /// Adds what the provider tells of the person apart from the token.
    async fn complete(&self, identity: &mut Identity, url: &str, access: &str) -> Result<(), OidcError> {
        let request = HttpRequest::new(Method::GET, url)
            .header("accept", "application/json")?
            .secret_header("authorization", &format!("Bearer {access}"))?;
        let told: Map<String, Value> = discovery::read(&*self.http, request, "user info").await?;
        // Core 1.0, 5.3.2: it may be about somebody else.
        if told.get("sub").and_then(Value::as_str) != Some(&identity.subject) {
            return Err(OidcError::NotBelieved("the user info is about somebody else"));
        }
        if identity.email.is_none() {
            identity.email = told.get("email").and_then(Value::as_str).map(str::to_owned);
            identity.email_verified = is_true(told.get("email_verified"));
        }
        for (name, value) in told {
            identity.claims.entry(name).or_insert(value);
        }
        Ok(())
    }

    async fn known(&self, provider: &Provider, now: i64) -> Result<Known, OidcError> {
        let mut held = self.known.lock().await;
        if let Some(known) = held.as_ref() {
            let fresh = (known.read_at..known.read_at + KEPT).contains(&now);
            if fresh && known.metadata.issuer == provider.issuer {
                return Ok(known.clone());
            }
        }
        let metadata = discovery::metadata(&*self.http, &provider.issuer).await?;
        let keys = discovery::keys(&*self.http, &metadata.jwks_uri).await?;
        let known =
            Known { metadata: Arc::new(metadata), keys: Arc::new(keys), read_at: now, keys_read_at: now };
        *held = Some(known.clone());
        Ok(known)
    }

    /// The set of keys as it is now; not more often than once a minute, whatever tokens come.
    async fn newer_keys(&self, used: &Known, now: i64) -> Result<Arc<JwkSet>, OidcError> {
        let mut held = self.known.lock().await;
        let Some(known) = held.as_mut().filter(|known| known.metadata.jwks_uri == used.metadata.jwks_uri)
        else {
            return Ok(used.keys.clone());
        };
        if !(known.keys_read_at..known.keys_read_at + KEYS_AGAIN_AFTER).contains(&now) {
            known.keys = Arc::new(discovery::keys(&*self.http, &known.metadata.jwks_uri).await?);
            known.keys_read_at = now;
        }
        Ok(known.keys.clone())
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
