//! Who may ask for tokens, and how they prove who they are.

use super::server::{Refused, Server};
use crate::call::Call;
use crate::path::first;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

/// A registered client. Without a secret it is public, and proves nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    #[serde(rename = "client_id")]
    pub(crate) id: String,
    #[serde(rename = "client_secret", default)]
    pub(crate) secret: Option<String>,
    /// Each whole; one of this machine that ends in a slash stands for any port and path there, as tests listen anywhere.
    #[serde(default)]
    pub(crate) redirect_uris: Vec<String>,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
}

impl Client {
    pub(crate) fn redirects_to(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|known| {
            let any_port = ["http://127.0.0.1/", "http://localhost/"].contains(&known.as_str());
            known == uri || (any_port && same_host(known, uri))
        })
    }
}

fn same_host(known: &str, uri: &str) -> bool {
    match (url::Url::parse(known), url::Url::parse(uri)) {
        (Ok(known), Ok(uri)) => {
            known.host() == uri.host()
                && uri.scheme() == "http"
                && uri.fragment().is_none()
                && uri.username().is_empty()
        }
        _ => false,
    }
}

impl Server {
    /// The client of a request to the token endpoint: by `Authorization: Basic`, by the body, or public.
    pub(super) fn client(&self, call: &Call, form: &[(String, String)]) -> Result<Client, Refused> {
        let basic = match call.header("authorization") {
            Some(text) => {
                Some(basic(text).ok_or(Refused::client(true, "the Authorization header cannot be read"))?)
            }
            None => None,
        };
        let in_body = (first(form, "client_id"), first(form, "client_secret"));
        let by_header = basic.is_some();
        let (id, secret) = match (basic, in_body) {
            (Some(_), (_, Some(_))) => {
                return Err(Refused::request("a client proves who it is in one way, not in two"));
            }
            (Some((id, _)), (Some(other), None)) if id != other => {
                return Err(Refused::request("client_id differs from the one in the Authorization header"));
            }
            (Some((id, secret)), _) => (id, Some(secret)),
            (None, (Some(id), secret)) => (id.to_owned(), secret.map(str::to_owned)),
            (None, (None, _)) => return Err(Refused::client(false, "there is no client")),
        };
        let client = self.clients.iter().find(|client| client.id == id);
        let client = client.ok_or(Refused::client(by_header, "the client is not known"))?;
        if !by_header && secret.is_some() && !self.rules.secret_in_body {
            return Err(Refused::client(false, "the secret belongs into the Authorization header"));
        }
        if client.secret != secret.filter(|secret| client.secret.is_some() || !secret.is_empty()) {
            return Err(Refused::client(by_header, "the client's secret is not right"));
        }
        Ok(client.clone())
    }
}

/// Id and secret of a Basic header. Both are form-encoded within it.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    // One nameless pair: what stands before an equals sign, were there one, is its name.
    let escaped = text.replace('=', "%3D").replace('&', "%26");
    form_urlencoded::parse(escaped.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}
