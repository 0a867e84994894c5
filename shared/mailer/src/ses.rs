//! Mail by Amazon SES.

use crate::{Mail, MailError, Mailer, line};
use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use runtime::Clock;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How much of an error's answer is told.
const EXCERPT: usize = 300;

/// Sends from one address, which SES must have verified.
#[derive(Clone)]
pub struct SesMailer {
    pub connector: SharedHttpConnector,
    pub credentials: Credentials,
    pub region: String,
    /// Another SES than AWS's, without a slash at the end.
    pub endpoint: Option<String>,
    pub from: String,
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for SesMailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SesMailer").field("from", &self.from).finish_non_exhaustive()
    }
}

impl SesMailer {
    fn request(&self, mail: &Mail) -> Result<HttpRequest, String> {
        let base = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://email.{}.amazonaws.com", self.region),
        };
        let uri = format!("{base}/v2/email/outbound-emails");
        let host = base.split('/').nth(2).unwrap_or_default().to_owned();
        let utf8 = |text: &str| json!({"Data": text, "Charset": "UTF-8"});
        let body = json!({
            "FromEmailAddress": self.from,
            "Destination": {"ToAddresses": [line(&mail.to)]},
            "Content": {"Simple": {"Subject": utf8(&line(&mail.subject)), "Body": {"Text": utf8(&mail.text)}}},
        })
        .to_string();
        let headers = [("host", host.as_str()), ("content-type", "application/json")];
        let now = SystemTime::UNIX_EPOCH
            + Duration::from_millis(u64::try_from(self.clock.now().0).unwrap_or_default());
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ses")
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| e.to_string())?
            .into();
        let signable =
            SignableRequest::new("POST", &uri, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))
                .map_err(|e| e.to_string())?;
        let (instructions, _) = sign(signable, &params).map_err(|e| e.to_string())?.into_parts();
        let signed: Vec<(String, String)> =
            instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let length = body.len().to_string();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|e| e.to_string())?;
        request.set_uri(uri.as_str()).map_err(|e| e.to_string())?;
        for (name, value) in headers {
            request.headers_mut().insert(name, value.to_owned());
        }
        request.headers_mut().insert("content-length", length);
        for (name, value) in signed {
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }
}

#[async_trait]
impl Mailer for SesMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let request = self.request(mail).map_err(MailError::Refused)?;
        let sent = self.connector.call(request).await.map_err(|e| MailError::Unavailable(e.to_string()))?;
        let status = sent.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(());
        }
        let body = Limited::new(sent.into_body(), 64 * 1024).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let text: String = String::from_utf8_lossy(&body).chars().take(EXCERPT).collect();
        let reason = format!("status {status}: {text}");
        // 429 asks to slow down; 404 and 400 are about addresses and accounts.
        Err(if status >= 500 || status == 429 {
            MailError::Unavailable(reason)
        } else {
            MailError::Refused(reason)
        })
    }
}
