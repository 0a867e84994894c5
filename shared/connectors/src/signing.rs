//! With what requests to AWS are signed: what a call gives to whoever sends it.

use crate::manifest::Auth;
use domain::run::StepError;
use serde_json::{Map, Value};

/// A connection may be without it: only temporary credentials have one.
pub(crate) const SESSION_TOKEN: &str = "session_token";
/// What is asked for: name, title, and whether it is secret.
pub(crate) const FIELDS: [(&str, &str, bool); 3] = [
    ("access_key_id", "Access key ID", false),
    ("secret_access_key", "Secret access key", true),
    (SESSION_TOKEN, "Session token", true),
];

/// How the requests of a call are signed (AWS Signature Version 4). The secrets are what stands for them.
#[derive(Clone, PartialEq, Eq)]
pub struct Signing {
    /// The service's name in signatures: `s3`.
    pub service: String,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: String,
    /// Of temporary credentials.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Signing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { service, region, .. } = self;
        f.debug_struct("Signing").field("service", service).field("region", region).finish_non_exhaustive()
    }
}

impl Signing {
    /// How a way to sign in signs, in this region; `None` where it does not.
    pub(crate) fn of(
        auth: &Auth,
        region: &Value,
        credentials: &Map<String, Value>,
    ) -> Result<Option<Self>, StepError> {
        let Some(sigv4) = &auth.sigv4 else { return Ok(None) };
        let given = |name: &str| {
            let text = credentials.get(name).and_then(Value::as_str).map(str::trim);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let needed = |found: Option<String>, what: &str| {
            found.ok_or_else(|| {
                let message = format!("the connection has no {what} to sign requests with; give it one");
                StepError::fatal("invalid_input", message)
            })
        };
        let region = region.as_str().map(str::trim).filter(|region| !region.is_empty()).map(str::to_owned);
        Ok(Some(Self {
            service: sigv4.service.clone(),
            region: needed(region, "region")?,
            access_key_id: needed(given("access_key_id"), "access key ID")?,
            secret_access_key: needed(given("secret_access_key"), "secret access key")?,
            session_token: given(SESSION_TOKEN),
        }))
    }
}
