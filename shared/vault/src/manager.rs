//! AWS Secrets Manager by single signed requests: the SDK's client is larger than all else that the executor has.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use runtime::{SignedHttp, SignedPost};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;
use zeroize::Zeroize as _;

use crate::secret::Secret;

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it is waited before each further try.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];
/// How many secrets a page of a list has: the most that AWS gives.
pub(crate) const PAGE: usize = 100;

/// Secrets Manager refused, or did not answer. Nothing of any secret is in it.
#[derive(Debug, Clone, Error)]
#[error("`{operation}` failed: {reason}")]
pub struct ServiceError {
    pub operation: &'static str,
    pub reason: String,
}

/// What a page of a list names, and where the next one begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    pub names: Vec<String>,
    pub next: Option<String>,
}

/// The calls of Secrets Manager that credentials need. What fails may be tried again.
#[async_trait]
pub trait SecretService: Send + Sync {
    /// Makes a secret of a name that nobody else has drawn. `token`, 32 to 64 characters, is the same if this is done again.
    async fn create(
        &self,
        name: &str,
        token: &str,
        description: &str,
        text: &Secret<String>,
    ) -> Result<(), ServiceError>;

    /// What a secret holds; `None` if there is none of this name.
    async fn read(&self, name: &str) -> Result<Option<Secret<String>>, ServiceError>;

    /// Deletes a secret for good. One that is not there is as good as deleted.
    async fn delete(&self, name: &str) -> Result<(), ServiceError>;

    /// Secrets whose names may begin with `prefix`, from where the page before ended. It is minutes late: what was made or deleted
    /// since then may be missing or still be there.
    async fn list(&self, prefix: &str, from: Option<&str>) -> Result<Listed, ServiceError>;
}

/// Secrets Manager in one region, in the name of one role.
pub struct SecretsManager {
    http: SignedHttp,
}

/// Why a try came to nothing.
enum Failed {
    /// The same may succeed in a moment.
    Passing(String),
    /// The code that AWS gave.
    Refused(String),
}

impl Failed {
    fn reason(self) -> String {
        match self {
            Self::Passing(reason) | Self::Refused(reason) => reason,
        }
    }
}

impl SecretsManager {
    pub fn new(http: SignedHttp) -> Self {
        Self { http }
    }

    /// One try.
    async fn post(&self, target: &str, body: &Secret<String>) -> Result<Vec<u8>, Failed> {
        let post = SignedPost {
            service: "secretsmanager",
            host: "secretsmanager",
            path: "/",
            content_type: "application/x-amz-json-1.1",
            target: Some(target),
        };
        let sent = tokio::time::timeout(PATIENCE, self.http.post(post, body.expose().clone())).await;
        let (status, answer) = match sent {
            Ok(Ok(answered)) => answered,
            Ok(Err(error)) => return Err(Failed::Passing(error.to_string())),
            Err(_) => return Err(Failed::Passing("no answer in time".to_owned())),
        };
        if status == 200 {
            return Ok(answer);
        }
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let code = answer["__type"].as_str().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or(code).split(':').next().unwrap_or_default();
        let reason = if code.is_empty() { format!("status {status}") } else { code.to_owned() };
        let passing =
            status >= 500 || status == 429 || code.contains("Throttl") || code == "RequestLimitExceeded";
        Err(if passing { Failed::Passing(reason) } else { Failed::Refused(reason) })
    }

    /// Tries while the failure may pass, or `again` says of a refusal that it may. Gives with it how often it was tried before.
    async fn call(
        &self,
        target: &str,
        body: &Secret<String>,
        again: fn(&str) -> bool,
    ) -> (usize, Result<Vec<u8>, Failed>) {
        for (tried, pause) in PAUSES.iter().enumerate() {
            match self.post(target, body).await {
                Err(Failed::Passing(reason)) => {
                    tracing::warn!(call = target, reason, "a call is tried again");
                }
                Err(Failed::Refused(code)) if again(&code) => {}
                other => return (tried, other),
            }
            self.http.clock.sleep(*pause).await;
        }
        (PAUSES.len(), self.post(target, body).await)
    }
}

