//! What the executor is configured with.

use crate::ChainBudget;
use blobs::Bucket;
use dispatch::QueueUrls;
use runtime::{MissingVariable, Vars};
use std::time::Duration;
use store::TableNames;

#[derive(Debug, Clone)]
pub struct Config {
    pub tables: TableNames,
    pub queues: QueueUrls,
    pub bus: String,
    /// The secret whose keys open secret variables.
    pub keyring_secret: String,
    /// What the names of the secrets of connections begin with.
    pub credentials_prefix: String,
    pub budget: ChainBudget,
    pub allow_loopback: bool,
    pub public_url: String,
    pub files: Bucket,
}

impl Config {
    pub fn read(vars: &Vars) -> Result<Self, MissingVariable> {
        let default = ChainBudget::default();
        Ok(Self {
            tables: TableNames::read(|name| vars.required(name))?,
            queues: QueueUrls::read(|name| vars.required(name))?,
            bus: vars.required("EVENT_BUS")?.to_owned(),
            keyring_secret: vars.required("KEYRING_SECRET")?.to_owned(),
            credentials_prefix: vars.required("CREDENTIALS_PREFIX")?.to_owned(),
            budget: ChainBudget {
                steps: vars.parsed("CHAIN_BUDGET_STEPS", default.steps, "a number of steps")?.max(1),
                time: Duration::from_millis(vars.parsed(
                    "CHAIN_BUDGET_MS",
                    default.time.as_millis() as u64,
                    "a number of milliseconds",
                )?),
            },
            files: Bucket::read(vars)?,
            public_url: vars.required("PUBLIC_URL")?.trim_end_matches('/').to_owned(),
            allow_loopback: vars.optional("PATCHBAY_ALLOW_LOOPBACK") == Some("1")
                && vars.optional("AWS_LAMBDA_FUNCTION_NAME").is_none(),
        })
    }
}
