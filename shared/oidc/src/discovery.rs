//! Where the provider's addresses are, and its keys.

use crate::OidcError;
use crate::error::short;
use egress::{HttpPort, HttpRequest};
use http::Method;
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// What is used of `/.well-known/openid-configuration`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: String,
    pub(crate) token_endpoint: String,
    pub(crate) jwks_uri: String,
    pub(crate) userinfo_endpoint: Option<String>,
    #[serde(default)]
    pub(crate) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// RFC 9207: whether answers say whose they are.
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
}

/// Documents of real providers have a few kilobytes.
const LARGEST: usize = 256 * 1024;
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

pub(crate) async fn metadata(http: &dyn HttpPort, issuer: &str) -> Result<Metadata, OidcError> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let metadata: Metadata = fetch(http, &url, "discovery document").await?;
    // Another issuer's document would bring another's keys.
    if metadata.issuer != issuer {
        let told = short(&metadata.issuer);
        return Err(OidcError::unexpected(
            "discovery document",
            format!("is of the issuer `{told}`, to the letter"),
        ));
    }
    // Browsers are sent there: it is an address of the web, not a script.
    for address in [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri] {
        let url = url::Url::parse(address).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
        let same_safety = url.is_some_and(|url| url.scheme() == "https" || issuer.starts_with("http://"));
        if !same_safety {
            return Err(OidcError::unexpected("discovery document", "has an address that is not https://"));
        }
    }
    Ok(metadata)
}

pub(crate) async fn keys(http: &dyn HttpPort, url: &str) -> Result<JwkSet, OidcError> {
    // A key of a kind that is not known must not hide the others.
    #[derive(Deserialize)]
    struct Loose {
        keys: Vec<serde_json::Value>,
    }
    let loose: Loose = fetch(http, url, "key set").await?;
    Ok(JwkSet { keys: loose.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect() })
}

async fn fetch<T: DeserializeOwned>(
    http: &dyn HttpPort,
    url: &str,
    what: &'static str,
) -> Result<T, OidcError> {
    let request = HttpRequest::new(Method::GET, url).header("accept", "application/json")?;
    read(http, request, what).await
}

/// Sends a request whose answer is a JSON document.
pub(crate) async fn read<T: DeserializeOwned>(
    http: &dyn HttpPort,
    mut request: HttpRequest,
    what: &'static str,
) -> Result<T, OidcError> {
    request.timeout = PATIENCE;
    request.max_response_bytes = LARGEST;
    let response = http.send(request).await?;
    if !response.status.is_success() {
        return Err(OidcError::unexpected(what, format!("was answered with {}", response.status.as_u16())));
    }
    serde_json::from_slice(&response.body)
        .map_err(|e| OidcError::unexpected(what, format!("does not fit: {}", short(&e.to_string()))))
}
