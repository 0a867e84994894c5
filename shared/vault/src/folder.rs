//! Secrets under one prefix of Secrets Manager: each of one organisation and for one purpose.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand;
use domain::OrgKey;
use serde::{Deserialize, Serialize};

use crate::error::SafeError;
use crate::manager::{SecretService, ServiceError};
use crate::secret::Secret;

/// The longest text that Secrets Manager takes, in bytes.
const LONGEST: usize = 64 * 1024;
/// 128 bits: no name is drawn twice.
const RANDOM_BYTES: usize = 16;

/// Where the secrets of organisations are: `<prefix>/<organisation>/<random>`.
///
/// What comes from an item is a name that somebody may have changed. So a name is used only if it is one of this very organisation,
/// and a secret opens only for the organisation and the purpose that it names itself.
#[derive(Clone)]
pub struct SecretFolder {
    service: Arc<dyn SecretService>,
    prefix: Arc<str>,
}

/// What erasing a page came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedPage {
    /// How many secrets of the organisation it named. They are gone.
    pub named: usize,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What a secret holds.
#[derive(Deserialize)]
pub(crate) struct Content {
    organization: String,
    purpose: String,
    value: Secret<String>,
}

/// The same, to be written.
#[derive(Serialize)]
struct Written<'a> {
    organization: &'a str,
    purpose: &'a str,
    value: &'a str,
}

impl Content {
    /// The text, if this is what it is for.
    pub(crate) fn opened(&self, org: &OrgKey, purpose: &str) -> Result<Secret<String>, SafeError> {
        if self.organization != org.org().as_str() || self.purpose != purpose {
            return Err(SafeError::Refused);
        }
        Ok(self.value.clone())
    }
}

impl SecretFolder {
    /// `prefix` without a slash at the end.
    pub fn new(service: Arc<dyn SecretService>, prefix: &str) -> Self {
        Self { service, prefix: prefix.into() }
    }

    /// Keeps a text in a new secret; gives its name.
    pub(crate) async fn keep(&self, org: &OrgKey, purpose: &str, text: &str) -> Result<String, SafeError> {
        let random = drawn()?;
        let name = format!("{}{random}", self.of(org));
        let written = Written { organization: org.org().as_str(), purpose, value: text };
        let written = serde_json::to_string(&written).map(Secret::new).map_err(|_| SafeError::Malformed)?;
        if written.expose().len() > LONGEST {
            return Err(SafeError::TooLarge);
        }
        // Shown to whoever looks at the account's secrets.
        let description = format!("Patchbay: {purpose}");
        self.service.create(&name, &random, &description, &written).await?;
        Ok(name)
    }

    /// What the organisation's secret of this name holds.
    pub(crate) async fn read(&self, org: &OrgKey, name: &str) -> Result<Content, SafeError> {
        if !self.is_of(org, name) {
            return Err(SafeError::Refused);
        }
        let text = self.service.read(name).await?.ok_or(SafeError::Missing)?;
        serde_json::from_str(text.expose()).map_err(|_| SafeError::Malformed)
    }

    /// Deletes the organisation's secret of this name, if it is there.
    pub(crate) async fn delete(&self, org: &OrgKey, name: &str) -> Result<(), SafeError> {
        if !self.is_of(org, name) {
            return Err(SafeError::Refused);
        }
        Ok(self.service.delete(name).await?)
    }

    /// Deletes the organisation's secrets that a page of the list names. It may be repeated, and it is: the list is minutes late, and
    /// pages may shift while it gets shorter. Nothing is left when all pages name none, and nobody has made any for six minutes.
    pub async fn erase_page(&self, org: &OrgKey, from: Option<&str>) -> Result<ErasedPage, ServiceError> {
        let mut page = self.service.list(&self.of(org), from).await?;
        // Whatever the filter let through.
        page.names.retain(|name| self.is_of(org, name));
        for name in &page.names {
            self.service.delete(name).await?;
        }
        Ok(ErasedPage { named: page.names.len(), next: page.next })
    }

    fn of(&self, org: &OrgKey) -> String {
        format!("{}/{}/", self.prefix, org.org())
    }

    /// Whether a secret of this name is one that was made here for this organisation.
    pub(crate) fn is_of(&self, org: &OrgKey, name: &str) -> bool {
        let random = name.strip_prefix(self.of(org).as_str());
        random.is_some_and(|random| {
            random.len() == 2 * RANDOM_BYTES && random.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    }
}

/// Hexadecimal, and as long as a request's token must be.
fn drawn() -> Result<String, SafeError> {
    use std::fmt::Write as _;

    let mut bytes = [0; RANDOM_BYTES];
    rand::fill(&mut bytes).map_err(|_| SafeError::Randomness)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

impl fmt::Debug for SecretFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretFolder").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
