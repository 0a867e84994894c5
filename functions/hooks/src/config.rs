//! What the function is configured with.

use dispatch::QueueUrls;
use runtime::{MissingVariable, Vars};
use store::TableNames;

#[derive(Debug, Clone)]
pub struct Config {
    pub tables: TableNames,
    pub queues: QueueUrls,
    /// The secret whose keys open secret variables.
    pub keyring_secret: String,
    pub region: String,
    /// Where AWS is, if not where it usually is.
    pub endpoint: Option<String>,
}

impl Config {
    pub fn read(vars: &Vars) -> Result<Self, MissingVariable> {
        Ok(Self {
            tables: TableNames::read(|name| vars.required(name))?,
            queues: QueueUrls::read(|name| vars.required(name))?,
            keyring_secret: vars.required("KEYRING_SECRET")?.to_owned(),
            region: vars.required("AWS_REGION")?.to_owned(),
            endpoint: vars.optional("AWS_ENDPOINT_URL").map(|url| url.trim_end_matches('/').to_owned()),
        })
    }
}
