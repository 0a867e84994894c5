//! What the function is configured with.

use crate::layers::RateLimits;
use blobs::Bucket;
use dispatch::QueueUrls;
use runtime::{MissingVariable, Vars};
use store::TableNames;
use vault::Storage;

#[derive(Debug, Clone)]
pub struct Config {
    pub tables: TableNames,
    pub queues: QueueUrls,
    pub bus: String,
    pub keyring_secret: String,
    /// How new credentials are kept.
    pub storage: Storage,
    /// What the names of their secrets begin with.
    pub credentials_prefix: String,
    pub public_url: String,
    /// The address that mail is sent from; without it, no mail is sent.
    pub mail_from: Option<String>,
    pub rates: RateLimits,
    pub files: Bucket,
}

impl Config {
    pub fn read(vars: &Vars) -> Result<Self, MissingVariable> {
        Ok(Self {
            tables: TableNames::read(|name| vars.required(name))?,
            queues: QueueUrls::read(|name| vars.required(name))?,
            bus: vars.required("EVENT_BUS")?.to_owned(),
            keyring_secret: vars.required("KEYRING_SECRET")?.to_owned(),
            storage: vars.parsed(
                "CREDENTIAL_STORAGE",
                Storage::default(),
                "`secrets-manager` or `sealed`",
            )?,
            credentials_prefix: vars.required("CREDENTIALS_PREFIX")?.to_owned(),
            files: Bucket::read(vars)?,
            mail_from: vars.optional("MAIL_FROM").filter(|from| !from.is_empty()).map(str::to_owned),
            rates: RateLimits::read(vars)?,
            public_url: vars.required("PUBLIC_URL")?.trim_end_matches('/').to_owned(),
        })
    }
}
