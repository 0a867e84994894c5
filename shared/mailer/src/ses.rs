//! Mail by Amazon SES.

use crate::{Mail, MailError, Mailer, line};
use async_trait::async_trait;
use runtime::{SignedError, SignedHttp, SignedPost};
use serde_json::json;

/// How much of an error's answer is told.
const EXCERPT: usize = 300;

/// Sends from one address, which SES must have verified.
#[derive(Clone)]
pub struct SesMailer {
    pub http: SignedHttp,
    pub from: String,
}

impl std::fmt::Debug for SesMailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SesMailer").field("from", &self.from).finish_non_exhaustive()
    }
}

#[async_trait]
impl Mailer for SesMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let utf8 = |text: &str| json!({"Data": text, "Charset": "UTF-8"});
        let body = json!({
            "FromEmailAddress": self.from,
            "Destination": {"ToAddresses": [line(&mail.to)]},
            "Content": {"Simple": {"Subject": utf8(&line(&mail.subject)), "Body": {"Text": utf8(&mail.text)}}},
        });
        let post = SignedPost {
            service: "ses",
            host: "email",
            path: "/v2/email/outbound-emails",
            content_type: "application/json",
            target: None,
        };
        let (status, answer) = match self.http.post(post, body.to_string()).await {
            Ok(answered) => answered,
            Err(error @ SignedError::Request(_)) => return Err(MailError::Refused(error.to_string())),
            Err(error @ SignedError::Unanswered(_)) => return Err(MailError::Unavailable(error.to_string())),
        };
        if (200..300).contains(&status) {
            return Ok(());
        }
        let text: String = String::from_utf8_lossy(&answer).chars().take(EXCERPT).collect();
        let reason = format!("status {status}: {text}");
        // 429 asks to slow down; 404 and 400 are about addresses and accounts.
        Err(if status >= 500 || status == 429 {
            MailError::Unavailable(reason)
        } else {
            MailError::Refused(reason)
        })
    }
}
