//! The calls to Secrets Manager.

use aws_lc_rs::digest;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::create_secret::CreateSecretError;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use aws_sdk_secretsmanager::operation::put_secret_value::PutSecretValueError;

use crate::document::Document;
use crate::error::KeyringError;

/// A keyring secret.
pub(crate) struct Storage<'a> {
    pub(crate) client: &'a Client,
    pub(crate) id: &'a str,
}

/// What a version of the secret holds.
pub(crate) struct Stored {
    pub(crate) version_id: String,
    pub(crate) document: Document,
}

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Accepted,
    /// A version under this token, or a secret of this name, was there before, with other content.
    Existed,
}

impl Storage<'_> {
    pub(crate) async fn current(&self) -> Result<Stored, KeyringError> {
        let output = self.client.get_secret_value().secret_id(self.id).send().await.map_err(|error| {
            if error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) {
                KeyringError::Missing { id: self.id.to_owned() }
            } else {
                self.failed("GetSecretValue", error)
            }
        })?;
        let text = output.secret_string().ok_or_else(|| KeyringError::Malformed {
            id: self.id.to_owned(),
            reason: "it holds no text".to_owned(),
        })?;
        Ok(Stored {
            version_id: output.version_id().unwrap_or_default().to_owned(),
            document: Document::parse(self.id, text)?,
        })
    }

    /// Writes the next version after the one whose id is `after`. Only one content can follow a version: see
    /// `successor`.
    pub(crate) async fn put_after(&self, after: &str, document: &Document) -> Result<Written, KeyringError> {
        let outcome = self
            .client
            .put_secret_value()
            .secret_id(self.id)
            .client_request_token(successor(after))
            .secret_string(document.to_json().expose())
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(Written::Accepted),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutSecretValueError::is_resource_exists_exception) =>
            {
                Ok(Written::Existed)
            }
            Err(error) => Err(self.failed("PutSecretValue", error)),
        }
    }

    pub(crate) async fn create(&self, document: &Document) -> Result<Written, KeyringError> {
        let outcome = self
            .client
            .create_secret()
            .name(self.id)
            .description("Patchbay: signing keys, cursor key and setup token")
            .secret_string(document.to_json().expose())
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(Written::Accepted),
            Err(error)
                if error.as_service_error().is_some_and(CreateSecretError::is_resource_exists_exception) =>
            {
                Ok(Written::Existed)
            }
            Err(error) => Err(self.failed("CreateSecret", error)),
        }
    }

    fn failed<E>(&self, operation: &'static str, error: SdkError<E>) -> KeyringError
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let reason = match error.code() {
            Some(code) => code.to_owned(),
            None => error.to_string(),
        };
        KeyringError::Service { id: self.id.to_owned(), operation, reason, source: Box::new(error) }
    }
}

/// The id of the version that completes the version `after`.
///
/// A `ClientRequestToken` becomes the new version's id. For one id Secrets Manager takes one content: the
/// same again is ignored, another is refused with `ResourceExistsException`. So of all who complete the same
/// version, at the same time or late, exactly one succeeds.
fn successor(after: &str) -> String {
    use std::fmt::Write as _;

    let hash = digest::digest(&digest::SHA256, format!("patchbay keyring after {after}").as_bytes());
    // 64 characters: the longest token that is allowed.
    hash.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