#[derive(Deserialize)]
struct Read {
    #[serde(rename = "SecretString")]
    text: Option<Secret<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    secret_list: Vec<Named>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "Name")]
    name: String,
}

const GONE: &str = "ResourceNotFoundException";
const EXISTS: &str = "ResourceExistsException";

#[async_trait]
impl SecretService for SecretsManager {
    async fn create(
        &self,
        name: &str,
        token: &str,
        description: &str,
        text: &Secret<String>,
    ) -> Result<(), ServiceError> {
        let asked = json!({"Name": name, "ClientRequestToken": token, "Description": description,
            "SecretString": text.expose()});
        let asked = written(asked);
        match self.call("secretsmanager.CreateSecret", &asked, |_| false).await {
            (_, Ok(_)) => Ok(()),
            // A try before took place, and its answer was lost: nobody else draws this name.
            (1.., Err(Failed::Refused(code))) if code == EXISTS => Ok(()),
            (_, Err(failed)) => Err(ServiceError { operation: "CreateSecret", reason: failed.reason() }),
        }
    }

    async fn read(&self, name: &str) -> Result<Option<Secret<String>>, ServiceError> {
        let failed = |reason: String| ServiceError { operation: "GetSecretValue", reason };
        let asked = Secret::new(json!({"SecretId": name}).to_string());
        // One that was made a moment ago may not be seen everywhere yet.
        let (_, came) = self.call("secretsmanager.GetSecretValue", &asked, |code| code == GONE).await;
        match came {
            Ok(mut answer) => {
                let read = serde_json::from_slice::<Read>(&answer);
                answer.zeroize();
                // The reader's own message could quote the secret.
                Ok(read.map_err(|_| failed("the answer is not understood".to_owned()))?.text)
            }
            // Somebody may have it deleted by hand, to be restored within days: nothing opens it until then.
            Err(Failed::Refused(code)) if code == GONE || code == "InvalidRequestException" => Ok(None),
            Err(other) => Err(failed(other.reason())),
        }
    }

    async fn delete(&self, name: &str) -> Result<(), ServiceError> {
        let asked = json!({"SecretId": name, "ForceDeleteWithoutRecovery": true}).to_string();
        let (_, came) = self.call("secretsmanager.DeleteSecret", &Secret::new(asked), |_| false).await;
        match came {
            Ok(_) => Ok(()),
            Err(Failed::Refused(code)) if code == GONE => Ok(()),
            Err(other) => Err(ServiceError { operation: "DeleteSecret", reason: other.reason() }),
        }
    }

    async fn list(&self, prefix: &str, from: Option<&str>) -> Result<Listed, ServiceError> {
        let failed = |reason: String| ServiceError { operation: "ListSecrets", reason };
        let mut asked = json!({"MaxResults": PAGE, "Filters": [{"Key": "name", "Values": [prefix]}]});
        if let Some(from) = from {
            asked["NextToken"] = from.into();
        }
        let asked = Secret::new(asked.to_string());
        let (_, came) = self.call("secretsmanager.ListSecrets", &asked, |_| false).await;
        let answer = came.map_err(|error| failed(error.reason()))?;
        let page: Page = serde_json::from_slice(&answer).map_err(|error| failed(error.to_string()))?;
        let names = page.secret_list.into_iter().map(|named| named.name).collect();
        Ok(Listed { names, next: page.next_token })
    }
}

/// A request as text; the JSON's own copy of the secret is wiped.
fn written(mut asked: Value) -> Secret<String> {
    let text = Secret::new(asked.to_string());
    if let Some(Value::String(secret)) = asked.get_mut("SecretString") {
        secret.zeroize();
    }
    text
}

impl fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsManager").field("http", &self.http).finish()
    }
}
