//! What the function is configured with.

use dispatch::QueueUrls;
use runtime::{MissingVariable, Vars};
use store::TableNames;

#[derive(Debug, Clone)]
pub struct Config {
    pub tables: TableNames,
    pub queues: QueueUrls,
    pub bus: String,
    pub region: String,
    /// In the place of AWS's own addresses.
    pub endpoint: Option<String>,
    /// The address that mail is sent from; without it, no mail is sent.
    pub mail_from: Option<String>,
}

impl Config {
    pub fn read(vars: &Vars) -> Result<Self, MissingVariable> {
        Ok(Self {
            tables: TableNames::read(|name| vars.required(name))?,
            queues: QueueUrls::read(|name| vars.required(name))?,
            bus: vars.required("EVENT_BUS")?.to_owned(),
            region: vars.required("AWS_REGION")?.to_owned(),
            endpoint: vars.optional("AWS_ENDPOINT_URL").map(|url| url.trim_end_matches('/').to_owned()),
            mail_from: vars.optional("MAIL_FROM").filter(|from| !from.is_empty()).map(str::to_owned),
        })
    }
}
