//! Secrets Manager by winterbaume, with its state kept in a file.

use crate::cloud::{Answer, CloudError, REGION};
use crate::meter::Meter;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio::sync::Mutex;
use winterbaume_core::{MockRequest, MockService, StatefulService, default_account_id};
use winterbaume_secretsmanager::{SecretsManagerService, SecretsmanagerStateView};

pub(crate) struct Secrets {
    service: SecretsManagerService,
    file: Option<PathBuf>,
    /// One change at a time: what is written is what was changed last.
    changes: Mutex<()>,
}

impl Secrets {
    pub(crate) fn memory() -> Self {
        Self { service: SecretsManagerService::new(), file: None, changes: Mutex::default() }
    }

    pub(crate) async fn open(file: PathBuf) -> Result<Self, CloudError> {
        let secrets = Self { file: Some(file.clone()), ..Self::memory() };
        let failed = |reason: String| CloudError::Secrets { path: file.display().to_string(), reason };
        match std::fs::read(&file) {
            Ok(bytes) => {
                let view: SecretsmanagerStateView =
                    serde_json::from_slice(&bytes).map_err(|e| failed(e.to_string()))?;
                let restored = secrets.service.restore(default_account_id(), REGION, view).await;
                restored.map_err(|e| failed(e.to_string()))?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(e.to_string())),
        }
        Ok(secrets)
    }

    pub(crate) async fn answer(
        &self,
        target: &str,
        operation: &str,
        uri: String,
        body: Bytes,
        meter: &Meter,
    ) -> Answer {
        meter.add(&format!("secretsmanager.{operation}"), 1.0);
        let reads = operation.starts_with("Get")
            || operation.starts_with("List")
            || operation.starts_with("Describe");
        let _turn = if reads { None } else { Some(self.changes.lock().await) };
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(target) {
            headers.insert("x-amz-target", value);
        }
        let asked = body.clone();
        let request = MockRequest { method: "POST".to_owned(), uri, headers, body };
        let response = self.service.handle(request).await;
        if operation == "ListSecrets" && response.status == 200 {
            return page(&asked, &response.body);
        }
        if !reads && let Some(file) = &self.file {
            let view = self.service.snapshot(default_account_id(), REGION).await;
            let written =
                serde_json::to_vec(&view).map_err(std::io::Error::other).and_then(|json| write(file, &json));
            if let Err(error) = written {
                return Answer::error(
                    500,
                    "InternalServiceError",
                    &format!("the secrets were not kept: {error}"),
                );
            }
        }
        Answer { status: response.status, body: String::from_utf8_lossy(&response.body).into_owned() }
    }
}

/// What winterbaume leaves out of `ListSecrets`: the filter by name, and pages. As on AWS, names are compared from their beginning.
fn page(asked: &[u8], all: &[u8]) -> Answer {
    let asked: Value = serde_json::from_slice(asked).unwrap_or_default();
    let mut all: Value = serde_json::from_slice(all).unwrap_or_default();
    let mut found = all["SecretList"].take().as_array().cloned().unwrap_or_default();
    let name = |secret: &Value| secret["Name"].as_str().unwrap_or_default().to_owned();
    for filter in asked["Filters"].as_array().into_iter().flatten().filter(|filter| filter["Key"] == "name") {
        let begins: Vec<_> =
            filter["Values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        found.retain(|secret| begins.iter().any(|begin| name(secret).starts_with(begin)));
    }
    found.sort_by_key(name);
    let after = asked["NextToken"].as_str().unwrap_or_default();
    found.retain(|secret| name(secret).as_str() > after);
    let most = asked["MaxResults"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(100);
    let more = found.len() > most;
    found.truncate(most);
    let next = found.last().filter(|_| more).map(name);
    let mut page = json!({"SecretList": found});
    if let Some(next) = next {
        page["NextToken"] = next.into();
    }
    Answer::ok(page.to_string())
}

/// Replaces the file whole, readable by its owner only.
fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = file.with_extension("new");
    let mut out =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    std::fs::rename(new, file)
}
