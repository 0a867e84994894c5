//! What the function is configured with.

use dispatch::QueueUrls;
use runtime::{MissingVariable, Vars};
use store::TableNames;

#[derive(Debug, Clone)]
pub struct Config {
    pub tables: TableNames,
    pub queues: QueueUrls,
    pub bus: String,
}

impl Config {
    pub fn read(vars: &Vars) -> Result<Self, MissingVariable> {
        Ok(Self {
            tables: TableNames::read(|name| vars.required(name))?,
            queues: QueueUrls::read(|name| vars.required(name))?,
            bus: vars.required("EVENT_BUS")?.to_owned(),
        })
    }
}
