//! Single signed requests to AWS, for services of which one call is needed: the SDK's client would be most of a function's program.

use crate::Clock;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The largest answer that is read: a secret of 64 KiB, each character of which may be escaped.
const LARGEST: usize = 512 * 1024;

/// Sends requests that one role signs, in one region.
#[derive(Clone)]
pub struct SignedHttp {
    pub connector: SharedHttpConnector,
    pub credentials: Credentials,
    pub region: String,
    /// In the place of AWS's own addresses, without a slash at the end.
    pub endpoint: Option<String>,
    pub clock: Arc<dyn Clock>,
}

/// What to send.
#[derive(Debug, Clone, Copy)]
pub struct SignedPost<'a> {
    /// The service's name in signatures: `ses`.
    pub service: &'a str,
    /// The same in its address: `email` of `email.eu-west-1.amazonaws.com`.
    pub host: &'a str,
    pub path: &'a str,
    pub content_type: &'a str,
    /// `x-amz-target`, of services that take it.
    pub target: Option<&'a str>,
}

/// The request could not be made, or was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SignedError {
    #[error("the request cannot be made: {0}")]
    Request(String),
    #[error("no answer: {0}")]
    Unanswered(String),
}

impl std::fmt::Debug for SignedHttp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedHttp").field("region", &self.region).finish_non_exhaustive()
    }
}

impl SignedHttp {
    /// Sends a body; gives status and answer, whatever they are.
    pub async fn post(&self, post: SignedPost<'_>, body: String) -> Result<(u16, Vec<u8>), SignedError> {
        let request = self.request(post, body).map_err(SignedError::Request)?;
        let sent = self.connector.call(request).await.map_err(|e| SignedError::Unanswered(e.to_string()))?;
        let status = sent.status().as_u16();
        let answer = Limited::new(sent.into_body(), LARGEST).collect().await;
        let answer = answer.map_err(|e| SignedError::Unanswered(e.to_string()))?;
        Ok((status, answer.to_bytes().to_vec()))
    }

    fn request(&self, post: SignedPost<'_>, body: String) -> Result<HttpRequest, String> {
        let base = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://{}.{}.amazonaws.com", post.host, self.region),
        };
        let uri = format!("{base}{}", post.path);
        let host = base.split('/').nth(2).unwrap_or_default().to_owned();
        let mut headers = vec![("host", host.as_str()), ("content-type", post.content_type)];
        headers.extend(post.target.map(|target| ("x-amz-target", target)));
        let now = SystemTime::UNIX_EPOCH
            + Duration::from_millis(u64::try_from(self.clock.now().0).unwrap_or_default());
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(post.service)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| e.to_string())?
            .into();
        let signable =
            SignableRequest::new("POST", &uri, headers.iter().copied(), SignableBody::Bytes(body.as_bytes()))
                .map_err(|e| e.to_string())?;
        let (instructions, _) = sign(signable, &params).map_err(|e| e.to_string())?.into_parts();
        let signed: Vec<(String, String)> =
            instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let length = body.len().to_string();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|e| e.to_string())?;
        request.set_uri(uri.as_str()).map_err(|e| e.to_string())?;
        for (name, value) in headers {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        request.headers_mut().insert("content-length", length);
        for (name, value) in signed {
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }
}
